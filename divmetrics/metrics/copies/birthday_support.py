"""Birthday-paradox estimate of the support size of the generator."""

from __future__ import annotations

from math import exp, inf, log

import numpy as np
from scipy import special
from torch import Tensor

from divmetrics.arrays.splits import FAKE, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.copies._near_duplicates import near_duplicates, near_duplicates_on_splits
from divmetrics.metrics.copies._numbers_of_pairs import relative_rates
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric


def _resample(pool: TwoSamplePool, splits: Splits, *, threshold: float | None) -> Tensor:
    pairs, _ = near_duplicates_on_splits(pool, splits, threshold)
    sizes = (splits.side == FAKE).sum(1).double()
    return sizes * (sizes - 1) / 2 / pairs


def _interval(pool: TwoSamplePool, level: float, *, threshold: float | None) -> tuple[float, float] | None:
    """Exact interval from the mixed Poisson distribution of the number of near-duplicate pairs, given at least one.

    The number is Poisson with mean r T^g exp(sZ): T is exponential and describes where the closest real pair lies, g is
    the growth exponent of pairs with distance, s the relative standard deviation of the U-statistic "share of near
    pairs" (Hoeffding 1948), Z standard normal, and r the unknown rate.
    """
    near, m = near_duplicates(pool.real, pool.fake, threshold), pool.m
    if not near.pairs or m < 3:
        return None
    shape = relative_rates(near, m)
    tail, all_pairs = (1 - level) / 2, m * (m - 1) / 2
    rates = [_rate(near.pairs, shape, tail, more=more) for more in (False, True)]
    low, high = (all_pairs * _mean_inverse(rate * shape) for rate in rates)
    return max(1.0, min(low, all_pairs / near.pairs)), max(high, all_pairs / near.pairs)


def _rate(pairs: int, shape: np.ndarray, tail: float, *, more: bool) -> float:
    """Rate at which the mid-p P(at most `pairs`), or with `more` P(at least `pairs`), equals `tail`."""

    def tail_probability(log_rate: float) -> float:
        rates = exp(log_rate) * shape
        positive = -np.expm1(-rates).mean()
        tie = np.exp(special.xlogy(pairs, rates) - special.gammaln(pairs + 1) - rates).mean() / positive
        fewer = (special.pdtr(pairs - 1, rates) - np.exp(-rates)).mean() / positive
        return float(1 - fewer - tie / 2 if more else fewer + tie / 2)

    low, high = log(pairs) - 25, log(pairs) + 25
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if (tail_probability(middle) > tail) == more else (middle, high)
    return exp((low + high) / 2)


def _mean_inverse(rates: np.ndarray) -> float:
    """Mean of 1/N for a Poisson number N given N > 0, over a mixture of `rates` of equal weight."""
    small = np.minimum(rates, 50)
    exact = np.exp(-small) * (special.expi(small) - np.euler_gamma - np.log(small))
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
        formula=r"\frac{m(m-1)}{2\, \#\{i < j : \|y_i - y_j\| \le t\}},"
        r"\quad t = \min_{x_i \not\approx x_j} \|x_i - x_j\|",
        sees="Repeated samples: few fixed outputs, or modes shrunk to points.",
        blind="Missing modes, if the remaining samples are diverse.",
        bias="Limited to about m^2/2 outputs: beyond that no pair is found, and only a lower bound is reported.",
        cost="O((n^2 + m^2) d); the null band adds a pass over all pairs of the pool.",
    ),
)
def birthday_support(real: Rows, fake: Rows, *, threshold: float | None = None) -> Measured:
    """Birthday estimate of the support size, the number of equally likely outputs; >= 1, higher is better.

    Arora and Zhang 2017: if there are N outputs, a pair of samples coincides with probability 1/N, so N is estimated by
    m (m - 1) / 2 divided by the number of near-duplicate pairs. It is infinite, and reported as no value, where there
    is no such pair. Near-duplicates are no farther apart than the closest pair of real samples that are not copies of
    one another, as in `duplicate_fraction`.

    Args:
        real: Features of the real samples, `[n, d]`.
        fake: Features of the generated samples, `[m, d]`.
        threshold: Distance up to which two samples are near-duplicates, >= 0, in feature units; None (the default) for
            the distance of the closest pair of real samples that are not copies of one another.

    Returns:
        The estimate. Extras: `pairs`, the number of near-duplicate pairs; `threshold`; `at_least`, a lower bound at
        95 % confidence.

    Raises:
        UsageError: `threshold` is negative.
        TooFewSamples: Fewer than two samples on a side.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> dm.metrics.birthday_support([[0.0], [1.0], [3.0]], [[0.0], [0.2], [5.0], [9.0]])  # one pair in six
        6.0
    """
    near = near_duplicates(real, fake, threshold)
    all_pairs = fake.n * (fake.n - 1) / 2
    most = float(special.chdtri(2 * (near.pairs + 1), 0.05)) / 2
    extras = {"pairs": near.pairs, "threshold": near.threshold, "at_least": max(1.0, all_pairs / most)}
    return Measured(all_pairs / near.pairs if near.pairs else inf, extras=extras)
