"""Distribution functions and quantiles: normal, Student t, Pearson type III.

From scipy.special: scipy.stats has them too, but takes as long to import as a small score takes to compute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammainc, gammaincc, gammainccinv, gammaincinv, ndtr, ndtri, stdtr, stdtrit

Function = Callable[[Any], Any]
"""Of a number or of an array, elementwise."""


@dataclass(frozen=True)
class Distribution:
    """A distribution of real numbers: P(X <= x), P(X > x), and the quantile of a given probability."""

    cdf: Function
    sf: Function
    ppf: Function


NORMAL = Distribution(ndtr, lambda x: ndtr(-np.asarray(x)), ndtri)
"""The standard normal distribution."""


def student(freedom: float) -> Distribution:
    """Student's t distribution.

    Args:
        freedom: Degrees of freedom, above 0; may be inf.

    Example:
        >>> round(float(student(10).ppf(0.975)), 3)
        2.228
    """
    return Distribution(
        lambda x: stdtr(freedom, x), lambda x: stdtr(freedom, -np.asarray(x)), lambda share: stdtrit(freedom, share)
    )


def pearson3(skewness: float) -> Distribution:
    """Pearson type III distribution of mean 0 and variance 1: a shifted gamma distribution, mirrored for skewness < 0.

    Args:
        skewness: Its skewness; the normal distribution for 0.

    Example:
        >>> round(float(pearson3(1.0).ppf(0.95)), 3)
        1.877
    """
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
        return np.maximum(shape + np.asarray(x) * width, 0)  # the density is 0 below the end of the range

    return Distribution(
        lambda x: gammainc(shape, place(x)),
        lambda x: gammaincc(shape, place(x)),
        lambda share: (gammaincinv(shape, share) - shape) / width,
    )
