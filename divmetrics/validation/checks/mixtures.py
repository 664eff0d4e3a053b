"""Checks with mixtures of ten modes, some of which are thinned, dropped or invented."""

from __future__ import annotations

from functools import cache

import numpy as np

from divmetrics.validation.checks._check import (
    FLAT_AT_ONE,
    TOLERANCE,
    Check,
    Criterion,
    Curve,
    Rng,
    Role,
    SamplePair,
    Verdict,
    check,
    falls,
    near,
    verdict,
)
from divmetrics.validation.checks.gaussians import CITE, WIDTHS, width
from divmetrics.zoo.targets import Mixture, target

SPREAD = {"d=1": 1 / 6, "d=8": 1 / 3, "d=64": 1.0}
LINEAR = 0.95
"""R^2 from which on a response counts as linear."""


def mixture(means: np.ndarray, sd: float) -> Mixture:
    """A mixture in equal shares with modes at `means` `[K, d]`."""
    return Mixture("check", "", means, sd, np.full(len(means), 1 / len(means)), means[:1] + 1e3)


@cache
def _row(case: str) -> Mixture:
    """Ten modes along the diagonal, from 0 to 10."""
    return mixture(np.linspace(0, 10, 10)[:, None] * np.ones(width(case)), SPREAD[case])


def _fewer(owner: Mixture, shares: np.ndarray, n: int, rng: Rng) -> SamplePair:
    """All modes of `owner` against its modes in `shares`."""
    return SamplePair(owner.sample(n, rng)[0], owner.draw(rng.choice(owner.modes, n, p=shares), rng), owner)


def _thinned(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    shares = np.full(10, 0.1 * (1 - x))
    shares[0] = 1 - shares[1:].sum()
    return _fewer(_row(case), shares, n, rng)


def _dropped(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    left = 10 - round(x)
    return _fewer(_row(case), (np.arange(10) < left) / left, n, rng)


def _seen_early(curve: Curve) -> Verdict:
    """Falls by .2 in all, and by .1 before the last twentieth of the levels."""
    early = float(np.interp(0.95 * curve.xs[-1], curve.xs, curve.values))
    return verdict(passed=bool(curve.values[0] - curve.values[-1] >= 0.2 and curve.values[0] - early >= 0.1))


def _seen_by_half(curve: Curve) -> Verdict:
    """Falls by .1 before half of the modes are gone."""
    return verdict(passed=curve.values[0] - curve.at(curve.xs[-1] / 2) >= 0.1)


@cache
def _ten() -> Mixture:
    """Ten modes on a circle; real ones and invented ones in turn."""
    angles = 2 * np.pi * np.arange(10) * 3 / 10
    return mixture(5 * np.stack([np.cos(angles), np.sin(angles)], 1), 0.25)


@cache
def _first(count: int) -> Mixture:
    whole = _ten()
    return mixture(whole.means[:count], whole.sd)


def _grown(_: str, x: float, n: int, rng: Rng) -> SamplePair:
    return SamplePair(_first(5).sample(n, rng)[0], _first(round(x)).sample(n, rng)[0], _first(5))


def _grown_digits(_: str, x: float, n: int, rng: Rng) -> SamplePair:
    owner = target("digits")
    real, fake = (owner.draw(rng.integers(count, size=n), rng) for count in (5, round(x)))
    return SamplePair(real, fake)


def _fine_then_worse(curve: Curve) -> Verdict:
    """Fidelity: as good with five modes as with one, and .2 worse with ten."""
    return verdict(passed=abs(curve.at(5) - curve.at(1)) <= 0.1 and curve.at(5) - curve.at(10) >= 0.2)


def _rises_and_stays(curve: Curve) -> Verdict:
    """Diversity: rises until all five are there, and invented ones take nothing away."""
    return verdict(passed=curve.at(5) - curve.at(1) >= 0.2 and abs(curve.at(10) - curve.at(5)) <= TOLERANCE)


GROWN: dict[Role, Criterion] = {
    "fidelity": Criterion(_fine_then_worse, lambda curve: near(curve.at(1), 1) and near(curve.at(5), 1)),
    "diversity": Criterion(_rises_and_stays, lambda curve: near(curve.at(5), 1) and near(curve.at(10), 1)),
}


@cache
def _salvy() -> Mixture:
    return mixture(5 * np.random.default_rng(0).normal(size=(10, 32)), 1.0)


def _salvy_thinned(_: str, x: float, n: int, rng: Rng) -> SamplePair:
    shares = np.full(10, 0.1 * (1 - x))
    shares[0] = 1 - shares[1:].sum()
    return _fewer(_salvy(), shares, n, rng)


def linear(curve: Curve) -> Verdict:
    """Falls, and a straight line explains 95 % of it."""
    fit = np.corrcoef(curve.xs, curve.values)[0, 1] ** 2 if curve.range > 0 else 0.0
    return verdict(passed=bool(falls(curve) == "pass" and fit >= LINEAR))


def _as_the_share_kept(curve: Curve) -> bool:
    return bool((np.abs(curve.values - (9 * (1 - curve.xs) + 1) / 10) <= 0.1).all())


check(
    Check(
        "simultaneous_mode_dropping",
        "ten modes in a row, nine of them lose the share x of their samples to the first",
        CITE,
        WIDTHS,
        lambda _: np.linspace(0, 1, 51),
        _thinned,
        {"fidelity": FLAT_AT_ONE, "diversity": Criterion(_seen_early)},
    )
)
check(
    Check(
        "sequential_mode_dropping",
        "ten modes in a row, the last x of them dropped",
        CITE,
        WIDTHS,
        lambda _: range(10),
        _dropped,
        {"fidelity": FLAT_AT_ONE, "diversity": Criterion(_seen_by_half)},
    )
)
check(
    Check(
        "mode_dropping_invention",
        "five real modes, the fakes have the first x of these and five more",
        CITE,
        ("d=2",),
        lambda _: range(1, 11),
        _grown,
        GROWN,
        whole=True,
    )
)
check(
    Check(
        "class_dropping_invention",
        "the same with digits: the real samples are 0 to 4, the fakes the first x digits",
        "Sajjadi 2018",
        ("digits",),
        lambda _: (1, 2, 3, 4, 5, 6, 8, 10),
        _grown_digits,
        GROWN,
        whole=True,
    )
)
check(
    Check(
        "linear_mode_dropping",
        "ten random modes in 32 dimensions thinned together; the share kept is (9 (1 - x) + 1) / 10",
        "Salvy 2026, check iii",
        ("d=32",),
        lambda _: np.linspace(0, 1, 11),
        _salvy_thinned,
        {"fidelity": FLAT_AT_ONE, "diversity": Criterion(linear, _as_the_share_kept)},
    )
)
