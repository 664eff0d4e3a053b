"""Where samples may lie at all: spheres, a ball and a ring, grid points and what lies between them."""

from __future__ import annotations

import numpy as np

from divmetrics.validation.checks._check import (
    BELL,
    ROLES,
    Check,
    Criterion,
    Curve,
    Drawn,
    Rng,
    Verdict,
    always,
    check,
    near,
    verdict,
)
from divmetrics.validation.checks.gaussians import CITE, width

DIRECTIONS = ("ball against ring", "ring against ball")
GRAINS = ("rounded reals", "rounded fakes")


def _sphere(n: int, d: int, rng: Rng) -> np.ndarray:
    rows = rng.normal(size=(n, d))
    found: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


def _shells(case: str, x: float, n: int, rng: Rng) -> Drawn:
    return Drawn(_sphere(n, width(case), rng), x * _sphere(n, width(case), rng))


def _ball(n: int, rng: Rng) -> np.ndarray:
    return 0.8 * _sphere(n, 3, rng) * rng.random((n, 1)) ** (1 / 3)


def _ring(n: int, rng: Rng) -> np.ndarray:
    """Points in a torus: ring of radius 1, tube of radius .1."""
    along, around = rng.uniform(0, 2 * np.pi, (2, n))
    inner = 0.1 * np.sqrt(rng.random(n))
    out = 1 + inner * np.cos(around)
    return np.stack([out * np.cos(along), out * np.sin(along), inner * np.sin(around)], 1)


def _ball_and_ring(case: str, x: float, n: int, rng: Rng) -> Drawn:
    if case == DIRECTIONS[0]:
        return Drawn(_ball(n, rng), _ring(round(x), rng))
    return Drawn(_ring(n, rng), _ball(round(x), rng))


def _rounded(case: str, x: float, n: int, rng: Rng) -> Drawn:
    real, fake = x * rng.normal(size=(2, n, 1))
    return Drawn(np.round(real), fake) if case == GRAINS[0] else Drawn(real, np.round(fake))


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
