"""Renyi kernel entropy: the effective number of modes that a Gaussian kernel tells apart."""

from __future__ import annotations

from math import inf
from typing import Any

from divmetrics.arrays.pairs import effective_number, kernel_bandwidth, log_effective_number_spread
from divmetrics.arrays.splits import Pool
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, Spread, UncertaintySpec, Variance, metric


def _variance(pool: Pool, **options: Any) -> Spread | None:
    sigma = kernel_bandwidth(pool.fake, options["sigma"])
    of_log = log_effective_number_spread(pool.fake, sigma, own=options["sigma"] is None)
    return None if of_log is None else of_log.exponential(effective_number(pool.fake, sigma))


@metric(
    "rke",
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(1, inf), translation=True, rotation=True, scaling=0.0, on_collapse="blind"),
    role="diversity",
    cite="Jalali 2023, arXiv:2301.11780",
    minimum=lambda _: 1,
    equal_n=True,
    shared_options=("sigma",),
    uncertainty=UncertaintySpec(
        variance=Variance("U-statistic theory with skewness", _variance),
        caveat="a few outliers decide the default bandwidth: with 120 samples that have the tails of Student's t with "
        "5 degrees of freedom, intervals of 95 % held in 93 % of draws and began too high in 5 %",
    ),
    about=About(
        formula=r"1 \Big/ \frac{1}{n^2} \sum_{ij} k(y_i, y_j)^2, \quad k(x, y) = e^{-|x - y|^2 / 2\sigma^2}",
        sees="Dropped and thinned modes that lie farther apart than sigma; near-duplicates.",
        blind="With the default sigma, which follows the fake samples, their collapse to one cluster: see rke_ratio.",
        bias="Downwards, by about 1/n of its value; at most n.",
        cost="One pass over the pairs, O(n² d).",
    ),
)
def rke(fake: Rows, *, sigma: float | None = None) -> Measured:
    """Effective number of modes, 1 over the mean squared Gaussian kernel of all pairs; in [1, n], higher is more
    diverse.

    The exponential of the order-2 Renyi kernel entropy (RKE-MC). K tight modes with weights w, far apart, give 1 / sum
    of w². Everything depends on `sigma`: 10 times the spread of a mode, or half the gap between modes, is a good
    choice. Jalali 2023, eq. 9.

    Args:
        fake: Fake samples: `[m, d]` array, tensor or `Rows`.
        sigma: Bandwidth in feature units, above 0 (default None: half the root mean square distance of the samples,
            which makes the value free of scale). Smaller ones tell more modes apart.

    Returns:
        The effective number. `measure` adds `extras["sigma"]`, the bandwidth. In a report, the real samples are
        measured at the same bandwidth (rke_ratio takes that of the real samples for both).

    Raises:
        UsageError: `sigma` is not above 0.

    Example:
        >>> import divmetrics as dm
        >>> fake = [[0.0], [0.0], [0.0], [100.0]]  # two modes with weights 3/4 and 1/4
        >>> round(dm.metrics.rke(fake, sigma=1.0), 6)  # 1 / (9/16 + 1/16)
        1.6
    """
    width = kernel_bandwidth(fake, sigma)
    return Measured(effective_number(fake, width), extras={"sigma": width})
