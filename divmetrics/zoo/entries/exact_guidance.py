"""Classifier-free guidance: each class is driven away from the others, and narrows where they overlap."""

import numpy as np
import torch
from torch import Tensor

from divmetrics.zoo.exact import Known, exact
from divmetrics.zoo.models.diffusion import ddpm, guided, normals

STEPS = 100


@exact(
    "guidance",
    "overlap",
    levels=(0, 0.5, 1, 2, 4, 8),
    text="weight w of classifier-free guidance",
    cite="Ho 2022, arXiv:2207.12598",
)
def guidance(known: Known, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """DDPM, 100 of 1000 steps, for each mode as a class: (1 + `level`) of its score minus `level` of the whole."""
    weights = known.mixture.weights
    counts = rng.multinomial(n, weights)
    alone = np.eye(len(weights))
    classes = [
        ddpm(guided(known.score_of(alone[k]), known.score, level), int(count), known.d, normals(rng), steps=STEPS)
        for k, count in enumerate(counts)
    ]
    return torch.cat(classes)[torch.from_numpy(rng.permutation(n))]
