"""Score-based models as recipes: denoising score matching under noise levels, diffusion, and their ensembles."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from divmetrics.zoo.models import networks as nets
from divmetrics.zoo.models.diffusion import Score, annealed, averaged, ddpm
from divmetrics.zoo.models.training import Learner, Recipe
from divmetrics.zoo.targets import target

QUIET, LOUD = 0.01, 20.0
"""Noise over the data's spread between which a diffusion model learns; beyond the latter all is noise."""
RAREST = 30.0
"""The largest weight of a row."""
Kind = Literal["noise levels", "diffusion"]


@dataclass(frozen=True)
class ScoreModel(Recipe):
    """A network that predicts the noise in noisy rows, and the sampler that its score drives."""

    kind: Kind = "diffusion"
    """`noise levels`: noise added to the data, annealed Langevin dynamics (Song 2019); `diffusion`: DDPM (Ho 2020)."""
    attention: bool = False
    apart: bool = False
    """Each colour of an image is denoised alone."""
    batch: int = 256
    width: int = 96
    depth: int = 2
    rate: float = 2e-3
    levels: int = 10
    """Noise levels, from the spread of the data times 4 down to `smallest`."""
    smallest: float = 0.02
    sampling: int = 100
    """Steps of the sampler: in all for diffusion, at each level for noise levels."""
    balance: bool = False
    """Rows weigh in the loss as much as their mode is rare, so that all modes weigh the same."""
    injected: float = 0.0
    """Noise added to the training set afresh at every step, in units of its spread."""
    members: int = 1
    """Networks that learn the same data, but for what is lost."""
    lost: int = 0
    """Member i never sees the modes i, i + lost, i + 2 lost, ...; 0 loses none."""
    together: Literal["mixed", "averaged"] = "mixed"
    """Members draw in turn, or the mean of their scores is sampled."""

    def blank(self) -> Ensemble:
        """As `Recipe.blank`."""
        make = nets.AttentionDenoiser if self.attention else nets.Denoiser
        d = nets.SIDE**2 if self.apart else target(self.data.target).d
        members = [make(d, self.width, self.depth) for _ in range(self.members)]
        return Ensemble([nets.Apart(member) for member in members] if self.apart else members)

    def learner(self) -> Learner:
        """As `Recipe.learner`."""
        return Denoising(self)

    def ladder(self) -> list[float]:
        """The noise levels, largest first; one alone is the smallest."""
        top = 4.0 if self.levels > 1 else self.smallest
        return [float(noise) for noise in np.geomspace(top, self.smallest, self.levels)]

    def draw(self, generator: Any, n: int, temperature: float) -> Tensor:
        """As `Recipe.draw`; the noise is that of each step."""
        scores = [as_score(member) for member in generator.members]
        if self.together == "averaged":
            rows = self._sampled(averaged(scores), n, temperature)
        else:
            sizes = [n // len(scores) + (place < n % len(scores)) for place in range(len(scores))]
            drawn = [self._sampled(score, size, temperature) for score, size in zip(scores, sizes, strict=True)]
            rows = torch.cat(drawn)[torch.randperm(n)]
        found: Tensor = generator.centre + generator.scale * rows
        return found

    def _sampled(self, score: Score, n: int, temperature: float) -> Tensor:
        """`n` rows in units of the spread of the data."""
        d = target(self.data.target).d
        if self.kind == "diffusion":
            return ddpm(score, n, d, torch.randn, steps=self.sampling, temperature=temperature)
        noises = self.ladder()
        start = (noises[0] if len(noises) > 1 else 2.0) * torch.randn(n, d)
        rows = annealed(
            score, start, lambda m, k: temperature * torch.randn(m, k), noises=noises, rate=0.2, steps=self.sampling
        )
        return rows + noises[-1] ** 2 * score(rows, 1.0, noises[-1])  # to the clean rows that are expected behind them


class Ensemble(nn.Module):
    """Denoisers in units of the data's spread, with the place and the scale of the data."""

    centre: Tensor
    scale: Tensor

    def __init__(self, members: Any) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("centre", torch.tensor(0.0))
        self.register_buffer("scale", torch.tensor(1.0))


def as_score(denoiser: nn.Module) -> Score:
    """The score of a network that sees `X + noise Z` scaled to one spread, and predicts Z."""

    def score(rows: Tensor, signal: float, noise: float) -> Tensor:
        predicted = denoise(denoiser, rows / signal, torch.full((len(rows),), noise / signal))
        return -predicted / noise

    return score


def denoise(denoiser: nn.Module, noisy: Tensor, noise: Tensor) -> Tensor:
    """Z from `X + noise Z` `[n, d]`, X of unit spread."""
    found: Tensor = denoiser(noisy / (1 + noise.square()).sqrt()[:, None], noise.clamp(max=LOUD))
    return found


class Denoising(Learner):
    """Members in turn."""

    def __init__(self, recipe: ScoreModel) -> None:
        self.recipe = recipe
        rows = recipe.data.load()
        ensemble = recipe.blank()
        ensemble.centre.fill_(rows.mean())
        ensemble.scale.fill_(rows.std())
        self.rows = (rows - rows.mean()) / rows.std()
        modes = torch.from_numpy(target(recipe.data.target).place(rows.numpy())[0])
        places = range(recipe.members)
        self.seen = [torch.nonzero((modes - i) % recipe.lost if recipe.lost else modes + 1)[:, 0] for i in places]
        counts = torch.bincount(modes)
        rarity = len(rows) / int((counts > 0).sum()) / counts[modes]
        self.weights = rarity.clamp(max=RAREST) if recipe.balance else torch.ones(len(rows))
        optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(member.parameters(), recipe.rate) for member in ensemble.members
        ]
        super().__init__({"generator": ensemble}, optimisers)
        self.ensemble = ensemble
        levels = np.geomspace(QUIET, LOUD, 1000).tolist() if recipe.kind == "diffusion" else recipe.ladder()
        self.noises = torch.tensor(levels)

    def step(self, number: int) -> None:
        """As `Learner.step`; the rate falls to nothing along a cosine."""
        recipe, place = self.recipe, number % self.recipe.members
        optimiser, member = self.optimisers[place], self.ensemble.members[place]
        chosen = self.seen[place][torch.randint(len(self.seen[place]), (recipe.batch,))]
        clean = self.rows[chosen]
        if recipe.injected:
            clean = clean + recipe.injected * torch.randn_like(clean)
        noise = self.noises[torch.randint(len(self.noises), (recipe.batch,))]
        added = torch.randn_like(clean)
        missed = denoise(member, clean + noise[:, None] * added, noise) - added
        loss = (self.weights[chosen] * missed.square().mean(1)).mean()
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * (1 + cos(pi * number / recipe.steps)) / 2
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
