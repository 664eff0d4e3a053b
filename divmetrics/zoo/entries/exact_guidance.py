"""Classifier-free guidance, which narrows classes that overlap."""

import numpy as np
import torch
from torch import Tensor

from divmetrics.zoo.exact import ScaledMixture, exact
from divmetrics.zoo.models.diffusion import ddpm, guided_score, normal_sampler

STEPS = 100


@exact(
    "guidance",
    "overlap",
    levels=(0, 0.5, 1, 2, 4, 8),
    text="weight w of classifier-free guidance",
    cite="Ho 2022, arXiv:2207.12598",
)
def guidance(mixture: ScaledMixture, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """DDPM, 100 of 1000 steps, for each mode as a class: (1 + `level`) of its score minus `level` of the whole."""
    weights = mixture.weights
    counts = rng.multinomial(n, weights)
    alone = np.eye(len(weights))
    classes = [
        ddpm(
            guided_score(mixture.score_of(alone[k]), mixture.score, level),
            int(count),
            mixture.d,
            normal_sampler(rng),
            steps=STEPS,
        )
        for k, count in enumerate(counts)
    ]
    return torch.cat(classes)[torch.from_numpy(rng.permutation(n))]
