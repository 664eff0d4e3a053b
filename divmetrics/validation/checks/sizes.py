"""Checks in which only the numbers of samples change, so that a metric should not."""

from __future__ import annotations

from divmetrics.validation.checks._check import (
    ROLES,
    Check,
    Criterion,
    Curve,
    Rng,
    SamplePair,
    Verdict,
    check,
    near,
    settles,
    verdict,
)
from divmetrics.validation.checks.gaussians import CITE, WIDTHS, width

OVERLAP = 0.2
SIZES = (100, 200, 500, 1000, 2000)
"""Of those published, to 10,000, as many as a run of minutes allows."""


def _cubes(n: int, m: int, d: int, rng: Rng) -> SamplePair:
    """Two unit cubes, the second moved on all axes until a fifth of their volume is common."""
    return SamplePair(rng.random((n, d)), rng.random((m, d)) + 1 - OVERLAP ** (1 / d))


def _both(case: str, x: float, _: int, rng: Rng) -> SamplePair:
    return _cubes(round(x), round(x), width(case), rng)


def _fakes(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    return _cubes(n, round(x), width(case), rng)


def _healthy(_: str, x: float, n: int, rng: Rng) -> SamplePair:
    return SamplePair(rng.normal(size=(n, 8)), rng.normal(size=(round(x * n), 8)))


def _holds(curve: Curve) -> Verdict:
    """With fewer fakes no lower than with as many, but for .1 of sampling error."""
    return verdict(passed=bool((curve.values >= curve.values[-1] - 0.1).all()))


def _overlap(curve: Curve) -> bool:
    return near(curve.values[-1], OVERLAP)


SETTLES = Criterion(settles, _overlap, needs_bounds=True)
check(
    Check(
        "hypercube_sample_size",
        "two cubes that share a fifth of their volume, x samples of each",
        CITE,
        WIDTHS,
        lambda _: SIZES,
        _both,
        dict.fromkeys(ROLES, SETTLES),
        whole=True,
    )
)
check(
    Check(
        "hypercube_syn_size",
        "the same with x fakes only",
        CITE,
        WIDTHS,
        lambda _: SIZES,
        _fakes,
        dict.fromkeys(ROLES, SETTLES),
        whole=True,
    )
)
check(
    Check(
        "unequal_sizes",
        "both sides from one distribution, x n fakes",
        "Naeem 2020, lemma 2",
        ("d=8",),
        lambda _: (0.25, 0.5, 1),
        _healthy,
        {role: Criterion(_holds, needs_bounds=True) for role in ROLES},
        whole=True,
        fault="falls where there are fewer fakes than reals, though nothing else differs",
    )
)
