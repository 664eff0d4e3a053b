"""Checks with shifted Gaussians beside one outlier (Naeem 2020, Park 2023, Salvy 2026), and fakes of growing width."""

from __future__ import annotations

import numpy as np

from divmetrics.validation.checks._check import (
    BELL,
    ROLES,
    Check,
    Criterion,
    Curve,
    Rng,
    SamplePair,
    Verdict,
    check,
    falls,
)
from divmetrics.validation.checks.gaussians import moved, wider, width

FAR = {
    "d=64, outlier at 3 in real": 3.0,
    "d=64, outlier at 3 in fake": 3.0,
    "d=32, outlier at 3 in real": 3.0,
    "d=32, outlier at -3 in fake": -3.0,
}
"""The first two of Naeem 2020, the others of Salvy 2026; 21 shifts are those of the latter."""
OPPOSITE = ("d=64, outlier at -2 in real", "d=64, outlier at 2 in fake")


def _far(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    pair = moved(case, x, n, rng)
    (pair.real if case.endswith("real") else pair.fake)[0] = FAR[case]
    return pair


def _opposite(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    """The side without the outlier moves; the outlier is a draw about its place, as published."""
    pair = moved(case, x, n, rng)
    if case == OPPOSITE[0]:
        pair.real[0] = rng.normal(size=width(case)) - 2
        return pair
    still, moving = pair.real, pair.fake
    still[0] = rng.normal(size=width(case)) + 2
    return SamplePair(moving, still)


def _rises(curve: Curve) -> Verdict:
    """Diversity of wider and wider fakes rises by .2: to the end (`high`), or only until they are as wide (`low`)."""
    first, last, alike = float(curve.values[0]), float(curve.values[-1]), curve.at(1)
    highest = float(curve.values.max()) - 0.1
    if last - first >= 0.2 and last >= highest:
        return "high"
    return "low" if alike - first >= 0.2 and alike >= highest else "fail"


check(
    Check(
        "far_outlier",
        "N(0, I) against N(x 1, I), with one point far beyond on one side",
        "Naeem 2020; Salvy 2026, check iv",
        tuple(FAR),
        lambda _: np.linspace(-1, 1, 21),
        _far,
        dict.fromkeys(ROLES, BELL),
    )
)
check(
    Check(
        "opposite_outlier",
        "Gaussians x apart, with an outlier on the side that stays, so that the other moves to it or away from it",
        "Park 2023",
        OPPOSITE,
        lambda _: np.linspace(-3, 3, 31),
        _opposite,
        dict.fromkeys(ROLES, BELL),
    )
)
check(
    Check(
        "width_trade_off",
        "N(0, I) against N(0, x^2 I), x from .2 to 1.5: fidelity falls, diversity rises, at least until x is 1",
        "Park 2023",
        ("d=64",),
        lambda _: np.linspace(0.2, 1.5, 14),
        wider,
        {"fidelity": Criterion(falls), "diversity": Criterion(_rises)},
        whole=True,
    )
)
