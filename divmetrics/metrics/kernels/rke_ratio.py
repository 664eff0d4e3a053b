"""Renyi kernel entropy of the fake samples relative to the real ones, at one bandwidth."""

from __future__ import annotations

from math import inf
from typing import Any

from torch import Tensor

from divmetrics.arrays.pairs import (
    effective_number,
    effective_number_on_splits,
    kernel_bandwidth,
    log_effective_number_spread,
)
from divmetrics.arrays.skewness import difference_spread
from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.records.metric import About, Laws, Measured, Spread, UncertaintySpec, Variance, metric


def _variance(pool: TwoSamplePool, **options: Any) -> Spread | None:
    sigma = kernel_bandwidth(pool.real, options["sigma"])
    of_real, of_fake = (log_effective_number_spread(side, sigma) for side in (pool.real, pool.fake))
    if of_real is None or of_fake is None:
        return None
    ratio = effective_number(pool.fake, sigma) / effective_number(pool.real, sigma)
    return difference_spread(of_fake, of_real).exponential(ratio)


def _resample(pool: TwoSamplePool, splits: Splits, **options: Any) -> Tensor:
    """The ratio on each split `[B]`, at the bandwidth of all real samples; for equal distributions it is 1 at any."""
    real, fake = effective_number_on_splits(pool.whole, kernel_bandwidth(pool.real, options["sigma"]), splits)
    return fake / real


@metric(
    "rke_ratio",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=0.0, on_copies=1.0),
    cite="Jalali 2023, arXiv:2301.11780",
    minimum=lambda _: 1,
    equal_n=True,
    uncertainty=UncertaintySpec(variance=Variance("U-statistic theory with skewness", _variance), resample=_resample),
    about=About(
        formula=r"\sum_{ij} k(x_i, x_j)^2 \Big/ \sum_{ij} k(y_i, y_j)^2, \quad k(x, y) = e^{-|x - y|^2 / 2\sigma^2}",
        sees="Dropped modes, shrunken modes, duplicates: everything that brings fake samples nearer to each other "
        "than real ones are.",
        blind="Where the fake samples are: noise and invented modes read as diversity. Look at a fidelity metric "
        "beside it.",
        bias="None to first order where both sides have n samples and are alike.",
        cost="One pass over the pairs, O(n² d); the null is one more pass.",
    ),
)
def rke_ratio(real: Rows, fake: Rows, *, sigma: float | None = None) -> Measured:
    """Effective number of modes of the fake samples over that of the real ones; >= 0, 1 for equal distributions, lower
    means collapse.

    The ratio of Renyi kernel entropies of order 2 (as rke): mean k² of the real samples over that of the fake ones,
    with k a Gaussian kernel. Both sides use the bandwidth of the real samples, so that a collapsed side cannot choose
    one that makes it look diverse. Compare at equal sizes. Jalali 2023.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`.
        fake: Fake samples: `[m, d]`, in the same feature space.
        sigma: Bandwidth in feature units, above 0 (default None: half the root mean square distance of the real
            samples).

    Returns:
        The ratio. `measure` adds the extras `real` and `fake` (the two effective numbers) and `sigma` (the bandwidth).

    Raises:
        UsageError: `sigma` is not above 0.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [100.0], [200.0], [300.0]], [[0.0], [0.0], [100.0], [100.0]]
        >>> round(dm.metrics.rke_ratio(real, fake, sigma=1.0), 6)  # two modes of four
        0.5
    """
    same_width(real.d, fake.d)
    width = kernel_bandwidth(real, sigma)
    of_real, of_fake = effective_number(real, width), effective_number(fake, width)
    return Measured(of_fake / of_real, extras={"real": of_real, "fake": of_fake, "sigma": width})
