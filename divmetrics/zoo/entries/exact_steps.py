"""Diffusion in too few steps: fidelity is lost more than diversity, and modes become narrow."""

import numpy as np
from torch import Tensor

from divmetrics.zoo.exact import ScaledMixture, exact
from divmetrics.zoo.models.diffusion import ddpm, normal_sampler


@exact("steps", "grid-25", levels=(250, 50, 20, 10, 5, 3), text="steps that DDPM takes", cite="field notes 2.2")
def steps(mixture: ScaledMixture, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """DDPM (Ho 2020) in `level` steps spread over its 1000."""
    return ddpm(mixture.score, n, mixture.d, normal_sampler(rng), steps=round(level))
