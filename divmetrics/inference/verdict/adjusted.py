"""p-values of several tests together: the step-down maxT procedure of Westfall and Young 1993."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def standardised(values: np.ndarray) -> np.ndarray:
    """Statistics `[S, 1 + B]` in units of their standard deviations over data and permutations, which is symmetric."""
    centred = values - values.mean(1, keepdims=True)
    spread = centred.std(1, keepdims=True)
    return np.asarray(np.where(spread > 1e-9, centred / np.where(spread > 1e-9, spread, 1), 0.0))


def adjusted_p(values: np.ndarray) -> np.ndarray:
    """p-values that hold for all tests together, whatever their dependence.

    The probability that any true null hypothesis gets a p-value of at most alpha is at most alpha.

    Args:
        values: `[S, 1 + B]`, each statistic on the data and on B permutations, the same for all; large is bad.

    Returns:
        `[S]`, the smallest possible value is 1 / (1 + B).

    Example:
        >>> values = np.vstack([[9.0, *range(8)], [3.0, *range(8)]])
        >>> adjusted_p(values).round(2).tolist()
        [0.11, 0.67]
    """
    z = standardised(values)
    order = np.argsort(-z[:, 0], kind="stable")
    p = np.empty(len(z))
    worst = 0.0
    for step, test in enumerate(order):
        greatest = z[order[step:]].max(0)
        worst = max(worst, float((greatest >= z[test, 0] - 1e-12).mean()))
        p[test] = worst
    return p


def by_group(p: np.ndarray, groups: Sequence[str]) -> dict[str, float]:
    """The smallest adjusted p-value of each group of tests."""
    return {
        group: float(min(p[i] for i, other in enumerate(groups) if other == group)) for group in dict.fromkeys(groups)
    }
