"""Each mode replaced by a few fixed points: every sample is good, and seen before."""

import numpy as np

from divmetrics.zoo.knobs import Recipe, Rng, knob
from divmetrics.zoo.targets import Target

PLACES = 1234
"""Seed of the points: they belong to the generator and stay while it draws."""


@knob("atoms", levels=(1024, 256, 64, 16, 4, 1), text="fixed points a mode", cite="field notes 2.1 e")
def atoms(target: Target, level: float) -> Recipe:
    """A mode is `level` points, drawn once from the true mode, all equally likely."""
    count = round(level)

    def make(modes: np.ndarray, rng: Rng) -> np.ndarray:
        atom = modes * count + rng.integers(count, size=len(modes))
        used, place = np.unique(atom, return_inverse=True)
        points = [
            _points(target, mode, used[used // count == mode] % count, count) for mode in np.unique(used // count)
        ]
        rows: np.ndarray = np.concatenate(points)[place]
        return rows

    return Recipe(target.weights, make)


def _points(target: Target, mode: int, which: np.ndarray, count: int) -> np.ndarray:
    """The points numbered `which` of one mode."""
    points: np.ndarray = target.draw(np.full(count, mode), np.random.default_rng([PLACES, mode]))[which]
    return points
