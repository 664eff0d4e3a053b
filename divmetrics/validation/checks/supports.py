"""Checks of the support: surfaces of spheres and cubes, a ball and a ring, rounded and continuous samples."""

from __future__ import annotations

import numpy as np

from divmetrics.validation.checks._check import (
    BELL,
    FALLS,
    FLAT_AT_ONE,
    ROLES,
    Check,
    Criterion,
    Curve,
    Rng,
    SamplePair,
    Verdict,
    always,
    check,
    falls,
    near,
    verdict,
)
from divmetrics.validation.checks.gaussians import CITE, width

DIRECTIONS = ("ball against ring", "ring against ball")
CUTS = (0, 0.1, 0.25)
"""What the demonstration of NDB cuts off: uniform up to 1, .9 and .75."""
GRAINS = ("rounded reals", "rounded fakes")


def _sphere(n: int, d: int, rng: Rng) -> np.ndarray:
    rows = rng.normal(size=(n, d))
    found: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


def _shells(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    return SamplePair(_sphere(n, width(case), rng), x * _sphere(n, width(case), rng))


def _faces(n: int, d: int, rng: Rng) -> np.ndarray:
    """Points on the surface of the cube [-1, 1]^d."""
    rows = rng.uniform(-1, 1, (n, d))
    rows[np.arange(n), rng.integers(d, size=n)] = rng.choice((-1.0, 1.0), size=n)
    return rows


def _hulls(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    return SamplePair(_faces(n, width(case), rng), x * _faces(n, width(case), rng))


def _cut(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    """The unit cube against the part of it that is left when `x` is cut off each side."""
    return SamplePair(rng.random((n, width(case))), (1 - x) * rng.random((n, width(case))))


def _ball(n: int, rng: Rng) -> np.ndarray:
    return 0.8 * _sphere(n, 3, rng) * rng.random((n, 1)) ** (1 / 3)


def _ring(n: int, rng: Rng) -> np.ndarray:
    """Points in a torus: ring of radius 1, tube of radius .1."""
    along, around = rng.uniform(0, 2 * np.pi, (2, n))
    inner = 0.1 * np.sqrt(rng.random(n))
    out = 1 + inner * np.cos(around)
    return np.stack([out * np.cos(along), out * np.sin(along), inner * np.sin(around)], 1)


def _ball_and_ring(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    if case == DIRECTIONS[0]:
        return SamplePair(_ball(n, rng), _ring(round(x), rng))
    return SamplePair(_ring(n, rng), _ball(round(x), rng))


def _rounded(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    real, fake = x * rng.normal(size=(2, n, 1))
    return SamplePair(np.round(real), fake) if case == GRAINS[0] else SamplePair(real, np.round(fake))


def _area_left(curve: Curve) -> bool:
    return bool((np.abs(curve.values - (1 - curve.xs) ** 2) <= 0.1).all())


def _heals(curve: Curve) -> Verdict:
    """Better by .2 where rounding cannot be seen than where it is coarse."""
    return verdict(passed=curve.values[-1] - curve.values[0] >= 0.2)


check(
    Check(
        "hypersphere_surface",
        "the surface of the unit sphere against one of radius x",
        CITE,
        ("d=2", "d=16", "d=128"),
        lambda _: np.linspace(0.1, 1.9, 19),
        _shells,
        dict.fromkeys(ROLES, BELL),
    )
)
check(
    Check(
        "hypercube_surface",
        "the surface of the cube [-1, 1]^d against one x times as large",
        "Khayatkhoei 2023",
        ("d=2", "d=32"),
        lambda _: np.linspace(0, 2, 21),
        _hulls,
        dict.fromkeys(ROLES, BELL),
    )
)
check(
    Check(
        "cut_square",
        "the unit square against what is left of it when x is cut off each side: the share (1 - x)^2 is covered",
        "Richardson 2018, in 2 dimensions",
        ("d=2",),
        lambda _: CUTS,
        _cut,
        {"fidelity": FLAT_AT_ONE, "diversity": Criterion(falls, _area_left)},
        whole=True,
    )
)
check(
    Check(
        "cut_cube",
        "the same in 100 dimensions, where next to nothing of the volume is left",
        "Richardson 2018",
        ("d=100",),
        lambda _: CUTS,
        _cut,
        {"diversity": FALLS},
        whole=True,
    )
)
check(
    Check(
        "sphere_torus",
        "a ball of radius .8 and a ring around it that it does not touch, x fakes",
        CITE,
        DIRECTIONS,
        lambda _: (100, 200, 500, 1000, 2000),
        _ball_and_ring,
        dict.fromkeys(ROLES, Criterion(bounds=always(0))),
    )
)
check(
    Check(
        "discrete_continuous",
        "N(0, x^2) against the same rounded to whole numbers: different supports that become alike",
        CITE,
        GRAINS,
        lambda _: np.logspace(0, 3, 13),
        _rounded,
        {role: Criterion(_heals, lambda curve: near(curve.values[-1], 1)) for role in ROLES},
    )
)
