"""Diffusion from too little initial noise: deterministic samplers then miss modes."""

import numpy as np
from torch import Tensor

from divmetrics.zoo.exact import ScaledMixture, exact
from divmetrics.zoo.models.diffusion import ddim, normal_sampler

STEPS = {"grid-25": 100, "grid-25-soft": 400}
"""Steps taken of the 1,000 of the schedule."""


def start(mixture: ScaledMixture, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """DDIM (Song 2021), from noise times `level`."""
    return ddim(mixture.score, n, mixture.d, normal_sampler(rng), steps=STEPS[mixture.name], start=level)


for _name in STEPS:
    exact(
        "start",
        _name,
        levels=(1, 0.75, 0.5, 0.25, 0.1, 0),
        text="scale of the noise that DDIM starts from",
        cite="field notes 2.2",
    )(start)
