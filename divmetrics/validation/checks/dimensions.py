"""Checks with one column that separates both sides: in other units, and beside many columns that do not."""

from __future__ import annotations

import numpy as np

from divmetrics.validation.checks._check import FLAT_AT_ZERO, ROLES, Check, Rng, SamplePair, check
from divmetrics.validation.checks.gaussians import CITE

APART = 6.0


def _other_unit(_: str, x: float, n: int, rng: Rng) -> SamplePair:
    real, fake = rng.normal(size=(2, n, 2))
    fake[:, 0] += APART
    return SamplePair(real * (1, x), fake * (1, x))


def _beside(_: str, x: float, n: int, rng: Rng) -> SamplePair:
    real, fake = rng.normal(size=(2, n, 1 + round(x)))
    fake[:, 0] += APART
    return SamplePair(real, fake)


check(
    Check(
        "scaling_one_dimension",
        "six standard deviations apart in one column, the other in units of x",
        CITE,
        ("d=2",),
        lambda _: np.logspace(-3, 3, 13),
        _other_unit,
        dict.fromkeys(ROLES, FLAT_AT_ZERO),
        scaled=False,
    )
)
check(
    Check(
        "one_disjoint_dimension",
        "six standard deviations apart in one column, x more with one distribution on both sides",
        CITE,
        ("1 + x columns",),
        lambda _: (1, 3, 10, 30, 100, 300, 1000),
        _beside,
        dict.fromkeys(ROLES, FLAT_AT_ZERO),
    )
)
