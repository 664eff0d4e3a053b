"""Distribution functions and quantiles of the laws that intervals and nulls rest on: normal, Student's, one that leans.

From scipy.special: scipy.stats has them too, and takes as long to import as a small score takes to compute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammainc, gammaincc, gammainccinv, gammaincinv, ndtr, ndtri, stdtr, stdtrit

Function = Callable[[Any], Any]
"""Of a number or an array of them."""


@dataclass(frozen=True)
class Distribution:
    """A law on the line: P(X <= x), P(X > x), and the x below which a given share lies."""

    cdf: Function
    sf: Function
    ppf: Function


NORMAL = Distribution(ndtr, lambda x: ndtr(-np.asarray(x)), ndtri)
"""Mean 0, variance 1."""


def student(freedom: float) -> Distribution:
    """Student's t with `freedom` > 0 degrees of freedom."""
    return Distribution(
        lambda x: stdtr(freedom, x), lambda x: stdtr(freedom, -np.asarray(x)), lambda share: stdtrit(freedom, share)
    )


def pearson3(skewness: float) -> Distribution:
    """Pearson's type III of mean 0, variance 1 and `skewness`: a gamma law, or one mirrored; normal where that is 0."""
    if abs(skewness) < 1e-5:
        return NORMAL
    shape = 4 / skewness**2
    width = shape**0.5
    if skewness < 0:
        other = pearson3(-skewness)
        return Distribution(
            lambda x: other.sf(-np.asarray(x)),
            lambda x: other.cdf(-np.asarray(x)),
            lambda share: (shape - gammainccinv(shape, share)) / width,
        )

    def place(x: Any) -> Any:
        return np.maximum(shape + np.asarray(x) * width, 0)  # nothing lies below the end of the law

    return Distribution(
        lambda x: gammainc(shape, place(x)),
        lambda x: gammaincc(shape, place(x)),
        lambda share: (gammaincinv(shape, share) - shape) / width,
    )
