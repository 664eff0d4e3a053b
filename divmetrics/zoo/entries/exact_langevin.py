"""Langevin dynamics with two distant modes: the score carries no information on their weights (Song 2019, figure 3)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from divmetrics.zoo.exact import ScaledMixture, exact
from divmetrics.zoo.models.diffusion import annealed_langevin, langevin, normal_sampler

TARGET, CITE = "two-modes", "Song 2019, arXiv:1907.05600, section 3.2.2"
RATE, BOX = 0.1, 8.0
LARGEST, LEVELS, STEPS = 20.0, 10, 100
"""Largest noise, number of noise levels, steps at each level, as published."""


def _annealed(mixture: ScaledMixture, n: int, noises: Sequence[float], steps: int, rng: np.random.Generator) -> Tensor:
    """Annealed Langevin dynamics at `noises`, from uniform points in the box."""
    start = torch.from_numpy(rng.uniform(-BOX, BOX, (n, mixture.d)))
    return annealed_langevin(mixture.score, start, normal_sampler(rng), noises=noises, rate=RATE, steps=steps)


def _ladder(largest: float, count: int) -> list[float]:
    """`count` noises, geometric from `largest` to 1; a single one is 1."""
    return [float(noise) for noise in np.geomspace(largest, 1, count)] if count > 1 else [1.0]


@exact("langevin", TARGET, levels=(1000,), text="no annealing, 1000 steps", cite=CITE, scaled=False)
def plain(mixture: ScaledMixture, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """Langevin dynamics at no noise, from uniform points in the box: each mode attracts the points on its side."""
    start = torch.from_numpy(rng.uniform(-BOX, BOX, (n, mixture.d)))
    return langevin(mixture.score, start, normal_sampler(rng), noise=0.0, rate=RATE, steps=round(level))


@exact("anneal-steps", TARGET, levels=(100, 50, 20, 5, 1), text="steps a noise level", cite=CITE, scaled=False)
def steps(mixture: ScaledMixture, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """Annealed Langevin dynamics, `level` steps at each of ten noises from 20 to 1."""
    return _annealed(mixture, n, _ladder(LARGEST, LEVELS), round(level), rng)


@exact("anneal-levels", TARGET, levels=(10, 5, 3, 2, 1), text="noise levels", cite=CITE, scaled=False)
def levels(mixture: ScaledMixture, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """Annealed Langevin dynamics, 100 steps at each of `level` noises from 20 to 1."""
    return _annealed(mixture, n, _ladder(LARGEST, round(level)), STEPS, rng)


@exact("anneal-noise", TARGET, levels=(20, 8, 5, 3, 2, 1.5), text="largest noise", cite=CITE, scaled=False)
def noise(mixture: ScaledMixture, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """Annealed Langevin dynamics, 100 steps at each of ten noises from `level` to 1."""
    return _annealed(mixture, n, _ladder(level, LEVELS), STEPS, rng)
