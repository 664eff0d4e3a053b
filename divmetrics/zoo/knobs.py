"""`@knob`: one kind of collapse as entries of the zoo on every target, with exact shares of the modes at each level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from divmetrics.errors import UsageError
from divmetrics.records.generator import zoo_model
from divmetrics.zoo.targets import CATALOGUE, OVERLAPPING, Target, target

OUTSIDE = -1
"""Mode number of samples that belong to no mode of the target."""
Rng = np.random.Generator


@dataclass(frozen=True)
class ModeSampler:
    """A generator in two steps: the mode of each sample is drawn from `shares`, then `make` draws the sample itself."""

    shares: np.ndarray
    """Exact share of each mode `[K]`; the remainder to 1 falls outside all modes."""
    make: Callable[[np.ndarray, Rng], np.ndarray]
    """(mode of each sample `[n]`, or OUTSIDE; rng) -> rows `[n, d]`."""

    def sample(self, n: int, seed: int) -> np.ndarray:
        """`n` rows `[n, d]` float32, determined by `seed`."""
        rng = np.random.default_rng(seed)
        shares = np.append(self.shares, max(0.0, 1 - self.shares.sum()))
        modes = rng.choice(len(shares), n, p=shares / shares.sum())
        return self.make(np.where(modes == len(self.shares), OUTSIDE, modes), rng)


Builder = Callable[[Target, float], ModeSampler]


def knob(name: str, *, levels: Sequence[float], text: str, cite: str) -> Callable[[Builder], Builder]:
    """Declare a kind of collapse as the zoo entries TARGET-`name`, one for each target whose modes do not overlap.

    Args:
        name: What follows the target in the entries' names.
        levels: Levels of the ladder, mildest first; the middle one is the default.
        text: What the level means, in words.
        cite: Source.

    Returns:
        A decorator for functions `(target, level)` -> `ModeSampler`.
    """

    def declare(build: Builder) -> Builder:
        for owner in CATALOGUE.keys() - OVERLAPPING:
            _declare_on(owner, build, name, tuple(levels), text, cite)
        return build

    return declare


def _declare_on(owner: str, build: Builder, name: str, levels: tuple[float, ...], text: str, cite: str) -> None:
    """Declare the entry of the target `owner`."""
    middle = levels[len(levels) // 2]
    lowest, highest = min(levels), max(levels)

    def sampler_at(level: float) -> ModeSampler:
        if not lowest <= level <= highest:
            raise UsageError(f"level={level:g} of {owner}-{name} is not possible; give {lowest:g} to {highest:g}.")
        return build(target(owner), level)

    def truth(*, level: float = middle) -> np.ndarray:
        return sampler_at(level).shares

    @zoo_model(f"{owner}-{name}", family="oracle", target=owner, knob=text, cite=cite, levels=levels, truth=truth)
    def sampler(n: int, seed: int, *, level: float = middle) -> np.ndarray:
        return sampler_at(level).sample(n, seed)


def with_shares(owner: Target, shares: np.ndarray) -> ModeSampler:
    """Samples of the target whose modes have other shares `[K]`."""
    return ModeSampler(shares, owner.draw)


def restricted_shares(owner: Target, which: np.ndarray) -> np.ndarray:
    """The weights of the modes for which `which` `[K]` is True, renormalised; 0 elsewhere."""
    left: np.ndarray = np.where(which, owner.weights, 0)
    shares: np.ndarray = left / left.sum()
    return shares
