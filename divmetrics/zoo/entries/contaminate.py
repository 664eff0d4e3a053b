"""Samples scattered over the whole space, a control: fidelity fails and no mode is lost."""

import numpy as np

from divmetrics.zoo.knobs import OUTSIDE, ModeSampler, Rng, knob
from divmetrics.zoo.targets import Target


@knob(
    "contaminate", levels=(0, 0.02, 0.05, 0.1, 0.2, 0.5), text="share of scattered samples", cite="Salvy 2026, check i"
)
def contaminate(target: Target, level: float) -> ModeSampler:
    """The share `level` is uniform on a box twice as wide as the bounding box of the modes."""

    def make(modes: np.ndarray, rng: Rng) -> np.ndarray:
        rows = target.draw(np.maximum(modes, 0), rng)
        low, high = target.centres().min(0), target.centres().max(0)
        out = modes == OUTSIDE
        around = rng.uniform(-1, 1, (int(out.sum()), target.d)) * np.maximum(high - low, 1)
        rows[out] = (low + high) / 2 + around
        return rows

    return ModeSampler(target.weights * (1 - level), make)
