"""A generator that knows a limited number of samples and repeats them."""

import numpy as np

from divmetrics.zoo.knobs import Recipe, Rng, knob
from divmetrics.zoo.targets import Target

PLACES = 1235
"""Seed of the pool, which belongs to the generator."""


@knob(
    "duplicates", levels=(10000, 2500, 1000, 250, 50, 10), text="size of the pool drawn from", cite="field notes 2.1 f"
)
def duplicates(target: Target, level: float) -> Recipe:
    """Samples are drawn, with replacement, from `level` true samples that were drawn once."""
    size = round(level)
    pool_modes = np.random.default_rng(PLACES).choice(target.modes, size, p=target.weights)

    def make(modes: np.ndarray, rng: Rng) -> np.ndarray:
        pool = target.draw(pool_modes, np.random.default_rng([PLACES, 1]))
        order = np.argsort(pool_modes, kind="stable")
        first = np.searchsorted(pool_modes[order], np.arange(target.modes))
        counts = np.bincount(pool_modes, minlength=target.modes)
        found: np.ndarray = pool[order[first[modes] + (rng.random(len(modes)) * counts[modes]).astype(int)]]
        return found

    return Recipe(np.bincount(pool_modes, minlength=target.modes) / size, make)
