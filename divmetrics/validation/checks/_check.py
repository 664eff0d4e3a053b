"""`Check`: how to draw pairs of sample sets, and the criteria for a metric on them; the registry of checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from divmetrics.zoo.targets import Target

Role = Literal["fidelity", "diversity"]
ROLES: tuple[Role, ...] = get_args(Role)
Verdict = Literal["pass", "fail", "high", "low"]
Rng = np.random.Generator
TOLERANCE = 0.05
"""How near "close to 0", "close to 1" and "flat" are (Raisa 2025)."""


@dataclass(frozen=True)
class SamplePair:
    """Real and fake samples of one level; `target` where their modes are known, as metrics of classes need."""

    real: np.ndarray
    fake: np.ndarray
    target: Target | None = None


@dataclass(frozen=True)
class Curve:
    """One metric over the levels of one case, its sign chosen so that higher is better."""

    xs: np.ndarray
    """The levels `[P]`, ascending."""
    values: np.ndarray
    """Means over the repeats `[P]`; in [0, 1] by the metric's range, or scaled to a minimum of 0 and a maximum of 1."""
    absolute: bool
    """Whether 0 and 1 are the metric's own, so that bounds and flatness can be checked."""

    def at(self, x: float) -> float:
        """The value at the level nearest to `x`."""
        return float(self.values[int(np.abs(self.xs - x).argmin())])

    @property
    def range(self) -> float:
        """Maximum minus minimum."""
        return float(self.values.max() - self.values.min())


Shape = Callable[[Curve], Verdict]
Bounds = Callable[[Curve], bool]


@dataclass(frozen=True)
class Criterion:
    """What a metric of one role must do; None where the check has no such criterion."""

    shape: Shape | None = None
    bounds: Bounds | None = None
    needs_bounds: bool = False
    """Whether the shape is checked only for metrics with a 0 and 1 of their own: flatness is, a fall is not."""


@dataclass(frozen=True)
class Check:
    """How pairs of sample sets are drawn, the cases and levels, and the criteria for each role."""

    name: str
    text: str
    cite: str
    cases: tuple[str, ...]
    """Variants, all of which must pass: the dimension, the side of the outlier."""
    levels: Callable[[str], Iterable[float]]
    """All levels of a case, as published; a run takes some of them, always with both ends and the middle."""
    draw: Callable[[str, float, int, Rng], SamplePair]
    """(case, level, n, rng) -> samples."""
    criteria: Mapping[Role, Criterion] = field(hash=False)
    scaled: bool = True
    """Whether columns are first centred and scaled by mean and standard deviation of the real samples."""
    whole: bool = False
    """Whether every level is run: there are few, each with a meaning of its own."""
    fault: str | None = None
    """What is wrong with a metric that fails, for checks that every metric should pass."""

    def chosen(self, case: str, most: int) -> tuple[float, ...]:
        """At most `most` levels of `case`, evenly spaced in their order; an odd number, so that the middle is one."""
        levels = tuple(map(float, self.levels(case)))
        if self.whole or len(levels) <= most:
            return levels
        places = np.unique(np.round(np.linspace(0, len(levels) - 1, most)).astype(int))
        return tuple(levels[place] for place in places)


CHECKS: dict[str, Check] = {}
"""All checks by name."""


def check(new: Check) -> Check:
    """Register `new`."""
    CHECKS[new.name] = new
    return new


def near(value: float, wanted: float) -> bool:
    """Whether `value` is `wanted` within the tolerance."""
    return abs(value - wanted) <= TOLERANCE


def verdict(*, passed: bool) -> Verdict:
    """`pass` or `fail`."""
    return "pass" if passed else "fail"


def bell(curve: Curve) -> Verdict:
    """High in the middle, low at the ends: .2 above both, .1 below the maximum, one end within .1 of the minimum.

    A metric without a 0 and 1 of its own only has to be above both ends: a distance to fakes that are a thousand times
    too wide dwarfs one to fakes on a point.
    """
    middle = float(curve.values[len(curve.values) // 2])
    ends = curve.values[[0, -1]]
    least, most = float(curve.values.min()), float(curve.values.max())
    above = middle - ends.max() >= 0.2 if curve.absolute else middle > ends.max()
    return verdict(passed=above and most - middle <= 0.1 and ends.min() <= least + 0.1)


def bell_bounds(curve: Curve) -> bool:
    """1 in the middle, 0 at the ends."""
    return (
        near(float(curve.values[len(curve.values) // 2]), 1) and near(curve.values[0], 0) and near(curve.values[-1], 0)
    )


def falls(curve: Curve) -> Verdict:
    """Falls by .2, its ends within .1 of the maximum and the minimum."""
    first, last = float(curve.values[0]), float(curve.values[-1])
    ends = first >= curve.values.max() - 0.1 and last <= curve.values.min() + 0.1
    return verdict(passed=bool(ends and first - last >= 0.2))


def flat(curve: Curve) -> Verdict:
    """Changes by .05 at most."""
    return verdict(passed=curve.range <= TOLERANCE)


def settles(curve: Curve) -> Verdict:
    """Changes by .05 at most from the median level on."""
    late = curve.values[curve.xs >= np.median(curve.xs)]
    return verdict(passed=bool(late.max() - late.min() <= TOLERANCE))


def always(wanted: float) -> Bounds:
    """`wanted` at each level."""
    return lambda curve: bool((np.abs(curve.values - wanted) <= TOLERANCE).all())


FALLS = Criterion(falls)
FLAT_AT_ONE = Criterion(flat, always(1), needs_bounds=True)
FLAT_AT_ZERO = Criterion(flat, always(0), needs_bounds=True)
BELL = Criterion(bell, bell_bounds)
