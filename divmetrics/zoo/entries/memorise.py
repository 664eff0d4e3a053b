"""Copies of the training set: all modes, all fine, nothing new."""

import numpy as np

from divmetrics.zoo.knobs import Recipe, Rng, knob
from divmetrics.zoo.targets import Target

TRAINING = 500
"""Rows of the target's training set that are known by heart."""


@knob(
    "memorise",
    levels=(0, 0.1, 0.25, 0.5, 0.75, 1),
    text="share of samples copied from the training set",
    cite="field notes 2.1 i",
)
def memorise(target: Target, level: float) -> Recipe:
    """The share `level` is drawn, with replacement, from the first 500 rows of the training set."""
    training, known = target.training_set(TRAINING)
    counts = np.bincount(known, minlength=target.modes)
    order = np.argsort(known, kind="stable")
    first = np.searchsorted(known[order], np.arange(target.modes))
    by_heart = level * counts / TRAINING
    shares = (1 - level) * target.weights + by_heart

    def make(modes: np.ndarray, rng: Rng) -> np.ndarray:
        rows = target.draw(modes, rng)
        copied = rng.random(len(modes)) * shares[modes] < by_heart[modes]
        whose = modes[copied]
        rows[copied] = training[order[first[whose] + (rng.random(len(whose)) * counts[whose]).astype(int)]]
        return rows

    return Recipe(shares, make)
