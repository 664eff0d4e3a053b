"""Modes that the target does not have, a control: fidelity fails, diversity does not."""

import numpy as np

from divmetrics.zoo.knobs import OUTSIDE, ModeSampler, Rng, knob
from divmetrics.zoo.targets import Target


@knob(
    "invent", levels=(0, 0.1, 0.2, 0.3, 0.4, 0.5), text="share of samples in invented modes", cite="Raisa 2025, check 6"
)
def invent(target: Target, level: float) -> ModeSampler:
    """All modes are present in their proportions; the share `level` of the samples lies in other modes."""

    def make(modes: np.ndarray, rng: Rng) -> np.ndarray:
        rows = target.draw(np.maximum(modes, 0), rng)
        rows[modes == OUTSIDE] = target.draw_outside(int((modes == OUTSIDE).sum()), rng)
        return rows

    return ModeSampler(target.weights * (1 - level), make)
