"""Ensembles of two diffusion models: mixed samples have the union of their modes, averaged scores the intersection."""

import numpy as np
import torch
from torch import Tensor

from divmetrics.zoo.exact import ScaledMixture, exact
from divmetrics.zoo.models.diffusion import Score, average_scores, ddpm, normal_sampler

CITE, STEPS = "field notes 0.8", 100
LOST = (0, 0.1, 0.2, 0.3, 0.4, 0.45)


def _members(mixture: ScaledMixture, level: float) -> list[Score]:
    """Scores of the two members: one lost the first, the other the last of the modes."""
    weights, gone = mixture.weights, int(level * len(mixture.weights))
    mode = np.arange(len(weights))
    return [mixture.score_of(np.where(has, weights, 0)) for has in (mode >= gone, mode < len(weights) - gone)]


@exact("scores-mixed", "grid-25", levels=LOST, text="share of the modes that each of two mixed models lost", cite=CITE)
def mixed(mixture: ScaledMixture, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """Half of the samples from each member."""
    parts = [n // 2, n - n // 2]
    drawn = [
        ddpm(score, size, mixture.d, normal_sampler(rng), steps=STEPS)
        for score, size in zip(_members(mixture, level), parts, strict=True)
    ]
    return torch.cat(drawn)[torch.from_numpy(rng.permutation(n))]


@exact(
    "scores-averaged",
    "grid-25",
    levels=LOST,
    text="share of the modes that each of two averaged models lost",
    cite=CITE,
)
def product(mixture: ScaledMixture, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """One sampler that uses the mean of the scores."""
    return ddpm(average_scores(_members(mixture, level)), n, mixture.d, normal_sampler(rng), steps=STEPS)
