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
class Law:
    """A law on the line: P(X <= x), P(X > x), and the x below which a given share lies."""

    cdf: Function
    sf: Function
    ppf: Function


NORMAL = Law(ndtr, lambda x: ndtr(-np.asarray(x)), ndtri)
"""Mean 0, variance 1."""


def student(freedom: float) -> Law:
    """Student's t with `freedom` > 0 degrees of freedom."""
    return Law(
        lambda x: stdtr(freedom, x), lambda x: stdtr(freedom, -np.asarray(x)), lambda share: stdtrit(freedom, share)
    )


def skewed(skewness: float) -> Law:
    """Pearson's type III of mean 0, variance 1 and `skewness`: a gamma law, or one mirrored; normal where that is 0."""
    if abs(skewness) < 1e-5:
        return NORMAL
    shape = 4 / skewness**2
    width = shape**0.5
    if skewness < 0:
        other = skewed(-skewness)
        return Law(
            lambda x: other.sf(-np.asarray(x)),
            lambda x: other.cdf(-np.asarray(x)),
            lambda share: (shape - gammainccinv(shape, share)) / width,
        )

    def place(x: Any) -> Any:
        return np.maximum(shape + np.asarray(x) * width, 0)  # nothing lies below the end of the law

    return Law(
        lambda x: gammainc(shape, place(x)),
        lambda x: gammaincc(shape, place(x)),
        lambda share: (gammaincinv(shape, share) - shape) / width,
    )
