"""Prediction intervals and p-values from few values of a null distribution, by Student's t with the skewness added."""

from __future__ import annotations

import numpy as np

from divmetrics.arrays.distributions import NORMAL, Distribution, pearson3, student
from divmetrics.records.metric import Metric

DISTANCE_SKEWNESS = 1.0
"""Skewness assumed of the null distribution of a distance, where there are too few values to estimate it."""


def student_band(value: float, permutations: np.ndarray, metric: Metric, level: float) -> tuple[float, float, float]:
    """Prediction interval for one more value of the null distribution, from few permutations, and the p-value.

    The null of a distance is a sum of squares, with a long tail to the bad side, which 20 permutations do not show.
    There the quantiles are those of a Pearson type III distribution (a gamma) of skewness `DISTANCE_SKEWNESS`, widened
    as Student's are wider than normal ones: p <= .01 in 0.1 % of values from a normal null, 1 % from chi squares of 8
    degrees of freedom and 2 % from those of 3, where Student's t alone has 1, 3 and 4 %. A share near an end of its
    range is skewed the other way, as a beta distribution is.

    Args:
        value: The value to compare.
        permutations: Finite values on permutations `[B]`, B >= 2.
        metric: Gives direction and range.
        level: Probability of the interval.

    Returns:
        Low end, high end, and the probability of a value at least as bad as `value`.
    """
    middle, freedom = float(permutations.mean()), len(permutations) - 1
    spread = float(permutations.std(ddof=1)) * float(np.sqrt(1 + 1 / len(permutations)))
    wide, shape = student(freedom), pearson3(_skewness(metric, permutations))
    low, high = (float(wide.ppf(NORMAL.cdf(shape.ppf(q)))) for q in ((1 - level) / 2, (1 + level) / 2))
    ends = middle + low * spread, middle + high * spread
    if spread == 0:
        return *ends, tail(value, middle, 0.0, wide, metric)
    distance = (value - middle) / spread
    if metric.better == "higher":
        return *ends, float(shape.cdf(NORMAL.ppf(wide.cdf(distance))))
    return *ends, float(shape.sf(-NORMAL.ppf(wide.sf(distance))))


def _skewness(metric: Metric, permutations: np.ndarray) -> float:
    """Skewness of the null distribution: positive where its long tail is that of large values."""
    low, high = metric.range
    if metric.better == "lower" and low == 0 and np.isinf(high):
        return DISTANCE_SKEWNESS
    if not np.isfinite(high - low) or permutations.std() == 0:
        return 0.0
    share = float(np.clip((permutations.mean() - low) / (high - low), 1e-3, 1 - 1e-3))
    # a + b of the beta distribution on [low, high] with this mean and variance
    total = max(share * (1 - share) * (high - low) ** 2 / float(permutations.var(ddof=1)) - 1, 0.5)
    skewness = 2 * (1 - 2 * share) * np.sqrt(total + 1) / ((total + 2) * np.sqrt(share * (1 - share)))
    return float(np.clip(skewness, -2, 2))


def tail(value: float, mean: float, sd: float, distribution: Distribution, metric: Metric) -> float:
    """Probability of a value at least as bad as `value`; where the null has no spread, 0 beyond its mean and else 1."""
    higher = metric.better == "higher"
    if sd == 0:
        return 0.0 if (value < mean if higher else value > mean) else 1.0
    distance = (value - mean) / sd
    return float(distribution.cdf(distance) if higher else distribution.sf(distance))
