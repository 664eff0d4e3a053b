"""Diffusion at low temperature: outer modes are lost first, then all but the central one."""

import numpy as np
from torch import Tensor

from divmetrics.zoo.exact import ScaledMixture, exact
from divmetrics.zoo.models.diffusion import ddpm, normal_sampler

STEPS = {"grid-25": 100, "grid-25-soft": 400}
"""Steps taken of 1,000. On grid-25 the 100 steps narrow the modes slightly even at temperature 1."""


def temperature(mixture: ScaledMixture, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """DDPM (Ho 2020), the noise of each step times `level`."""
    return ddpm(mixture.score, n, mixture.d, normal_sampler(rng), steps=STEPS[mixture.name], temperature=level)


for _name in STEPS:
    exact(
        "temperature",
        _name,
        levels=(1, 0.9, 0.75, 0.5, 0.25, 0),
        text="temperature of the noise that DDPM adds on its way",
        cite="field notes 2.2",
    )(temperature)
