"""Noise on every sample, a control: fidelity fails and no mode is lost."""

import numpy as np

from divmetrics.zoo.knobs import ModeSampler, Rng, knob
from divmetrics.zoo.targets import Target


@knob(
    "noise",
    levels=(0, 0.25, 0.5, 1, 1.5, 2),
    text="sd of added noise over that of a mode",
    cite="field notes 5b, column F",
)
def noise(target: Target, level: float) -> ModeSampler:
    """Gaussian noise is added with an sd per coordinate of `level` times the root mean square sd within modes."""

    def make(modes: np.ndarray, rng: Rng) -> np.ndarray:
        rows = target.draw(modes, rng)
        sd = level * np.sqrt(target.within_variance.mean() / target.d)
        return (rows + rng.normal(scale=sd, size=rows.shape)).astype(np.float32)

    return ModeSampler(target.weights, make)
