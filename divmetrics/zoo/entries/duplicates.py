"""A generator that repeats a limited number of samples."""

import numpy as np

from divmetrics.zoo.knobs import ModeSampler, Rng, knob
from divmetrics.zoo.targets import Target

POOL_SEED = 1235
"""Seed of the pool, which belongs to the generator and is the same in every draw."""


@knob(
    "duplicates", levels=(10000, 2500, 1000, 250, 50, 10), text="size of the pool drawn from", cite="field notes 2.1 f"
)
def duplicates(target: Target, level: float) -> ModeSampler:
    """Samples are drawn with replacement from a fixed pool of `level` true samples."""
    size = round(level)
    pool_modes = np.random.default_rng(POOL_SEED).choice(target.modes, size, p=target.weights)

    def make(modes: np.ndarray, rng: Rng) -> np.ndarray:
        pool = target.draw(pool_modes, np.random.default_rng([POOL_SEED, 1]))
        order = np.argsort(pool_modes, kind="stable")
        first = np.searchsorted(pool_modes[order], np.arange(target.modes))
        counts = np.bincount(pool_modes, minlength=target.modes)
        rows: np.ndarray = pool[order[first[modes] + (rng.random(len(modes)) * counts[modes]).astype(int)]]
        return rows

    return ModeSampler(np.bincount(pool_modes, minlength=target.modes) / size, make)
