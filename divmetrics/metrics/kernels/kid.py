"""Kernel Inception Distance."""

from typing import Any

from torch import Tensor

from divmetrics.arrays.pairs import (
    Polynomial,
    draw_subsets,
    mmd2,
    mmd2_of_splits,
    mmd2_subsets,
    mmd2_variance,
    split_sums,
)
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _kernel(rows: Rows, options: dict[str, Any]) -> Polynomial:
    gamma = options["gamma"]
    return Polynomial(options["degree"], 1 / rows.d if gamma is None else gamma, options["coef0"])


def _variance(pool: TwoSamplePool, **options: Any) -> float | None:
    """That of the U-statistic; of `subsets` a share more, for their mean moves about the U-statistic."""
    kernel, subsets, size = _kernel(pool.fake, options), options["subsets"], options["subset_size"]
    whole = mmd2_variance(pool.real, pool.fake, kernel)
    of_one = mmd2_variance(pool.real, pool.fake, kernel, size) if subsets else None
    return whole if whole is None or of_one is None else whole + max(0.0, of_one - whole) / subsets


def _resample(pool: Pool, splits: Splits, **options: Any) -> Tensor:
    """The U-statistic of every split; with `subsets` it is stretched about its mean to the variance of theirs.

    A mean over subsets has the U-statistic as its own mean, and drawing 100 subsets for each of 199 splits takes
    minutes. Where distributions are equal a variance is c (1/n + 1/m)², of a subset's statistic c (2 / size)².
    """
    sums = split_sums(pool.whole, _kernel(pool.fake, options), splits)
    found = mmd2_of_splits(sums)
    if not options["subsets"]:
        return found
    ratio = ((2 / options["subset_size"]) / (1 / sums.n + 1 / sums.m)) ** 2
    stretch: Tensor = (1 + (ratio - 1).clamp(min=0) / options["subsets"]).sqrt()
    centre = found.mean()
    return centre + (found - centre) * stretch


@metric(
    "kid",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(rotation=True),
    role="distance",
    cite="Binkowski 2018, arXiv:1801.01401",
    minimum=lambda options: int(options["subset_size"]) if options["subsets"] else 2,
    protocols={
        "inception-2015": {"degree": 3, "gamma": None, "coef0": 1.0, "subsets": 100, "subset_size": 1000},
    },
    uncertainty=UncertaintySpec(variance=Variance("U-statistic theory", _variance), resample=_resample),
    about=About(
        formula=r"\frac{\sum_{i \ne j} k(x_i, x_j)}{n(n-1)} + \frac{\sum_{i \ne j} k(y_i, y_j)}{m(m-1)} "
        r"- \frac{2}{nm} \sum_{ij} k(x_i, y_j), \quad k(x, y) = (x \cdot y / d + 1)^3",
        sees="A shift, lost or added variance, skewness: the first three moments of the features.",
        blind="What leaves three moments as they are: many atoms in place of a smooth mode, copies of training images.",
        bias="None; it may be negative. Its spread under equal distributions falls with 1/n.",
        cost="One pass over the pairs, O((n + m)² d), blocks of 1024 in memory; the null is one more such pass.",
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
    subset_size: int = 1000,
    seed: int = 0,
) -> Measured:
    """Squared maximum mean discrepancy for the kernel (gamma xy + coef0)^degree; lower is better, equal ones give 0.

    Unbiased, so it may be negative; kernel units, `gamma=None` is 1/d. By default the U-statistic over all samples: one
    exact number. `subsets=100` is the classic estimate, a mean over subsets of `subset_size` rows whose spread is
    `extras["sd"]`; it repeats torch-fidelity's draws for the same `seed`.
    Raises TooFewSamples where a subset is larger than a side.
    """
    kernel = _kernel(real, {"degree": degree, "gamma": gamma, "coef0": coef0})
    if not subsets:
        return Measured(mmd2(real, fake, kernel))
    draws = draw_subsets(real.n, fake.n, subsets, subset_size, seed)
    found = mmd2_subsets(real.features, fake.features, kernel, draws)
    return Measured(found.mean().item(), extras={"sd": found.std(correction=0).item()})
