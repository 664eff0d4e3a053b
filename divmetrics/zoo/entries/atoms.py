"""Each mode is replaced by a few fixed points: every sample is of high quality, and repeated."""

import numpy as np

from divmetrics.zoo.knobs import ModeSampler, Rng, knob
from divmetrics.zoo.targets import Target

POINTS_SEED = 1234
"""Seed of the points, which belong to the generator and are the same in every draw."""


@knob("atoms", levels=(1024, 256, 64, 16, 4, 1), text="fixed points a mode", cite="field notes 2.1 e")
def atoms(target: Target, level: float) -> ModeSampler:
    """A mode is `level` points, drawn once from the true mode, all equally likely."""
    count = round(level)

    def make(modes: np.ndarray, rng: Rng) -> np.ndarray:
        atom = modes * count + rng.integers(count, size=len(modes))
        used, inverse = np.unique(atom, return_inverse=True)
        points = [
            _points(target, mode, used[used // count == mode] % count, count) for mode in np.unique(used // count)
        ]
        rows: np.ndarray = np.concatenate(points)[inverse]
        return rows

    return ModeSampler(target.weights, make)


def _points(target: Target, mode: int, which: np.ndarray, count: int) -> np.ndarray:
    """The points of one mode with the numbers `which`, `[m, d]`."""
    points: np.ndarray = target.draw(np.full(count, mode), np.random.default_rng([POINTS_SEED, mode]))[which]
    return points
