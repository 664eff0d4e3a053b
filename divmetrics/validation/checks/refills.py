"""Checks with dropped modes whose samples are replaced by jittered copies of others, or by scattered samples."""

from __future__ import annotations

from functools import cache

import numpy as np

from divmetrics.validation.checks._check import Check, Criterion, Curve, Rng, SamplePair, Verdict, check, falls, verdict
from divmetrics.validation.checks.mixtures import mixture
from divmetrics.zoo.targets import Mixture, target

MODES = 7
JITTER = 0.1


@cache
def _seven() -> Mixture:
    return mixture(np.array([0, -10, 10, -20, 20, -30, 30])[:, None] * np.ones(64), 1.0)


def _copies(own: np.ndarray, count: int, rng: Rng) -> np.ndarray:
    """`count` rows of `own`, slightly moved."""
    return own[rng.integers(len(own), size=count)] + rng.normal(scale=JITTER, size=(count, own.shape[1]))


def _refilled(_: str, x: float, n: int, rng: Rng) -> SamplePair:
    """The last `x` of seven modes are gone, their samples replaced by slightly moved ones of the others."""
    owner, left = _seven(), MODES - round(x)
    own = owner.draw(rng.integers(left, size=max(1, n * left // MODES)), rng)
    again = _copies(own, n - len(own), rng)
    return SamplePair(owner.sample(n, rng)[0], np.concatenate([own, again]), owner)


def _refilled_together(_: str, x: float, n: int, rng: Rng) -> SamplePair:
    """Six of seven modes lose the share `x` of their samples, replaced by slightly moved ones of the first mode."""
    owner, first = _seven(), max(1, n // MODES)
    lost = round((n - first) * x)
    own = owner.draw(np.zeros(first, int), rng)
    others = owner.draw(rng.integers(1, MODES, size=n - first - lost), rng)
    return SamplePair(owner.sample(n, rng)[0], np.concatenate([own, others, _copies(own, lost, rng)]), owner)


def _as_the_share_left(curve: Curve) -> bool:
    """From 1 to a seventh on a straight line, .1 to each side."""
    ideal = 1 - (1 - 1 / MODES) * curve.xs / curve.xs[-1]
    return bool((np.abs(curve.values - ideal) <= 0.1).all())


def _scattered(_: str, x: float, n: int, rng: Rng) -> SamplePair:
    """One mode of a 5 x 5 grid is left; the share `x` of the samples is scattered over all of the grid."""
    owner = target("grid-25")
    fake = owner.draw(np.zeros(n, int), rng)
    lost = rng.random(n) < x
    fake[lost] = rng.uniform(-5, 5, (int(lost.sum()), 2))
    return SamplePair(owner.sample(n, rng)[0], fake, owner)


def _stays_low(curve: Curve) -> Verdict:
    """At the last level nothing is healed: the value is nearer to that of the collapse than to a healthy one."""
    healthy, collapsed, hidden = curve.values[0], curve.values[1], curve.values[-1]
    return verdict(passed=bool(healthy - collapsed >= 0.2 and hidden - collapsed <= 0.5 * (healthy - collapsed)))


def _scattered_or_healthy(case: str, x: float, n: int, rng: Rng) -> SamplePair:
    owner = target("grid-25")
    if x < 0:
        return SamplePair(owner.sample(n, rng)[0], owner.sample(n, rng)[0], owner)
    return _scattered(case, x, n, rng)


LEFT = Criterion(falls, _as_the_share_left)
check(
    Check(
        "refilled_mode_dropping",
        "seven modes in 64 dimensions, the last x of them replaced by moved copies of the others",
        "Kim 2023",
        ("d=64",),
        lambda _: range(7),
        _refilled,
        {"diversity": LEFT},
        whole=True,
    )
)
check(
    Check(
        "refilled_mode_thinning",
        "the same modes, the share x of all but the first replaced by moved copies of the first",
        "Kim 2023",
        ("d=64",),
        lambda _: np.linspace(0, 1, 11),
        _refilled_together,
        {"diversity": LEFT},
    )
)
check(
    Check(
        "scattered_collapse",
        "a 5 x 5 grid: healthy (x = -1), one mode left (0), and the share x of that scattered over the whole grid",
        "field notes 1.2",
        ("grid-25",),
        lambda _: (-1, 0, 0.5, 0.9),
        _scattered_or_healthy,
        {"diversity": Criterion(_stays_low)},
        scaled=False,
        whole=True,
        fault="does not tell one mode amid scattered samples from a healthy set",
    )
)
