"""Renyi kernel entropy: the effective number of modes that a Gaussian kernel tells apart."""

from __future__ import annotations

from math import inf
from typing import Any

from divmetrics.arrays.pairs import bandwidth, effective, log_variance
from divmetrics.arrays.splits import Pool
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _variance(pool: Pool, **options: Any) -> float | None:
    sigma = bandwidth(pool.fake, options["sigma"])
    of_log = log_variance(pool.fake, sigma, own=options["sigma"] is None)
    return None if of_log is None else of_log * effective(pool.fake, sigma) ** 2


@metric(
    "rke",
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(1, inf), translation=True, rotation=True, scaling=0.0, on_collapse="blind"),
    role="diversity",
    cite="Jalali 2023, arXiv:2301.11780",
    minimum=lambda _: 1,
    equal_n=True,
    shared=("sigma",),
    uncertainty=UncertaintySpec(variance=Variance("U-statistic theory", _variance)),
    about=About(
        formula=r"1 \Big/ \frac{1}{n^2} \sum_{ij} k(y_i, y_j)^2, \quad k(x, y) = e^{-|x - y|^2 / 2\sigma^2}",
        sees="Dropped and thinned modes that lie farther apart than sigma; near-duplicates.",
        blind="With the default sigma, which follows the fakes, their collapse to one cluster: see rke_ratio.",
        bias="Downwards, at most n; by about the share 1/n of its value.",
        cost="One pass over the pairs, O(n² d).",
    ),
)
def rke(fake: Rows, *, sigma: float | None = None) -> Measured:
    """Effective number of modes, 1 over the mean squared Gaussian kernel; in [1, n], higher is more diverse.

    Jalali 2023 (RKE-MC). K tight modes with weights w, far apart, give 1 / sum of w². All depends on `sigma`: 10 times
    the spread of a mode and half the gap between modes is right; None is half the root mean square distance,
    which is scale free. Extras: `sigma`, at which the reals are measured too where they are at hand (rke_ratio takes
    the reals' bandwidth for both).
    Raises UsageError for `sigma` <= 0.
    """
    width = bandwidth(fake, sigma)
    return Measured(effective(fake, width), extras={"sigma": width})
