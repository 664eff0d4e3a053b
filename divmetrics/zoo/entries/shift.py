"""All samples moved: a control, for diversity is untouched."""

import numpy as np

from divmetrics.zoo.knobs import Recipe, Rng, knob
from divmetrics.zoo.targets import Target


@knob(
    "shift", levels=(0, 0.1, 0.25, 0.5, 1, 2), text="shift, in standard deviations of a mode", cite="field notes 2.1 j"
)
def shift(target: Target, level: float) -> Recipe:
    """Each sample is moved along the diagonal by `level` times the root mean square radius of a mode over sqrt(d)."""

    def make(modes: np.ndarray, rng: Rng) -> np.ndarray:
        radius = np.sqrt(target.variation.mean() / target.d)
        return target.draw(modes, rng) + np.float32(level * radius / np.sqrt(target.d))

    return Recipe(target.weights, make)
