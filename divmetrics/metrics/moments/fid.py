"""Frechet inception distance: squared Frechet distance of Gaussian fits of the features."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Moments
from divmetrics.metrics.moments import _frechet as frechet
from divmetrics.records.metric import About, Laws, Measured, Spread, UncertaintySpec, Variance, metric


def _variance(pool: TwoSamplePool, **_: Any) -> Spread | None:
    return frechet.spread(pool.real, pool.fake)


def _resample(pool: Pool, splits: Splits, **_: Any) -> Tensor:
    return frechet.on_splits(pool, splits)


@metric(
    "fid",
    real=Moments.on("pooled"),
    fake=Moments.on("pooled"),
    better="lower",
    laws=Laws(range=(0, float("inf")), translation=True, rotation=True, scaling=2.0, on_copies=0.0),
    role="distance",
    cite="Heusel 2017, arXiv:1706.08500",
    presets=("quick", "default"),
    protocols={"inception-2015": {}},
    uncertainty=UncertaintySpec(
        variance=Variance(frechet.METHOD, _variance),
        resample=_resample,
        replicate_cost="decomposed",
        bias="1/n",
        null_power=1,
        null_power_from=frechet.LEAST_SAMPLES,
    ),
    about=About(
        formula=r"|\mu_r - \mu_f|^2 + \mathrm{tr}\left(\Sigma_r + \Sigma_f - 2(\Sigma_r \Sigma_f)^{1/2}\right)",
        sees="Shifts, lost or added variance, lost correlations; dropped modes as far as they change mean and "
        "covariance.",
        blind="Everything that leaves mean and covariance alone: many atoms in place of a smooth mode, copied images.",
        bias="Upwards, d(d+5)/4 (1/n + 1/m) for whitened Gaussian features, which is most of a small value.",
        cost="O((n + m) d² + d³): 0.5 s at 5,000 + 5,000 x 1280. The interval takes 1.5 s, each draw of the null 0.4 "
        "s.",
    ),
)
def fid(real: Moments, fake: Moments) -> Measured:
    """Squared Frechet distance between Gaussian fits of the real and the fake samples; >= 0, feature units squared,
    lower is better.

    |m_r - m_f|^2 + tr(S_r + S_f - 2 (S_r S_f)^1/2) with means m and covariances S (ddof 1). Heusel 2017, eq. 6. The
    value is biased upwards by about 1/n: compare only values taken at the same two sample sizes. Equal sets give 0 up
    to round-off of either sign, below 1e-8 of the traces, which is not clipped.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Moments`, n >= 2.
        fake: Fake samples: `[m, d]`, m >= 2, in the same feature space.

    Returns:
        The distance. `measure` adds the extras `mean_term` and `covariance_term`, which sum to it.

    Raises:
        TooFewSamples: A side has a single sample.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [2.0]], [[1.0], [5.0]]  # means 1 and 3, variances 2 and 8
        >>> round(dm.metrics.fid(real, fake), 6)  # (1 - 3)^2 + 2 + 8 - 2 sqrt(2 * 8)
        6.0
    """
    mean_term, covariance_term = frechet.terms(real, fake)
    return Measured(mean_term + covariance_term, extras={"mean_term": mean_term, "covariance_term": covariance_term})
