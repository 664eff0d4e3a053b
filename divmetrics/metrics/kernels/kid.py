"""Kernel inception distance: squared maximum mean discrepancy with a polynomial kernel."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from divmetrics.arrays.pairs import (
    PolynomialKernel,
    draw_subsets,
    kernel_sums_on_splits,
    mmd2,
    mmd2_of_subsets,
    mmd2_on_splits,
    mmd2_spread,
)
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
from divmetrics.records.metric import About, Laws, Measured, Spread, UncertaintySpec, Variance, metric

SUBSET_SIZE = 1000
"""Samples of each side in a subset, as published."""


def _kernel(rows: Rows, options: dict[str, Any]) -> PolynomialKernel:
    gamma = options["gamma"]
    return PolynomialKernel(options["degree"], 1 / rows.d if gamma is None else gamma, options["coef0"])


def _minimum(options: Mapping[str, Any]) -> int:
    """Samples a side that the options need. Raises UsageError for a size of subsets where there are none."""
    size = int(options["subset_size"])
    if not options["subsets"] and size != SUBSET_SIZE:
        raise UsageError(f"subset_size={size} says nothing without subsets; write subsets=100 beside it.")
    return size if options["subsets"] else 2


def _variance(pool: TwoSamplePool, **options: Any) -> Spread | None:
    """Spread of the U-statistic; with `subsets`, plus that of their mean about the U-statistic."""
    kernel, subsets, size = _kernel(pool.fake, options), options["subsets"], options["subset_size"]
    of_all = mmd2_spread(pool.real, pool.fake, kernel)
    of_one = mmd2_spread(pool.real, pool.fake, kernel, size) if subsets else None
    if of_all is None or of_one is None:
        return of_all
    return of_all.plus(max(0.0, of_one.variance - of_all.variance) / subsets)


def _resample(pool: Pool, splits: Splits, **options: Any) -> Tensor:
    """The U-statistic on each split `[B]`; with `subsets`, rescaled about its mean to the variance of their mean.

    A mean over subsets has the U-statistic as its expectation, and drawing 100 subsets for each of 199 splits would
    take minutes. For equal distributions the variance of the U-statistic is c (1/n + 1/m)², that of one subset
    c (2 / size)².
    """
    sums = kernel_sums_on_splits(pool.whole, _kernel(pool.fake, options), splits)
    values = mmd2_on_splits(sums)
    if not options["subsets"]:
        return values
    ratio = ((2 / options["subset_size"]) / (1 / sums.n + 1 / sums.m)) ** 2
    stretch: Tensor = (1 + (ratio - 1).clamp(min=0) / options["subsets"]).sqrt()
    mean = values.mean()
    return mean + (values - mean) * stretch


@metric(
    "kid",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(rotation=True),
    role="distance",
    cite="Binkowski 2018, arXiv:1801.01401",
    minimum=_minimum,
    protocols={
        "inception-2015": {"degree": 3, "gamma": None, "coef0": 1.0, "subsets": 100, "subset_size": 1000},
    },
    uncertainty=UncertaintySpec(
        variance=Variance("U-statistic theory with skewness", _variance), resample=_resample, null_power=1
    ),
    about=About(
        formula=r"\frac{\sum_{i \ne j} k(x_i, x_j)}{n(n-1)} + \frac{\sum_{i \ne j} k(y_i, y_j)}{m(m-1)} "
        r"- \frac{2}{nm} \sum_{ij} k(x_i, y_j), \quad k(x, y) = (x \cdot y / d + 1)^3",
        sees="A shift, lost or added variance, skewness: the first three moments of the features.",
        blind="What leaves three moments alone: many atoms in place of a smooth mode, copies of training images.",
        bias="None; it may be negative. Its spread under equal distributions falls with 1/n.",
        cost="One pass over the pairs, O((n + m)² d), in blocks of 1024; interval and null take one more each.",
    ),
)
def kid(
    real: Rows,
    fake: Rows,
    *,
    degree: int = 3,
    gamma: float | None = None,
    coef0: float = 1.0,
    subsets: int = 0,
    subset_size: int = SUBSET_SIZE,
    seed: int = 0,
) -> Measured:
    """Squared maximum mean discrepancy with a polynomial kernel; kernel units, 0 on average for equal distributions,
    lower is better.

    The kernel is (gamma x.y + coef0)^degree. By default the unbiased U-statistic over all samples: one exact number,
    which may be negative. `subsets=100` gives the classic estimate of Binkowski 2018, section 4, a mean over random
    subsets.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n >= 2 (n >= `subset_size` with subsets).
        fake: Fake samples: `[m, d]`, as many at least, in the same feature space.
        degree: Degree of the kernel (default 3); the value compares as many moments of the features.
        gamma: Factor of the inner product (default None: 1/d).
        coef0: Constant of the kernel (default 1); smaller ones weigh low moments less.
        subsets: Number of random subsets to average over (default 0: all samples in one U-statistic).
        subset_size: Samples of each side in a subset (default 1000); needs `subsets`.
        seed: Seed of the subsets (default 0); the draws are those of torch-fidelity for the same seed.

    Returns:
        The discrepancy. With `subsets`, `measure` adds `extras["sd"]`, the standard deviation over the subsets (ddof
        0).

    Raises:
        TooFewSamples: A side has fewer than 2 samples, or fewer than `subset_size` with subsets.
        UsageError: `subsets` is negative, `subset_size` below 2, or given without `subsets`.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> round(dm.metrics.kid([[1.0], [1.0]], [[0.0], [0.0]]), 6)  # (1 + 1)^3 + 1^3 - 2 * 1^3
        7.0
    """
    _minimum({"subsets": subsets, "subset_size": subset_size})
    kernel = _kernel(real, {"degree": degree, "gamma": gamma, "coef0": coef0})
    if not subsets:
        return Measured(mmd2(real, fake, kernel))
    draws = draw_subsets(real.n, fake.n, subsets, subset_size, seed)
    values = mmd2_of_subsets(real.features, fake.features, kernel, draws)
    return Measured(values.mean().item(), extras={"sd": values.std(correction=0).item()})
