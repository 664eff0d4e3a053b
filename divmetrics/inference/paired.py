"""Differences of generators that were measured against the same real samples, and the ranks that follow.

Both values share the real samples, so part of their errors is the same and cancels in the difference. Every generator
is evaluated on the same half-samples of the real ones (and on half-samples of its own), and the variance of the
difference over these is that of the difference at full size, as for a single value. At small sizes a share near 0 or 1
hardly varies over half-samples; the intervals of both values know better, and with the correlation that the
half-samples show they give the variance of the difference, too (Zou and Donner 2008, doi:10.1002/sim.3095). The larger
of the two counts. p is that of Student's t with as many degrees of freedom as half-samples less one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from divmetrics.arrays.distributions import NORMAL, student

FEWEST = 3
"""Half-samples on which both generators have a value, below which nothing is tested."""


@dataclass(frozen=True, eq=False)
class Scored:
    """One generator's value of a metric and what is known of its uncertainty."""

    value: float
    ci: tuple[float, float] | None
    ci_level: float | None
    half_samples: np.ndarray
    """Values `[H]` on half-samples, of which generators with equal sizes share those of the real samples."""
    class_counts: np.ndarray | None = None
    """Samples `[K]` in each class of the real ones, for a metric with a test on these."""


@dataclass(frozen=True)
class PairedTest:
    """The test of no difference between two generators."""

    difference: float
    error: float
    """Standard error of the difference."""
    freedom: int
    p: float

    def interval(self, level: float) -> tuple[float, float]:
        """Confidence interval of the difference."""
        half = float(student(self.freedom).ppf((1 + level) / 2)) * self.error
        return self.difference - half, self.difference + half


def paired_test(first: Scored, second: Scored) -> PairedTest | None:
    """Test of two generators on their common half-samples; None where these are too few.

    Example:
        >>> draws = np.random.default_rng(0).normal(size=(2, 100))
        >>> a, b = (Scored(value, None, None, value + 0.1 * draw) for value, draw in zip((0.5, 0.9), draws))
        >>> found = paired_test(a, b)
        >>> round(found.difference, 6), round(found.error, 1), found.freedom, found.p < 0.05
        (-0.4, 0.1, 99, True)
    """
    count = min(len(first.half_samples), len(second.half_samples))
    draws = np.stack([first.half_samples[:count], second.half_samples[:count]])
    draws = draws[:, np.isfinite(draws).all(0)]
    count = draws.shape[1]
    if count < FEWEST:
        return None
    difference = first.value - second.value
    error = max(float((draws[0] - draws[1]).std(ddof=1)), _from_intervals(first, second, draws))
    if error == 0:
        return PairedTest(difference, error, count - 1, 1.0 if difference == 0 else 0.0)
    p = 2 * float(student(count - 1).sf(abs(difference) / error))
    return PairedTest(difference, error, count - 1, min(1.0, p))


def _from_intervals(first: Scored, second: Scored, draws: np.ndarray) -> float:
    """Standard error of the difference from the intervals of both values and the correlation of `draws` `[2, H]`.

    Each interval counts by its half on the side of the other value, as intervals may be skewed.
    """
    low, high = sorted((first, second), key=lambda scored: scored.value)
    if low.ci is None or high.ci is None or not low.ci_level:
        return 0.0
    quantile = float(NORMAL.ppf((1 + low.ci_level) / 2))
    below, above = (low.ci[1] - low.value) / quantile, (high.value - high.ci[0]) / quantile
    spread = draws.std(1)
    correlation = float(np.corrcoef(draws)[0, 1]) if (spread > 0).all() else 0.0
    variance = below**2 + above**2 - 2 * max(0.0, correlation) * below * above
    return float(max(0.0, variance) ** 0.5) if np.isfinite(variance) else 0.0


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted for all of them together, whatever their dependence (Holm 1979).

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted, worst = [1.0] * len(p), 0.0
    for place, number in enumerate(sorted(range(len(p)), key=lambda number: p[number])):
        worst = max(worst, min(1.0, (len(p) - place) * p[number]))
        adjusted[number] = worst
    return adjusted


def groups_of(ordered: Sequence[str], apart: set[frozenset[str]]) -> Mapping[str, tuple[str, ...]]:
    """Letters for names, so that two names share a letter exactly where they are not in `apart`.

    A compact letter display, by insertion and absorption (Piepho 2004, doi:10.1198/1061860043515).

    Args:
        ordered: Names, the best first; the first letters go to these.
        apart: Pairs that are told apart.

    Example:
        >>> groups_of(["a", "b", "c"], {frozenset("ac")})
        {'a': ('a',), 'b': ('a', 'b'), 'c': ('b',)}
    """
    columns = [frozenset(ordered)]
    for first, second in combinations(ordered, 2):
        if frozenset((first, second)) not in apart:
            continue
        split = [part for column in columns for part in _without_both(column, first, second)]
        columns = [part for part in dict.fromkeys(split) if not any(part < other for other in split)]
    place = {name: number for number, name in enumerate(ordered)}
    columns.sort(key=lambda column: sorted(place[name] for name in column))
    return {name: tuple(_letters(i) for i, column in enumerate(columns) if name in column) for name in ordered}


def _without_both(column: frozenset[str], first: str, second: str) -> list[frozenset[str]]:
    """`column`, or, where it holds both names, the column without the one and without the other."""
    return [column - {first}, column - {second}] if {first, second} <= column else [column]


def _letters(number: int) -> str:
    """0 -> a, 25 -> z, 26 -> aa."""
    return ("" if number < 26 else _letters(number // 26 - 1)) + "abcdefghijklmnopqrstuvwxyz"[number % 26]
