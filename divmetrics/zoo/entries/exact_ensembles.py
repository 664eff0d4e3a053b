"""Two diffusion models together: mixed samples hold the union of their modes, averaged scores the intersection."""

import numpy as np
import torch
from torch import Tensor

from divmetrics.zoo.exact import Known, exact
from divmetrics.zoo.models.diffusion import Score, averaged, ddpm, normals

CITE, STEPS = "field notes 0.8", 100
LOST = (0, 0.1, 0.2, 0.3, 0.4, 0.45)


def _members(known: Known, level: float) -> list[Score]:
    """One lost the first, the other the last of the modes."""
    weights, gone = known.mixture.weights, int(level * len(known.mixture.weights))
    place = np.arange(len(weights))
    return [known.score_of(np.where(has, weights, 0)) for has in (place >= gone, place < len(weights) - gone)]


@exact("scores-mixed", "grid-25", levels=LOST, text="share of the modes that each of two mixed models lost", cite=CITE)
def mixed(known: Known, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """Half of the samples from each."""
    parts = [n // 2, n - n // 2]
    drawn = [
        ddpm(score, size, known.d, normals(rng), steps=STEPS)
        for score, size in zip(_members(known, level), parts, strict=True)
    ]
    return torch.cat(drawn)[torch.from_numpy(rng.permutation(n))]


@exact(
    "scores-averaged",
    "grid-25",
    levels=LOST,
    text="share of the modes that each of two averaged models lost",
    cite=CITE,
)
def product(known: Known, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """One sampler on the mean of the scores."""
    return ddpm(averaged(_members(known, level)), n, known.d, normals(rng), steps=STEPS)
