"""Diffusion that lowers the noise on its way: modes at the rim are lost first, then all but the one in the middle."""

import numpy as np
from torch import Tensor

from divmetrics.zoo.exact import Known, exact
from divmetrics.zoo.models.diffusion import ddpm, normals

STEPS = {"grid-25": 100, "grid-25-soft": 400}
"""Of 1000; in 100 even the exact score makes modes narrow, so that the first rung is not quite healthy."""


def temperature(known: Known, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """DDPM (Ho 2020), the noise of each step times `level`."""
    return ddpm(known.score, n, known.d, normals(rng), steps=STEPS[known.mixture.name], temperature=level)


for _name in STEPS:
    exact(
        "temperature",
        _name,
        levels=(1, 0.9, 0.75, 0.5, 0.25, 0),
        text="temperature of the noise that DDPM adds on its way",
        cite="field notes 2.2",
    )(temperature)
