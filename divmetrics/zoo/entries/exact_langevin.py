"""Langevin dynamics between two modes far apart: the score does not know their weights (Song 2019, figure 3)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from divmetrics.zoo.exact import Known, exact
from divmetrics.zoo.models.diffusion import annealed, langevin, normals

TARGET, CITE = "two-modes", "Song 2019, arXiv:1907.05600, section 3.2.2"
RATE, BOX = 0.1, 8.0
LARGEST, LEVELS, STEPS = 20.0, 10, 100
"""The largest noise, how many there are, steps at each: as published."""


def _annealed(known: Known, n: int, noises: Sequence[float], steps: int, rng: np.random.Generator) -> Tensor:
    """Down the ladder of `noises` from points all over the box."""
    places = torch.from_numpy(rng.uniform(-BOX, BOX, (n, known.d)))
    return annealed(known.score, places, normals(rng), noises=noises, rate=RATE, steps=steps)


def _ladder(largest: float, count: int) -> list[float]:
    """`count` noises from `largest` to 1; one alone is 1."""
    return [float(noise) for noise in np.geomspace(largest, 1, count)] if count > 1 else [1.0]


@exact("langevin", TARGET, levels=(1000,), text="no annealing, 1000 steps", cite=CITE, scaled=False)
def plain(known: Known, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """Langevin dynamics at no noise, from points all over the box: each mode takes what starts on its side."""
    places = torch.from_numpy(rng.uniform(-BOX, BOX, (n, known.d)))
    return langevin(known.score, places, normals(rng), noise=0.0, rate=RATE, steps=round(level))


@exact("anneal-steps", TARGET, levels=(100, 50, 20, 5, 1), text="steps a noise level", cite=CITE, scaled=False)
def steps(known: Known, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """Annealed Langevin dynamics, `level` steps at each of ten noises from 20 to 1."""
    return _annealed(known, n, _ladder(LARGEST, LEVELS), round(level), rng)


@exact("anneal-levels", TARGET, levels=(10, 5, 3, 2, 1), text="noise levels", cite=CITE, scaled=False)
def levels(known: Known, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """Annealed Langevin dynamics, 100 steps at each of `level` noises from 20 to 1."""
    return _annealed(known, n, _ladder(LARGEST, round(level)), STEPS, rng)


@exact("anneal-noise", TARGET, levels=(20, 8, 5, 3, 2, 1.5), text="largest noise", cite=CITE, scaled=False)
def noise(known: Known, n: int, level: float, rng: np.random.Generator) -> Tensor:
    """Annealed Langevin dynamics, 100 steps at each of ten noises from `level` to 1."""
    return _annealed(known, n, _ladder(level, LEVELS), STEPS, rng)
