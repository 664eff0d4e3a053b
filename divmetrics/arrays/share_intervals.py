"""Confidence intervals for clipped or discontinuous values, by transforming that of an approximately normal statistic.

A share at its cap shows no variance, and a value with a jump takes two values. Beneath each lies an approximately
normal statistic: the share before it is capped, or the quantity that decides on the jump. The ends of its interval are
transformed to the expected value there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import betaincinv

from divmetrics.arrays.distributions import NORMAL, student

GRID = NORMAL.ppf((np.arange(400) + 0.5) / 400)
"""Quantiles of the standard normal distribution, equally spaced in probability."""


def expected(shown: Callable[[np.ndarray], np.ndarray], middle: float, error: float) -> float:
    """Expectation of a function of a normal variable, by quadrature over 400 quantiles.

    Args:
        shown: The function, elementwise over an array.
        middle: Mean of the variable.
        error: Its standard deviation.
    """
    return float(np.mean(shown(middle + error * GRID)))


def share_ends(
    shown: Callable[[np.ndarray], np.ndarray], middle: float, error: float, freedom: float, level: float, samples: int
) -> tuple[float, float]:
    """Confidence interval of a share that is an increasing function of an approximately normal statistic.

    The ends are the expected shares at the ends of the statistic's own interval, so that the interval of a share at its
    cap reaches as far below as that of the uncapped share would. It contains at least Wilson's interval: however far
    beyond the cap the statistic is, a change of about 3 in `samples` is never ruled out.

    Args:
        shown: The share as a function of the statistic, elementwise over an array.
        middle: Value of the statistic.
        error: Its standard error.
        freedom: Degrees of freedom of the standard error, for Student's t.
        level: Confidence level, such as 0.95.
        samples: Number of independent samples behind the share.

    Returns:
        Both ends.
    """
    reach = float(student(freedom).ppf((1 + level) / 2))
    value = float(shown(np.array([middle]))[0])
    low, high = (expected(shown, middle + side * reach * error, error) for side in (-1, 1))
    least, most = wilson(value, samples, reach)
    return min(low, least), max(high, most)


def wilson(share: float, samples: float, reach: float) -> tuple[float, float]:
    """Wilson score interval of a binomial proportion.

    Args:
        share: The observed proportion, in [0, 1].
        samples: Number of independent samples; need not be whole.
        reach: Half-width in standard errors: a quantile of the normal or Student's t distribution.

    Returns:
        Both ends, in [0, 1] and around `share`.

    Example:
        >>> [round(end, 3) for end in wilson(0.0, 100, 1.96)]
        [0.0, 0.037]
    """
    square = reach**2 / samples
    middle = (share + square / 2) / (1 + square)
    half = reach / (1 + square) * float(np.sqrt(share * (1 - share) / samples + square / (4 * samples)))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def clopper_pearson(hits: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a binomial proportion, which holds the true one at least so often.

    Args:
        hits: Number of successes.
        trials: Number of trials, at least 1; both need not be whole.
        level: Confidence level.

    Returns:
        Both ends, in [0, 1].

    Example:
        >>> [round(end, 3) for end in clopper_pearson(1, 20)]
        [0.001, 0.249]
    """
    tail = (1 - level) / 2
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return low, high
