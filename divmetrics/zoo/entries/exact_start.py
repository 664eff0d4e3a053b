"""Diffusion that starts near the origin: the noise it begins with decides where it ends."""

import numpy as np
from torch import Tensor

from divmetrics.zoo.exact import Known, exact
from divmetrics.zoo.models.diffusion import ddim, normals

STEPS = {"grid-25": 100, "grid-25-soft": 400}
"""Of 1000."""


def start(known: Known, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """DDIM (Song 2021), from noise times `level`."""
    return ddim(known.score, n, known.d, normals(rng), steps=STEPS[known.mixture.name], start=level)


for _name in STEPS:
    exact(
        "start",
        _name,
        levels=(1, 0.75, 0.5, 0.25, 0.1, 0),
        text="scale of the noise that DDIM starts from",
        cite="field notes 2.2",
    )(start)
