"""All samples shifted, a control: diversity is unchanged."""

import numpy as np

from divmetrics.zoo.knobs import ModeSampler, Rng, knob
from divmetrics.zoo.targets import Target


@knob(
    "shift", levels=(0, 0.1, 0.25, 0.5, 1, 2), text="shift, in standard deviations of a mode", cite="field notes 2.1 j"
)
def shift(target: Target, level: float) -> ModeSampler:
    """Each sample is moved along the diagonal by `level` times the root mean square radius of a mode over sqrt(d)."""

    def make(modes: np.ndarray, rng: Rng) -> np.ndarray:
        radius = np.sqrt(target.within_variance.mean() / target.d)
        return target.draw(modes, rng) + np.float32(level * radius / np.sqrt(target.d))

    return ModeSampler(target.weights, make)
