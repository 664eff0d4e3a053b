"""Score-based models: denoising score matching at several noise levels, diffusion, and ensembles of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from divmetrics.zoo.models import networks
from divmetrics.zoo.models.diffusion import Score, annealed_langevin, average_scores, ddpm
from divmetrics.zoo.models.training import Learner, Recipe
from divmetrics.zoo.targets import target

MIN_NOISE, MAX_NOISE = 0.01, 20.0
"""Range of noise levels that a diffusion model learns, in units of the data's standard deviation."""
MAX_WEIGHT = 30.0
"""Largest weight of a row in a balanced loss."""
Kind = Literal["noise levels", "diffusion"]


@dataclass(frozen=True)
class ScoreModel(Recipe):
    """A network that predicts the noise in noisy rows, and the sampler that uses its score."""

    kind: Kind = "diffusion"
    """`noise levels`: noise added to the data, annealed Langevin dynamics (Song 2019); `diffusion`: DDPM (Ho 2020)."""
    attention: bool = False
    """Whether the network is a transformer over patches."""
    apart: bool = False
    """Whether each colour channel is denoised independently."""
    batch: int = 256
    width: int = 96
    depth: int = 2
    rate: float = 2e-3
    levels: int = 10
    """Noise levels, from the spread of the data times 4 down to `smallest`."""
    smallest: float = 0.02
    sampling: int = 100
    """Steps of the sampler: in total for `diffusion`, at each level for `noise levels`."""
    balance: bool = False
    """Whether rows are weighted by the inverse frequency of their mode."""
    injected: float = 0.0
    """Standard deviation of fresh noise added to the training rows at every step, in units of theirs."""
    members: int = 1
    """Number of networks in the ensemble."""
    lost: int = 0
    """Member i never sees the modes i, i + lost, i + 2 lost, ...; 0: every member sees all modes."""
    together: Literal["mixed", "averaged"] = "mixed"
    """How members are combined: each draws a part of the samples, or one sampler uses the mean of their scores."""

    def build_generator(self) -> Ensemble:
        """As `Recipe.build_generator`."""
        make = networks.AttentionDenoiser if self.attention else networks.Denoiser
        d = networks.SIDE**2 if self.apart else target(self.data.target).d
        members = [make(d, self.width, self.depth) for _ in range(self.members)]
        return Ensemble([networks.ChannelwiseDenoiser(member) for member in members] if self.apart else members)

    def build_learner(self) -> Learner:
        """As `Recipe.build_learner`."""
        return DenoisingLearner(self)

    def noise_levels(self) -> list[float]:
        """Noise levels, largest first; a single one is `smallest`."""
        top = 4.0 if self.levels > 1 else self.smallest
        return [float(noise) for noise in np.geomspace(top, self.smallest, self.levels)]

    def draw(self, generator: Any, n: int, temperature: float) -> Tensor:
        """As `Recipe.draw`; `temperature` scales the noise of each step."""
        scores = [as_score(member) for member in generator.members]
        if self.together == "averaged":
            rows = self._sample(average_scores(scores), n, temperature)
        else:
            sizes = [n // len(scores) + (place < n % len(scores)) for place in range(len(scores))]
            drawn = [self._sample(score, size, temperature) for score, size in zip(scores, sizes, strict=True)]
            rows = torch.cat(drawn)[torch.randperm(n)]
        samples: Tensor = generator.centre + generator.scale * rows
        return samples

    def _sample(self, score: Score, n: int, temperature: float) -> Tensor:
        """`n` rows `[n, d]` in units of the standard deviation of the data."""
        d = target(self.data.target).d
        if self.kind == "diffusion":
            return ddpm(score, n, d, torch.randn, steps=self.sampling, temperature=temperature)
        noises = self.noise_levels()
        start = (noises[0] if len(noises) > 1 else 2.0) * torch.randn(n, d)
        rows = annealed_langevin(
            score, start, lambda m, k: temperature * torch.randn(m, k), noises=noises, rate=0.2, steps=self.sampling
        )
        return rows + noises[-1] ** 2 * score(rows, 1.0, noises[-1])  # the posterior mean of the clean rows


class Ensemble(nn.Module):
    """Denoisers of standardised data, with the mean and the standard deviation of the data."""

    centre: Tensor
    scale: Tensor

    def __init__(self, members: Any) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("centre", torch.tensor(0.0))
        self.register_buffer("scale", torch.tensor(1.0))


def as_score(denoiser: nn.Module) -> Score:
    """Score of a network that predicts Z from `X + noise Z`."""

    def score(rows: Tensor, signal: float, noise: float) -> Tensor:
        predicted = denoise(denoiser, rows / signal, torch.full((len(rows),), noise / signal))
        return -predicted / noise

    return score


def denoise(denoiser: nn.Module, noisy: Tensor, noise: Tensor) -> Tensor:
    """Predicted Z `[n, d]` from `X + noise Z` `[n, d]`, for X of unit standard deviation."""
    predicted: Tensor = denoiser(noisy / (1 + noise.square()).sqrt()[:, None], noise.clamp(max=MAX_NOISE))
    return predicted


class DenoisingLearner(Learner):
    """Denoising score matching, one member of the ensemble after the other."""

    def __init__(self, recipe: ScoreModel) -> None:
        self.recipe = recipe
        rows = recipe.data.load()
        ensemble = recipe.build_generator()
        ensemble.centre.fill_(rows.mean())
        ensemble.scale.fill_(rows.std())
        self.rows = (rows - rows.mean()) / rows.std()
        modes = torch.from_numpy(target(recipe.data.target).nearest_modes(rows.numpy())[0])
        places = range(recipe.members)
        self.visible = [torch.nonzero((modes - i) % recipe.lost if recipe.lost else modes + 1)[:, 0] for i in places]
        counts = torch.bincount(modes)
        rarity = len(rows) / int((counts > 0).sum()) / counts[modes]
        self.weights = rarity.clamp(max=MAX_WEIGHT) if recipe.balance else torch.ones(len(rows))
        optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(member.parameters(), recipe.rate) for member in ensemble.members
        ]
        super().__init__({"generator": ensemble}, optimisers)
        self.ensemble = ensemble
        levels = (
            np.geomspace(MIN_NOISE, MAX_NOISE, 1000).tolist() if recipe.kind == "diffusion" else recipe.noise_levels()
        )
        self.noises = torch.tensor(levels)

    def step(self, number: int) -> None:
        """As `Learner.step`; the learning rate follows a cosine to 0."""
        recipe, place = self.recipe, number % self.recipe.members
        optimiser, member = self.optimisers[place], self.ensemble.members[place]
        chosen = self.visible[place][torch.randint(len(self.visible[place]), (recipe.batch,))]
        clean = self.rows[chosen]
        if recipe.injected:
            clean = clean + recipe.injected * torch.randn_like(clean)
        noise = self.noises[torch.randint(len(self.noises), (recipe.batch,))]
        added = torch.randn_like(clean)
        error = denoise(member, clean + noise[:, None] * added, noise) - added
        loss = (self.weights[chosen] * error.square().mean(1)).mean()
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * (1 + cos(pi * number / recipe.steps)) / 2
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
