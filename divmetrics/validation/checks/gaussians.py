"""Checks with Gaussians: shifted, shifted beside an outlier or a heavy tail, of another width, with a gap between."""

from __future__ import annotations

import numpy as np

from divmetrics.validation.checks._check import (
    BELL,
    FALLS,
    ROLES,
    Check,
    Criterion,
    Curve,
    Rng,
    SamplePair,
    Verdict,
    bell,
    check,
    falls,
    near,
)

CITE = "Raisa 2025"
WIDTHS = ("d=1", "d=8", "d=64")
REACH = {"d=1": 6.0, "d=8": 3.0, "d=64": 1.0}
DECADES = {"d=1": 3.0, "d=8": 1.0, "d=64": 0.5}
OUTLIERS = tuple(f"{width}, outlier in {side}" for width in WIDTHS for side in ("real", "fake"))


def width(case: str) -> int:
    """The dimension that a case names: 8 of `d=8, outlier in real`."""
    return int(case.split(",")[0].removeprefix("d="))


def reach(case: str) -> float:
    """The largest shift of a case."""
    return REACH[case.split(",")[0]]


def shifts(case: str) -> np.ndarray:
    """51 shifts, from minus to plus the largest."""
    return np.linspace(-reach(case), reach(case), 51)


def moved(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    """N(0, I) against N(x 1, I)."""
    d = width(case)
    return SamplePair(rng.normal(size=(n, d)), rng.normal(size=(n, d)) + x)


def _with_outlier(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    pair = moved(case, x, n, rng)
    (pair.real if case.endswith("real") else pair.fake)[0] = reach(case)
    return pair


def _with_pareto(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    pair = moved(case, x, n, rng)
    tails = (1 + rng.pareto(1.01, size=(n, 1)) for _ in range(2))
    real, fake = (np.hstack([rows, tail]) for rows, tail in zip((pair.real, pair.fake), tails, strict=True))
    return SamplePair(real, fake)


def wider(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    """N(0, I) against N(0, x^2 I)."""
    d = width(case)
    return SamplePair(rng.normal(size=(n, d)), rng.normal(size=(n, d)) * x)


def _tail_of_width(curve: Curve) -> Verdict:
    """Diversity of wider and wider fakes: `high` if it stays where it came to, `low` if it falls again."""
    last, first = float(curve.values[-1]), float(curve.values[0])
    if last - first >= 0.2 and last >= curve.values.max() - 0.1:
        return "high"
    return "low" if bell(curve) == "pass" else "fail"


def _tail_bounds(curve: Curve) -> bool:
    return near(curve.values[0], 0) and (near(curve.values[-1], 0) or near(curve.values[-1], 1))


def _fall_bounds(curve: Curve) -> bool:
    return near(curve.values[0], 1) and near(curve.values[-1], 0)


def _one_lump(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    d = width(case)
    sign = rng.choice((-0.5, 0.5), size=(n, 1))
    return SamplePair(rng.normal(size=(n, d)) + sign * x, rng.normal(size=(n, d)) * np.sqrt(1 + x**2))


def _antipodes(_: str, x: float, n: int, rng: Rng) -> SamplePair:
    """The share `x` of the fakes lies on two opposite points, so that their mean stays right."""
    real, fake = rng.normal(size=(2, n, 64))
    lost = np.arange(n) < round(x * n)
    fake[lost] = np.where(np.arange(lost.sum()) % 2, 1.0, -1.0)[:, None]
    return SamplePair(real, fake)


check(
    Check(
        "gaussian_mean_difference",
        "N(0, I) against N(x 1, I)",
        CITE,
        WIDTHS,
        shifts,
        moved,
        dict.fromkeys(ROLES, BELL),
    )
)
check(
    Check(
        "gaussian_mean_difference_outlier",
        "the same with one point at the largest shift on one side",
        CITE,
        OUTLIERS,
        shifts,
        _with_outlier,
        dict.fromkeys(ROLES, BELL),
    )
)
check(
    Check(
        "gaussian_mean_difference_pareto",
        "the same beside a column of Pareto(1.01) on both sides",
        CITE,
        WIDTHS,
        shifts,
        _with_pareto,
        dict.fromkeys(ROLES, BELL),
    )
)
check(
    Check(
        "gaussian_std_difference",
        "N(0, I) against N(0, x^2 I): diversity may end high or low, but the same way in each dimension",
        CITE,
        WIDTHS,
        lambda case: np.logspace(-DECADES[case], DECADES[case], 51),
        wider,
        {"fidelity": Criterion(falls, _fall_bounds), "diversity": Criterion(_tail_of_width, _tail_bounds)},
    )
)
check(
    Check(
        "mode_collapse",
        "two modes x apart against one N(0, (1 + x^2) I) that covers them and the hole between",
        CITE,
        WIDTHS,
        lambda _: np.linspace(0, 5, 51),
        _one_lump,
        {"fidelity": FALLS},
    )
)
check(
    Check(
        "antipodal_collapse",
        "in 64 dimensions the share x of the fakes lies on two opposite points, the mean unmoved",
        "field notes 0.7",
        ("d=64",),
        lambda _: np.linspace(0, 1, 11),
        _antipodes,
        {"diversity": FALLS},
        fault="does not see a collapse onto two opposite points, which leaves the mean right",
    )
)
