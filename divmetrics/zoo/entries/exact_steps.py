"""Diffusion in too few steps: a failure of fidelity more than of diversity, and a narrowing of the modes."""

import numpy as np
from torch import Tensor

from divmetrics.zoo.exact import Known, exact
from divmetrics.zoo.models.diffusion import ddpm, normals


@exact("steps", "grid-25", levels=(250, 50, 20, 10, 5, 3), text="steps that DDPM takes", cite="field notes 2.2")
def steps(known: Known, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """DDPM (Ho 2020) in `level` steps spread over its 1000."""
    return ddpm(known.score, n, known.d, normals(rng), steps=round(level))
