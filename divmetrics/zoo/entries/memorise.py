"""Copies of the training set: all modes are present and of high quality, and nothing is new."""

import numpy as np

from divmetrics.zoo.knobs import ModeSampler, Rng, knob
from divmetrics.zoo.targets import Target

TRAINING = 500
"""Memorised rows of the target's training set."""


@knob(
    "memorise",
    levels=(0, 0.1, 0.25, 0.5, 0.75, 1),
    text="share of samples copied from the training set",
    cite="field notes 2.1 i",
)
def memorise(target: Target, level: float) -> ModeSampler:
    """The share `level` is drawn, with replacement, from the first 500 rows of the training set."""
    training, training_modes = target.training_set(TRAINING)
    counts = np.bincount(training_modes, minlength=target.modes)
    order = np.argsort(training_modes, kind="stable")
    first = np.searchsorted(training_modes[order], np.arange(target.modes))
    memorised = level * counts / TRAINING
    shares = (1 - level) * target.weights + memorised

    def make(modes: np.ndarray, rng: Rng) -> np.ndarray:
        rows = target.draw(modes, rng)
        copied = rng.random(len(modes)) * shares[modes] < memorised[modes]
        copied_modes = modes[copied]
        rows[copied] = training[
            order[first[copied_modes] + (rng.random(len(copied_modes)) * counts[copied_modes]).astype(int)]
        ]
        return rows

    return ModeSampler(shares, make)
