"""Places of numbers in a drawing, and the strip that shows a value with its interval against the null band."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from divmetrics.records.results import Result
from divmetrics.report.page import number

PAD = 0.06
"""Share of its span by which an axis extends beyond the numbers."""
LEAST_SPAN = 0.02
"""Least span of the numbers of an axis, relative to the largest: equal numbers still lie inside it."""
STRIP_WIDTH, STRIP_EDGE = 220.0, 6.0
"""Width of the drawing of a strip, and of its margins, in its own units."""


@dataclass(frozen=True)
class Axis:
    """A range of numbers along a line of some length, linear or logarithmic.

    Example:
        >>> axis = Axis(0.0, 10.0)
        >>> axis.place(5.0, 200.0), [text for _, text in axis.ticks(200.0, 5)]
        (100.0, ['0', '2', '4', '6', '8', '10'])
    """

    low: float
    """The number at the beginning."""
    high: float
    """The number at the end."""
    log: bool = False
    """Whether equal factors are equally long."""

    @classmethod
    def around(cls, numbers: Iterable[float | None], *, bounds: tuple[float | None, float | None] = (None, None),
               log: bool = False) -> Self:  # fmt: skip
        """The axis that holds all `numbers`; None and infinities are left out.

        Args:
            numbers: What is drawn.
            bounds: Least and greatest possible number. The axis does not go beyond, and begins or ends there where
                the numbers come near.
            log: Whether it is logarithmic; ignored where some number is not above 0.
        """
        known = [value for value in numbers if value is not None and math.isfinite(value)] or [0.0, 1.0]
        least, most = min(known), max(known)
        if log and least > 0:
            return cls(least, most if most > least else least * 10, log=True)
        least_bound, most_bound = bounds
        if least_bound is not None and most_bound is not None:
            return cls(min(least_bound, least), max(most_bound, most))
        span = max(most - least, LEAST_SPAN * max(abs(least), abs(most))) or 1.0
        centre = (least + most) / 2
        low, high = centre - (0.5 + PAD) * span, centre + (0.5 + PAD) * span
        if least_bound is not None and least - least_bound < span / 2:
            low = min(least_bound, least)
        if most_bound is not None and most_bound - most < span / 2:
            high = max(most_bound, most)
        return cls(low, high)

    def place(self, value: float, length: float) -> float:
        """Where `value` lies on a line of this length; numbers beyond the ends lie at the ends."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(max(value, self.low))
        share = (at - low) / (high - low) if high > low and math.isfinite(at) else float(value > self.low)
        return round(min(max(share, 0.0), 1.0) * length, 1)

    def ticks(self, length: float, most: int = 6) -> list[tuple[float, str]]:
        """Places and labels of round numbers, at most about `most` of them."""
        if self.log:
            return self._decades(length)
        span = self.high - self.low
        if not (math.isfinite(span) and span > 0):
            return [(0.0, number(self.low, 3))]
        raw = span / most
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [i * step for i in range(first, min(last, first + 4 * most) + 1)]
        return [(self.place(value, length), f"{value:.6g}") for value in values]

    def _decades(self, length: float) -> list[tuple[float, str]]:
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        factors = (1, 2, 5) if self.high / self.low < 200 else (1,)
        values = [factor * 10.0**exponent for exponent in exponents for factor in factors]
        inside = [value for value in values if self.low * 0.999 <= value <= self.high * 1.001]
        return [(self.place(value, length), f"{value:,.6g}") for value in inside or [self.low, self.high]]


@dataclass(frozen=True)
class Strip:
    """A value, its interval and the null band on one line; places from 0 to `STRIP_WIDTH`."""

    value: float
    """Place of the value."""
    interval: tuple[float, float] | None
    """Place and width of its confidence interval."""
    band: tuple[float, float] | None
    """Place and width of what real samples score."""
    reference: float | None
    """Place of the mean score of real samples, or of the value of the real set."""
    ends: tuple[str, str]
    """The numbers at both ends of the line."""
    worse: bool
    """Whether the value is worse than those of real samples."""
    label: str
    """All of it in words."""


def bounds_of(result: Result) -> tuple[float | None, float | None]:
    """Least and greatest possible value of a result; of a count of modes, from 0 to all of them."""
    total = result.extras.get("modes_total")
    return (0.0, float(total)) if isinstance(total, int) and total > 0 else result.range


def strip_of(result: Result, *, worse: bool, axis: Axis | None = None) -> Strip | None:
    """The strip of a result.

    Args:
        result: The result.
        worse: Whether it is worse than real samples.
        axis: The range that is drawn; by default one that holds value, interval and band.

    Returns:
        None where the result has no value, or nothing to hold it against.
    """
    null = result.null
    banded = null is not None and (null.draws is not None or null.low is not None or null.high is not None)
    real = null.mean if null is not None else result.extras.get("real")
    real = real if isinstance(real, (int, float)) and not isinstance(real, bool) else None
    band = (null.low, null.high) if null is not None and banded else None
    if result.value is None or (result.ci is None and band is None and real is None):
        return None
    axis = axis or Axis.around((result.value, *(result.ci or ()), *(band or ()), real), bounds=bounds_of(result))

    def place(value: float) -> float:
        return round(STRIP_EDGE + axis.place(value, STRIP_WIDTH - 2 * STRIP_EDGE), 1)

    def stretch(ends: tuple[float | None, float | None] | None) -> tuple[float, float] | None:
        if ends is None:
            return None
        low, high = (axis.low if ends[0] is None else ends[0], axis.high if ends[1] is None else ends[1])
        return place(low), round(max(place(high) - place(low), 2.0), 1)

    return Strip(
        place(result.value),
        stretch(result.ci),
        stretch(band),
        None if real is None else place(real),
        (number(axis.low, 3), number(axis.high, 3)),
        worse,
        _in_words(result, band, real),
    )


def _in_words(result: Result, band: tuple[float | None, float | None] | None, real: float | None) -> str:
    parts = [f"value {number(result.value)}"]
    if result.ci is not None:
        parts.append(f"interval {number(result.ci[0], 3)} to {number(result.ci[1], 3)}")
    if band is not None:
        low, high = ("unbounded" if end is None else number(end, 3) for end in band)
        parts.append(f"real samples score {low} to {high}")
    elif real is not None:
        parts.append(f"real samples score {number(real)}")
    return ", ".join(parts)
