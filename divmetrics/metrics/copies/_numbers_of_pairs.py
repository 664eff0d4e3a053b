"""Distribution of the number of near-duplicate pairs: a mixed Poisson one.

The number is Poisson with mean r T^g exp(sZ): T is exponential and describes where the closest real pair lies, g is the
growth exponent of pairs with distance, s the relative standard deviation of the U-statistic "share of near pairs"
(Hoeffding 1948), Z standard normal, and r the unknown rate.
"""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
from scipy.special import pdtr

from divmetrics.arrays.share_intervals import GRID
from divmetrics.metrics.copies._near_duplicates import NearDuplicates

ARRIVALS = -np.log1p(-(np.arange(len(GRID)) + 0.5) / len(GRID))
"""Quantiles of the exponential distribution: expected number of real pairs within the distance of the closest one."""
SHUFFLED_NORMALS = GRID[(np.arange(len(GRID)) * 157) % len(GRID)]
"""Quantiles of the standard normal distribution, in an order independent of `ARRIVALS`."""


def relative_rates(near: NearDuplicates, m: int) -> np.ndarray:
    """T^g exp(sZ) at quantiles of equal probability `[400]`, for near-duplicates among m samples, at least one pair."""
    return np.asarray(ARRIVALS**near.growth * np.exp(relative_sd(near, m) * SHUFFLED_NORMALS))


def relative_sd(near: NearDuplicates, m: int) -> float:
    """Relative standard deviation of the number of pairs: first-order term of its U-statistic (Hoeffding 1948)."""
    share = near.pairs / (m * (m - 1) / 2)
    chains = float((near.degree.double() * (near.degree - 1)).sum()) / (m * (m - 1) * (m - 2))
    return sqrt(4 * (m - 2) * max(chains - share**2, 0.0) / (m * (m - 1))) / share


def least_expected(near: NearDuplicates, m: int, tail: float) -> float:
    """Least expected number of pairs at which as many as those of `near`, or more, have the probability `tail`."""
    rates = relative_rates(near, m)
    rates, low, high = rates / rates.mean(), log(near.pairs) - 25, log(near.pairs) + 5
    for _ in range(50):
        middle = (low + high) / 2
        at_least = float(1 - pdtr(near.pairs - 1, exp(middle) * rates).mean())
        low, high = (low, middle) if at_least > tail else (middle, high)
    return exp(high)
