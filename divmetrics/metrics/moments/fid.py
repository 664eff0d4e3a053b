"""Frechet inception distance: how far the Gaussian fits of two feature sets are from each other."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Moments
from divmetrics.metrics.moments import _frechet as frechet
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _variance(pool: TwoSamplePool, **_: Any) -> float | None:
    return frechet.variance(pool.real, pool.fake)


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
        variance=Variance("influence function", _variance), resample=_resample, replicate_cost="decomposed", bias="1/n"
    ),
    about=About(
        formula=r"|\mu_r - \mu_f|^2 + \mathrm{tr}\left(\Sigma_r + \Sigma_f - 2(\Sigma_r \Sigma_f)^{1/2}\right)",
        sees="Shifts, lost or added variance, lost correlations; dropped modes as they move mean and covariance.",
        blind="All that leaves mean and covariance alone: many atoms in place of a smooth mode, copied images.",
        bias="Upwards, d(d+5)/4 (1/n + 1/m) for whitened Gaussian features: most of a small value.",
        cost="O((n + m) d² + d³): 0.5 s at 5,000 + 5,000 x 1280. The interval 1.5 s, each draw of the null 0.4 s.",
    ),
)
def fid(real: Moments, fake: Moments) -> Measured:
    """Squared Frechet distance of Gaussian fits; >= 0, feature units squared; lower is better. Heusel 2017, eq. 6.

    |m_r - m_f|^2 + tr(S_r + S_f - 2 (S_r S_f)^1/2), covariances with ddof 1. Biased upwards by about 1/n: compare only
    values taken at the same two sample sizes. Equal sets give 0 up to round-off of either sign, below 1e-8 of the
    traces; it is not clipped. Extras: the two terms. Raises TooFewSamples below two rows on a side.
    """
    mean_term, covariance_term = frechet.frechet(real, fake)
    return Measured(mean_term + covariance_term, extras={"mean_term": mean_term, "covariance_term": covariance_term})
