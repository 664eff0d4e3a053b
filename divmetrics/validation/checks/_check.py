"""`Check`: a recipe whose right answer is known, and what a metric must do on it; the registry that holds them."""

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
class Drawn:
    """One draw of a recipe; `target` where its modes are known, so that metrics of classes can be measured too."""

    real: np.ndarray
    fake: np.ndarray
    target: Target | None = None


@dataclass(frozen=True)
class Curve:
    """One metric over the levels of one case, turned so that higher is better."""

    xs: np.ndarray
    """The levels `[P]`, ascending."""
    values: np.ndarray
    """Means over the repeats `[P]`; in [0, 1] by range, or scaled so that its least is 0 and its greatest 1."""
    absolute: bool
    """Whether 0 and 1 are the metric's own, so that bounds and flatness mean something."""

    def at(self, x: float) -> float:
        """The value at the level nearest to `x`."""
        return float(self.values[int(np.abs(self.xs - x).argmin())])

    @property
    def range(self) -> float:
        """Greatest minus least value."""
        return float(self.values.max() - self.values.min())


Shape = Callable[[Curve], Verdict]
Bounds = Callable[[Curve], bool]


@dataclass(frozen=True)
class Criterion:
    """What a metric of one role must do; None where the check asks nothing of the kind."""

    shape: Shape | None = None
    bounds: Bounds | None = None
    needs_bounds: bool = False
    """Whether the shape means something only for metrics with 0 and 1 of their own: flatness does, a fall does not."""


@dataclass(frozen=True)
class Check:
    """A recipe, its cases and levels, and the criteria for each role."""

    name: str
    text: str
    cite: str
    cases: tuple[str, ...]
    """Variants that must all hold: dimensions, on which side the outlier lies."""
    levels: Callable[[str], Iterable[float]]
    """All levels of a case, as published; a run takes some of them, the ends and the middle always."""
    draw: Callable[[str, float, int, Rng], Drawn]
    """(case, level, n, rng) -> samples."""
    criteria: Mapping[Role, Criterion] = field(hash=False)
    scaled: bool = True
    """Whether columns are first centred and scaled by the reals' mean and standard deviation."""
    whole: bool = False
    """Whether each level is needed: few of them, each with a meaning of its own."""
    fault: str | None = None
    """For checks that a metric must pass to be used at all: what is wrong with it where it fails."""

    def chosen(self, case: str, most: int) -> tuple[float, ...]:
        """At most `most` levels of `case`, evenly spaced in their order; an odd number, so that the middle is one."""
        levels = tuple(map(float, self.levels(case)))
        if self.whole or len(levels) <= most:
            return levels
        places = np.unique(np.round(np.linspace(0, len(levels) - 1, most)).astype(int))
        return tuple(levels[place] for place in places)


CHECKS: dict[str, Check] = {}
"""All checks by name, in the order of the field notes."""


def check(made: Check) -> Check:
    """Register `made`."""
    CHECKS[made.name] = made
    return made


def near(value: float, wanted: float) -> bool:
    """Whether `value` is `wanted` within the tolerance."""
    return abs(value - wanted) <= TOLERANCE


def verdict(*, passed: bool) -> Verdict:
    """`pass` or `fail`."""
    return "pass" if passed else "fail"


def bell(curve: Curve) -> Verdict:
    """High in the middle, low at the ends: .2 above both, .1 below the greatest, one end within .1 of the least.

    By direction alone it is above both: a distance to fakes a thousandfold too wide dwarfs one to fakes on a point.
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
    """Falls by .2, its ends within .1 of the greatest and the least."""
    first, last = float(curve.values[0]), float(curve.values[-1])
    ends = first >= curve.values.max() - 0.1 and last <= curve.values.min() + 0.1
    return verdict(passed=bool(ends and first - last >= 0.2))


def flat(curve: Curve) -> Verdict:
    """Moves by .05 at most."""
    return verdict(passed=curve.range <= TOLERANCE)


def settles(curve: Curve) -> Verdict:
    """Moves by .05 at most from the median level on."""
    late = curve.values[curve.xs >= np.median(curve.xs)]
    return verdict(passed=bool(late.max() - late.min() <= TOLERANCE))


def always(wanted: float) -> Bounds:
    """`wanted` at each level."""
    return lambda curve: bool((np.abs(curve.values - wanted) <= TOLERANCE).all())


FALLS = Criterion(falls)
FLAT_AT_ONE = Criterion(flat, always(1), needs_bounds=True)
FLAT_AT_ZERO = Criterion(flat, always(0), needs_bounds=True)
BELL = Criterion(bell, bell_bounds)
