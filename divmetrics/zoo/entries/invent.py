"""Modes that the target has not: fidelity fails, diversity does not."""

import numpy as np

from divmetrics.zoo.knobs import OUTSIDE, Recipe, Rng, knob
from divmetrics.zoo.targets import Target


@knob(
    "invent", levels=(0, 0.1, 0.2, 0.3, 0.4, 0.5), text="share of samples in invented modes", cite="Raisa 2025, check 6"
)
def invent(target: Target, level: float) -> Recipe:
    """All modes are there in their proportions; the share `level` lies in modes of another place."""

    def make(modes: np.ndarray, rng: Rng) -> np.ndarray:
        rows = target.draw(np.maximum(modes, 0), rng)
        rows[modes == OUTSIDE] = target.outsiders(int((modes == OUTSIDE).sum()), rng)
        return rows

    return Recipe(target.weights * (1 - level), make)
