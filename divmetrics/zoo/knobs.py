"""`knob`: one way to make a sampler collapse, put on every target. What it draws is known exactly, level by level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from divmetrics.errors import UsageError
from divmetrics.records.generator import zoo_model
from divmetrics.zoo.targets import CATALOGUE, OVERLAPPING, Target, target

OUTSIDE = -1
"""Number that stands for no mode of the target."""
Rng = np.random.Generator


@dataclass(frozen=True)
class Recipe:
    """A generator in two steps: each sample is given a mode by `shares`, then `make` fills the modes with samples."""

    shares: np.ndarray
    """Exact share of each mode `[K]`; what is missing to 1 falls outside of all modes."""
    make: Callable[[np.ndarray, Rng], np.ndarray]
    """(mode of each sample `[n]`, or OUTSIDE; rng) -> rows `[n, d]`."""

    def sample(self, n: int, seed: int) -> np.ndarray:
        """`n` rows `[n, d]` float32; the same for the same seed."""
        rng = np.random.default_rng(seed)
        shares = np.append(self.shares, max(0.0, 1 - self.shares.sum()))
        modes = rng.choice(len(shares), n, p=shares / shares.sum())
        return self.make(np.where(modes == len(self.shares), OUTSIDE, modes), rng)


Builder = Callable[[Target, float], Recipe]


def knob(name: str, *, levels: Sequence[float], text: str, cite: str) -> Callable[[Builder], Builder]:
    """Declare `(target, level) -> Recipe` as the zoo entries TARGET-`name`, one for each target whose modes
    are apart.

    `levels` are the rungs of the ladder, mildest first; the default is the middle one.
    """

    def declare(build: Builder) -> Builder:
        for owner in CATALOGUE.keys() - OVERLAPPING:
            _declare_on(owner, build, name, tuple(levels), text, cite)
        return build

    return declare


def _declare_on(owner: str, build: Builder, name: str, levels: tuple[float, ...], text: str, cite: str) -> None:
    middle = levels[len(levels) // 2]
    lowest, highest = min(levels), max(levels)

    def recipe(level: float) -> Recipe:
        if not lowest <= level <= highest:
            raise UsageError(f"level={level:g} of {owner}-{name} is not possible; give {lowest:g} to {highest:g}.")
        return build(target(owner), level)

    def truth(*, level: float = middle) -> np.ndarray:
        return recipe(level).shares

    @zoo_model(f"{owner}-{name}", family="oracle", target=owner, knob=text, cite=cite, levels=levels, truth=truth)
    def sampler(n: int, seed: int, *, level: float = middle) -> np.ndarray:
        return recipe(level).sample(n, seed)


def healthy(owner: Target, shares: np.ndarray) -> Recipe:
    """The target's own samples, its modes in other shares."""
    return Recipe(shares, owner.draw)


def kept(owner: Target, which: np.ndarray) -> np.ndarray:
    """Shares of the modes when only those where `which` `[K]` is True are left."""
    left: np.ndarray = np.where(which, owner.weights, 0)
    found: np.ndarray = left / left.sum()
    return found
