"""Renyi kernel entropy of the fakes against that of the reals, at one bandwidth."""

from __future__ import annotations

from math import inf
from typing import Any

from torch import Tensor

from divmetrics.arrays.pairs import bandwidth, effective, effective_of_splits, log_variance
from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _variance(pool: TwoSamplePool, **options: Any) -> float | None:
    sigma = bandwidth(pool.real, options["sigma"])
    of_real, of_fake = log_variance(pool.real, sigma), log_variance(pool.fake, sigma)
    if of_real is None or of_fake is None:
        return None
    return (of_real + of_fake) * (effective(pool.fake, sigma) / effective(pool.real, sigma)) ** 2


def _resample(pool: TwoSamplePool, splits: Splits, **options: Any) -> Tensor:
    """At the bandwidth of the reals as they are: where reals and fakes are alike the ratio is 1 at any."""
    real, fake = effective_of_splits(pool.whole, bandwidth(pool.real, options["sigma"]), splits)
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
    uncertainty=UncertaintySpec(variance=Variance("U-statistic theory", _variance), resample=_resample),
    about=About(
        formula=r"\sum_{ij} k(x_i, x_j)^2 \Big/ \sum_{ij} k(y_i, y_j)^2, \quad k(x, y) = e^{-|x - y|^2 / 2\sigma^2}",
        sees="Dropped modes, shrunken modes, duplicates: all that brings fakes nearer to each other than reals are.",
        blind="Where the fakes are: noise and invented modes read as diversity. Look at a fidelity metric beside it.",
        bias="None to first order where both sides have n samples and are alike.",
        cost="One pass over the pairs, O(n² d); the null is one more pass.",
    ),
)
def rke_ratio(real: Rows, fake: Rows, *, sigma: float | None = None) -> Measured:
    """Effective number of the fakes' modes over that of the reals'; 1 for equal distributions, lower is collapse.

    Jalali 2023: mean k² of the reals over mean k² of the fakes, k a Gaussian kernel. `sigma=None` is half the root mean
    square distance of the reals, for both sides: a collapsed side cannot choose a bandwidth that makes it look diverse.
    Compare at equal sizes. Extras: `real`, `fake`, `sigma`. Raises UsageError for `sigma` <= 0.
    """
    same_width(real.d, fake.d)
    width = bandwidth(real, sigma)
    reals, fakes = effective(real, width), effective(fake, width)
    return Measured(fakes / reals, extras={"real": reals, "fake": fakes, "sigma": width})
