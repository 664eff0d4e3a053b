"""Birthday test: how many different samples can the generator make?"""

from __future__ import annotations

from math import exp, inf, log, sqrt

import numpy as np
from scipy import special
from torch import Tensor

from divmetrics.arrays.share_intervals import GRID
from divmetrics.arrays.splits import FAKE, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.copies._near_duplicates import Near, near, renear
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric

ARRIVALS = -np.log1p(-(np.arange(len(GRID)) + 0.5) / len(GRID))
"""Exponential values of equal weight: how many pairs of reals to expect within the distance of the closest."""
SHUFFLED = GRID[(np.arange(len(GRID)) * 157) % len(GRID)]
"""Normal values of equal weight that know nothing of `ARRIVALS`."""


def _resample(pool: TwoSamplePool, splits: Splits, *, threshold: float | None) -> Tensor:
    pairs, _ = renear(pool, splits, threshold)
    sizes = (splits.side == FAKE).sum(1).double()
    return sizes * (sizes - 1) / 2 / pairs


def _interval(pool: TwoSamplePool, level: float, *, threshold: float | None) -> tuple[float, float] | None:
    """Exact for few pairs, by the law of their number given that there are any; the value is one over it.

    It is Poisson about r T^g exp(sZ): T, exponential, is where the closest reals happen to lie, g how pairs grow with
    that, s the spread of the U-statistic "share of pairs that are near" (Hoeffding 1948), r unknown.
    """
    found, m = near(pool.real, pool.fake, threshold), pool.m
    if not found.pairs or m < 3:
        return None
    shape = ARRIVALS**found.growth * np.exp(_spread(found, m) * SHUFFLED)
    tail, most = (1 - level) / 2, m * (m - 1) / 2
    ends = [_rate(found.pairs, shape, tail, more=more) for more in (False, True)]
    low, high = (most * _inverse(rate * shape) for rate in ends)
    return max(1.0, min(low, most / found.pairs)), max(high, most / found.pairs)


def _spread(found: Near, m: int) -> float:
    """Relative standard deviation of the number of near pairs that is owed to samples with many of them."""
    share = found.pairs / (m * (m - 1) / 2)
    chained = float((found.degree.double() * (found.degree - 1)).sum()) / (m * (m - 1) * (m - 2))
    return sqrt(4 * (m - 2) * max(chained - share**2, 0.0) / (m * (m - 1))) / share


def _rate(pairs: int, shape: np.ndarray, tail: float, *, more: bool) -> float:
    """The r with which as few pairs as these, or as many where `more`, have a chance `tail`; half of a tie counts."""

    def beyond(log_rate: float) -> float:
        rates = exp(log_rate) * shape
        some = -np.expm1(-rates).mean()
        tie = np.exp(special.xlogy(pairs, rates) - special.gammaln(pairs + 1) - rates).mean() / some
        fewer = (special.pdtr(pairs - 1, rates) - np.exp(-rates)).mean() / some
        return float(1 - fewer - tie / 2 if more else fewer + tie / 2)

    low, high = log(pairs) - 25, log(pairs) + 25
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if (beyond(middle) > tail) == more else (middle, high)
    return exp((low + high) / 2)


def _inverse(rates: np.ndarray) -> float:
    """Mean of one over a Poisson number, given that it is not 0."""
    few = np.minimum(rates, 50)
    exact = np.exp(-few) * (special.expi(few) - np.euler_gamma - np.log(few))
    inverse = np.where(rates < 50, exact, (1 + 1 / rates + 2 / rates**2) / rates)
    return float(inverse.mean() / -np.expm1(-rates).mean())


@metric(
    "birthday_support",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(1, inf), translation=True, rotation=True, scaling=0),
    cite="Arora and Zhang 2017, arXiv:1706.08224",
    minimum=lambda _: 2,
    uncertainty=UncertaintySpec(interval=Interval("exact, of a Poisson number", _interval), resample=_resample),
    about=About(
        formula=r"\frac{m(m-1)}{2\, \#\{i < j : \|y_i - y_j\| \le t\}},\quad t = \min_{i<j} \|x_i - x_j\|",
        sees="Samples that come again and again: few fixed outputs, or modes shrunk to points.",
        blind="Missing modes, as long as what is left is varied.",
        bias="Reaches to about m^2/2 different outputs: beyond, no pair is found and there is no value, but a bound.",
        cost="O((n^2 + m^2) d); the null adds a pass over all pairs of the pool.",
    ),
)
def birthday_support(real: Rows, fake: Rows, *, threshold: float | None = None) -> Measured:
    """Number of equally frequent outputs that would repeat as often as the fakes do; >= 1, higher is better.

    Arora and Zhang 2017: with N outputs a pair of samples repeats with probability 1/N, so that N = m (m - 1) / 2 over
    the number of near-duplicate pairs. Near is no farther than the closest two reals, or `threshold` (feature units).
    Infinite, and so no value, where no pair is near. Extras: `pairs`, `threshold`, and the 95 %
    lower bound `at_least`.
    Raises TooFewSamples below two rows a side, UsageError on a negative threshold.
    """
    found = near(real, fake, threshold)
    all_pairs = fake.n * (fake.n - 1) / 2
    most = float(special.chdtri(2 * (found.pairs + 1), 0.05)) / 2
    extras = {"pairs": found.pairs, "threshold": found.limit, "at_least": max(1.0, all_pairs / most)}
    return Measured(all_pairs / found.pairs if found.pairs else inf, extras=extras)
