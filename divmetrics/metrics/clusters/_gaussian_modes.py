"""Isotropic Gaussian modes: clusters of the real samples, each with a centre and one variance for all dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.special import chdtri
from torch import Tensor

from divmetrics.arrays.clustering import clusters
from divmetrics.arrays.linalg import float64
from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs import nearest_rows
from divmetrics.arrays.summaries import Rows

LEVEL = -float(np.expm1(-4.5))
"""Probability of an isotropic Gaussian within 3 standard deviations in two dimensions, 98.89 %: the usual rule."""


@dataclass(frozen=True, eq=False)
class GaussianModes:
    """Isotropic Gaussian modes fitted to n real samples, in the whole feature space."""

    centres: Tensor  # [K, d] float64
    variance: Tensor  # [K] variance per dimension of each mode
    labels: Tensor  # [n] mode of each real sample
    own: Tensor  # [n] squared distance of each real sample to its centre fitted without it, over the variance

    @cached_property
    def degrees_of_freedom(self) -> float:
        """Degrees of freedom of the chi-square law that matches mean and variance of `own`; at most d."""
        own, d = self.own[torch.isfinite(self.own)], self.centres.shape[1]
        spread = float(own.var()) if len(own) > 1 else 0.0
        return float(min(d, 2 * float(own.mean()) ** 2 / spread)) if spread > 0 else float(d)

    def squared_radius(self, sigmas: float | None) -> float:
        """Squared radius of a mode, in units of its variance per dimension."""
        if sigmas is not None:
            return sigmas**2
        return float(chdtri(self.degrees_of_freedom, 1 - LEVEL)) / self.degrees_of_freedom * self.centres.shape[1]

    def assign(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Nearest mode of each of `rows` `[m, d]`, and squared distance to its centre over its variance, `[m]` each."""
        squared, mode = nearest_rows(float64(rows), self.centres.to(rows.device))
        return mode.cpu(), _over_variance(squared.cpu(), self.variance[mode.cpu()])


def gaussian_modes(real: Rows, count: int | None, seed: int) -> GaussianModes:
    """Modes of `count` clusters of the real samples, or for None of the number of best silhouette; memoised."""
    return once(
        (real,), ("gaussian modes", count, seed), lambda: fit_gaussian_modes(real, clusters(real, count, seed).labels)
    )


def fit_gaussian_modes(real: Rows, labels: Tensor) -> GaussianModes:
    """Modes of the clusters `labels` `[n]`.

    The distance to the mean of the k - 1 others is exactly k / (k - 1) times that to the mean of all k.
    """
    labels = torch.unique(labels, return_inverse=True)[1]
    rows, d = float64(real.features), real.d
    sizes = torch.bincount(labels).double()
    membership = torch.zeros(len(sizes), len(rows), dtype=torch.float64, device=rows.device)
    membership[labels.to(rows.device), torch.arange(len(rows), device=rows.device)] = 1
    centres = membership @ rows / sizes.to(rows.device)[:, None]
    squared = (rows - centres[labels.to(rows.device)]).square().sum(1).cpu()
    sums = torch.zeros(len(sizes), dtype=torch.float64).index_add_(0, labels, squared)
    pooled = float(sums.sum() / (sizes - 1).sum().clamp(min=1))
    variance = torch.where(sizes > 1, sums / (sizes - 1).clamp(min=1), pooled) / d
    size = sizes[labels]
    others = squared * (size / (size - 1).clamp(min=1)) ** 2
    own = _over_variance(others, variance[labels]).where(
        size > 1, torch.inf
    )  # a mode of one sample vanishes without it
    return GaussianModes(centres.cpu(), variance, labels, own)


def _over_variance(squared: Tensor, variance: Tensor) -> Tensor:
    """`squared / variance`; 0 where both are 0, so that copies of a mode that is a single point lie in it."""
    return torch.where(variance > 0, squared / variance, torch.where(squared > 0, torch.inf, 0.0))
