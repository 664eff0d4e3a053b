"""Birthday test: how many different samples can the generator make?"""

from __future__ import annotations

from math import inf

from scipy import stats
from torch import Tensor

from divmetrics.declare import About, Chance, Laws, Measured, Variance, metric
from divmetrics.near import RANK, near, renear
from divmetrics.pool import FAKE, Pool, Splits
from divmetrics.summaries import Rows


def _resample(pool: Pool, splits: Splits, *, threshold: float | None) -> Tensor:
    pairs, _ = renear(pool, splits, threshold)
    sizes = (splits.side == FAKE).sum(1).double()
    return sizes * (sizes - 1) / 2 / pairs


def _variance(pool: Pool, *, threshold: float | None) -> float | None:
    """Of 1 / U, U the U-statistic "share of pairs that are near" (Hoeffding 1948), and of the limit.

    As a count of pairs of reals the limit is a first arrival, of standard deviation one pair.
    """
    assert pool.real is not None  # noqa: S101  a two-sample metric
    found, m = near(pool.real, pool.fake, threshold), pool.m
    if not found.pairs or m < 3:
        return None
    all_pairs = m * (m - 1) / 2
    share = found.pairs / all_pairs
    chained = float((found.degree.double() * (found.degree - 1)).sum()) / (m * (m - 1) * (m - 2))
    first = max(chained - share**2, 0.0)
    counting = (4 * (m - 2) * first + 2 * share * (1 - share)) / (m * (m - 1))
    slope = 0.0
    if found.further is not None:
        slope = (int(found.further.sum()) / 2 - found.pairs) / (RANK - 1) / all_pairs
    return (counting + slope**2) / share**4


@metric(
    "birthday_support",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(1, inf), translation=True, rotation=True, scaling=0),
    cite="Arora and Zhang 2017, arXiv:1706.08224",
    minimum=lambda _: 2,
    chance=Chance(variance=Variance("U-statistic", _variance), resample=_resample),
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
    most = float(stats.chi2.ppf(0.95, 2 * (found.pairs + 1))) / 2
    extras = {"pairs": found.pairs, "threshold": found.limit, "at_least": max(1.0, all_pairs / most)}
    return Measured(all_pairs / found.pairs if found.pairs else inf, extras=extras)
