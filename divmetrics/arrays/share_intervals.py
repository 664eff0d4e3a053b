"""Ends of intervals for values that are not nearly normal, by way of a quantity that is.

A share at its cap has no spread to be seen, and a value that jumps has two. Beneath each lies a number that is nearly
normal, the uncapped share or what decides on the jump. Its ends are found, and shown as the value expected there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from divmetrics.arrays.distributions import NORMAL, student

GRID = NORMAL.ppf((np.arange(400) + 0.5) / 400)
"""Standard normal values of equal weight."""


def expected(shown: Callable[[np.ndarray], np.ndarray], middle: float, error: float) -> float:
    """Mean of `shown` over a normal quantity of mean `middle` and standard deviation `error`."""
    return float(np.mean(shown(middle + error * GRID)))


def share_ends(
    shown: Callable[[np.ndarray], np.ndarray], middle: float, error: float, freedom: float, level: float, samples: int
) -> tuple[float, float]:
    """Interval of the mean of `shown`, a share that grows with a normal quantity, which was found to be `middle`.

    The ends are the means of `shown` where the quantity's own interval ends (Student's t with `freedom`), so that an
    interval of a share at its cap reaches as far below as the uncapped one could; the share itself is within. However
    far it is beyond the cap, what 3 in `samples` independent ones would do to it is never ruled out.
    """
    reach = float(student(freedom).ppf((1 + level) / 2))
    value = float(shown(np.array([middle]))[0])
    low, high = (expected(shown, middle + side * reach * error, error) for side in (-1, 1))
    least, most = wilson(value, samples, reach)
    return min(low, least), max(high, most)


def wilson(share: float, samples: float, reach: float) -> tuple[float, float]:
    """Wilson's score interval of a share among `samples` independent ones, `reach` standard errors to a side."""
    square = reach**2 / samples
    middle = (share + square / 2) / (1 + square)
    half = reach / (1 + square) * float(np.sqrt(share * (1 - share) / samples + square / (4 * samples)))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
