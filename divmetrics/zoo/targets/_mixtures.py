"""Gaussian mixtures with equal spherical covariances: ring, grids, modes in many dimensions."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.special import chdtr, chdtri

from divmetrics.zoo.targets._base import REAL_SHARE, Target


@dataclass(frozen=True, eq=False)
class Mixture(Target):
    """Spherical Gaussians of standard deviation `sd` around `means` `[K, d]`, in the whole space or in a subspace."""

    name: str
    text: str
    means: np.ndarray
    sd: float
    weights: np.ndarray
    invented: np.ndarray
    """Means `[J, d]` of modes that the mixture does not have, far from its own."""
    directions: np.ndarray | None = field(default=None, repr=False)
    """Orthonormal basis `[d, r]` of the subspace in which modes vary; None for the whole space."""

    @property
    def d(self) -> int:  # type: ignore[override]  # follows from the means
        """Width of a row."""
        return int(self.means.shape[1])

    @property
    def rank(self) -> int:
        """Dimension of the subspace in which a mode varies."""
        return self.d if self.directions is None else int(self.directions.shape[1])

    def draw(self, modes: np.ndarray, rng: np.random.Generator, spread: float = 1.0) -> np.ndarray:
        """As `Target.draw`."""
        noise = rng.normal(size=(len(modes), self.rank)) * (self.sd * spread)
        if self.directions is not None:
            noise = noise @ self.directions.T
        rows: np.ndarray = (self.means[modes] + noise).astype(np.float32)
        return rows

    def draw_outside(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """As `Target.draw_outside`: samples around `invented`."""
        around = self.draw(np.zeros(n, int), rng) - self.means[0]
        rows: np.ndarray = (self.invented[rng.integers(len(self.invented), size=n)] + around).astype(np.float32)
        return rows

    def nearest_modes(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Target.nearest_modes`: Euclidean distance over the radius that holds 98.89 % of a mode."""
        squares = self._squares(rows)
        modes = squares.argmin(1)
        reach = self.sd * float(np.sqrt(chdtri(self.rank, 1 - REAL_SHARE)))
        return modes, np.sqrt(squares[np.arange(len(rows)), modes]) / reach

    def logits(self, rows: np.ndarray) -> np.ndarray:
        """As `Target.logits`."""
        log_likelihoods: np.ndarray = (np.log(self.weights) - self._squares(rows) / (2 * self.sd**2)).astype(np.float32)
        return log_likelihoods

    def centres(self) -> np.ndarray:
        """As `Target.centres`."""
        return self.means.astype(np.float32)

    def _squares(self, rows: np.ndarray) -> np.ndarray:
        """Squared distance between each row and each mean, `[n, K]` float64."""
        wide = rows.astype(np.float64)
        return np.stack([((wide - mean) ** 2).sum(1) for mean in self.means], 1)

    @cached_property
    def within_variance(self) -> np.ndarray:
        """As `Target.within_variance`, from the truncated chi-squared distribution."""
        limit = chdtri(self.rank, 1 - REAL_SHARE)
        inner = self.sd**2 * self.rank * chdtr(self.rank + 2, limit) / REAL_SHARE
        return np.full(self.modes, inner)


def equal_weights(k: int) -> np.ndarray:
    """`k` equal weights."""
    return np.full(k, 1 / k)


def ring_means(k: int, radius: float) -> np.ndarray:
    """`k` points on a circle at the angles 2 pi i / k, i = 0 to k - 1."""
    angles = 2 * np.pi * np.arange(k) / k
    return radius * np.stack([np.cos(angles), np.sin(angles)], 1)


def grid_means(side: int, spacing: float) -> np.ndarray:
    """`side` x `side` points, `spacing` apart, centred on the origin."""
    ticks = spacing * (np.arange(side) - (side - 1) / 2)
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), 2).reshape(-1, 2)


def random_directions(k: int, d: int, length: float, seed: int = 0) -> np.ndarray:
    """`k` points at distance `length` from the origin in random directions, `[k, d]`."""
    drawn = np.random.default_rng(seed).normal(size=(k, d))
    points: np.ndarray = length * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return points


def random_subspace(d: int, rank: int, seed: int = 0) -> np.ndarray:
    """Orthonormal basis of a random subspace, `[d, rank]`."""
    basis: np.ndarray = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, rank)))[0]
    return basis
