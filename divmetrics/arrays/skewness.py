"""Confidence intervals of skewed values: the shape of a sampling distribution, and the ends that follow from it.

Student's interval takes a value and its standard error to be independent. A squared distance, or a mean over heavy
tails, is small in the draws whose standard error is small too, so that this interval misses on one side far more often
than on the other. The ends here come from the expansion of the studentised value t = (value - truth) / error to first
order (Hall 1992, The Bootstrap and Edgeworth Expansion, ch. 2 and 3): with skewness g of the value's linear part and
curvature c, the value's quadratic part in standard errors, t is Z - (g/3 + c) Z² - (g/6 + c) for a standard normal Z.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, sqrt

import numpy as np

from divmetrics.arrays.distributions import student
from divmetrics.records.metric import Spread

STEEPEST = 0.3
"""Greatest size of the coefficient of Z²: beyond, the expansion does not hold, and ends would run away."""
MOST_CURVED = 0.25
"""Curvature of the square of a value two standard errors from 0. Nearer to 0 a squared distance is no longer curved
along one direction: it is a sum of many squares, which its variance counts by itself."""
LINEAR = 0.5
"""Share of the linear part in the variance from which the curvature of a squared distance counts in full."""
FEWEST_FREEDOM = 4.0


def spread_of(
    variance: float, influence: Sequence[np.ndarray], *, curvature: float = 0.0, linear: float = 1.0
) -> Spread:
    """Variance and shape of a value, from its influence function at the samples.

    The skewness is that of the mean of the influence function. Its spread says how well the variance itself is known
    (`freedom`, Satterthwaite's for the part that is independent of the value), and how much of it is due to one sample.

    Args:
        variance: Sampling variance of the value.
        influence: The influence function on each side, at its samples `[n]`: independent sets.
        curvature: Coefficient of the second-order term, in standard errors (default 0); see `Spread`.
        linear: Share of the variance that the linear part has (default 1); the rest is taken to be symmetric.

    Returns:
        The spread.

    Example:
        >>> flat = spread_of(1.0, [np.array([-1.0, 1.0] * 50)])
        >>> flat.skewness, flat.largest
        (0.0, 0.01)
    """
    centred = [np.asarray(side, float) - float(np.mean(side)) for side in influence if len(side)]
    squares = [np.square(side) for side in centred]
    first = sum(float(square.sum()) / len(square) ** 2 for square in squares)
    if not first > 0 or not np.isfinite(first):
        return Spread(variance)
    third = sum(float((side * square).sum()) / len(side) ** 3 for side, square in zip(centred, squares, strict=True))
    noise = sum(float(square.var()) / len(square) ** 3 for square in squares)
    skewness = third / first**1.5
    unknown = noise / first**2 - skewness**2
    return Spread(
        variance,
        skewness=linear * skewness,
        curvature=curvature,
        freedom=max(FEWEST_FREEDOM, 2 / unknown) if unknown > 0 else inf,
        largest=max(float(square.max()) / len(square) ** 2 for square in squares) / first,
    )


def mean_spread(parts: Sequence[Spread]) -> Spread:
    """Spread of the mean of independent values.

    Args:
        parts: The spread of each.

    Returns:
        That of their mean.
    """
    return _sum_spread([(part, 1.0) for part in parts]).times(1 / len(parts))


def difference_spread(first: Spread, second: Spread) -> Spread:
    """Spread of the difference `first` - `second` of two independent values.

    Example:
        >>> difference_spread(Spread(1.0, skewness=0.5), Spread(1.0, skewness=0.5))
        Spread(variance=2.0, skewness=0.0, curvature=0.0, reserve=0.0, freedom=inf, largest=0.0)
    """
    return _sum_spread([(first, 1.0), (second, -1.0)])


def _sum_spread(parts: Sequence[tuple[Spread, float]]) -> Spread:
    """Spread of a sum of independent values, each with its sign."""
    total = sum(part.variance for part, _ in parts)
    if not total > 0:
        return Spread(0.0)
    weights = [sign * (part.variance / total) ** 1.5 for part, sign in parts]
    unknown = sum((part.variance / total) ** 2 / part.freedom for part, _ in parts)
    return Spread(
        total,
        sum(weight * part.skewness for weight, (part, _) in zip(weights, parts, strict=True)),
        sum(weight * part.curvature for weight, (part, _) in zip(weights, parts, strict=True)),
        freedom=1 / unknown if unknown > 0 else inf,
        largest=max(part.largest * part.variance / total for part, _ in parts),
    )


def curvature_of_square(value: float, variance: float, linear: float = 1.0, moved: float = 0.0) -> float:
    """Curvature of a squared distance: at least that of the square of a normal length.

    A squared distance |d|² moves by 2 d'e + |e|² for an error e of d with covariance S. Where 2 d'e is z standard
    errors, e is 2 S d z / error on average, so that the quadratic part is 4 |S d|² / error³ standard errors. By Cauchy
    and Schwarz this is error / (4 value) at least, as where e is along d.

    Args:
        value: The squared distance, without bias.
        variance: Its sampling variance.
        linear: Share of the variance that the linear part 2 d'e has (default 1). Below `LINEAR` the curvature fades,
            unless the value is two standard errors from 0: where both distributions are equal, it has no direction.
        moved: |S d|², where it is known (default 0: the least curvature).

    Returns:
        The curvature, in [0, MOST_CURVED].

    Example:
        >>> curvature_of_square(1.0, 0.04)
        0.05
    """
    error, weight = sqrt(variance), min(1.0, linear / LINEAR)
    if value <= 0:
        return weight * MOST_CURVED
    weight = max(weight, min(1.0, (value / 2 / error) ** 3))
    return weight * min(MOST_CURVED, max(error / 4 / value, 4 * moved / error**3))


def skewed_ends(value: float, spread: Spread, level: float, freedom: float = inf) -> tuple[float, float]:
    """Confidence interval of a value whose sampling distribution is skewed.

    Student's where skewness and curvature are 0; else the quantiles of t above, in the form (1 - exp(-2 a (z - b)))
    / (2 a) with a = g/3 + c and b = g/6 + c, which equals the expansion to second order and is monotone.

    Args:
        value: The value.
        spread: Its variance and shape.
        level: Confidence level, such as 0.95.
        freedom: Degrees of freedom of the variance, where it has fewer than `spread` says (default inf).

    Returns:
        Both ends.

    Example:
        >>> [round(end, 2) for end in skewed_ends(0.0, Spread(1.0), 0.95)]
        [-1.96, 1.96]
        >>> [round(end, 2) for end in skewed_ends(0.0, Spread(1.0, curvature=0.1), 0.95)]
        [-1.55, 2.55]
    """
    reach = float(student(min(freedom, spread.freedom)).ppf((1 + level) / 2))

    def quantile(normal: float, curvature: float) -> float:
        steep = max(-STEEPEST, min(STEEPEST, spread.skewness / 3 + curvature))
        moved = normal - max(-STEEPEST, min(STEEPEST, spread.skewness / 6 + curvature))
        return moved if abs(steep) < 1e-9 else (1 - exp(-2 * steep * moved)) / (2 * steep)

    error = sqrt(spread.variance)
    low, high = quantile(reach, spread.curvature), quantile(-reach, spread.curvature + spread.reserve)
    return value - error * low, value - error * high
