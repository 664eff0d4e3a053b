"""Modes as round blobs: clusters of the reals, each with a centre and one variance for all dimensions."""

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
"""Share of a round Gaussian within 3 standard deviations in two dimensions, 98.89 %: the classic rule."""


@dataclass(frozen=True, eq=False)
class Blobs:
    """What is known of the modes of n reals, in the whole feature space."""

    centres: Tensor  # [K, d] float64
    squared: Tensor  # [K] variance per dimension of each
    labels: Tensor  # [n] mode of each real
    own: Tensor  # [n] squared distance of each real to its centre without it, in variances per dimension

    @cached_property
    def freedom(self) -> float:
        """Degrees of freedom of the chi square with the mean and variance of `own`: d for round Gaussian modes."""
        own, d = self.own[torch.isfinite(self.own)], self.centres.shape[1]
        spread = float(own.var()) if len(own) > 1 else 0.0
        return float(min(d, 2 * float(own.mean()) ** 2 / spread)) if spread > 0 else float(d)

    def limit(self, sigmas: float | None) -> float:
        """Squared radius in variances per dimension."""
        if sigmas is not None:
            return sigmas**2
        return float(chdtri(self.freedom, 1 - LEVEL)) / self.freedom * self.centres.shape[1]

    def place(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Mode of each row `[m]` and its squared distance to the centre, in variances per dimension."""
        squared, mode = nearest_rows(float64(rows), self.centres.to(rows.device))
        return mode.cpu(), _ratio(squared.cpu(), self.squared[mode.cpu()])


def blobs(real: Rows, count: int | None, seed: int) -> Blobs:
    """The blobs of `count` clusters of the reals, or of as many as suit them; remembered while the reals live."""
    return once((real,), ("gaussian modes", count, seed), lambda: fitted(real, clusters(real, count, seed).labels))


def fitted(real: Rows, labels: Tensor) -> Blobs:
    """The distance to the mean of the k - 1 others is k / (k - 1) times that to the mean of all, exactly."""
    labels = torch.unique(labels, return_inverse=True)[1]
    rows, d = float64(real.features), real.d
    sizes = torch.bincount(labels).double()
    load = torch.zeros(len(sizes), len(rows), dtype=torch.float64, device=rows.device)
    load[labels.to(rows.device), torch.arange(len(rows), device=rows.device)] = 1
    centres = load @ rows / sizes.to(rows.device)[:, None]
    squared = (rows - centres[labels.to(rows.device)]).square().sum(1).cpu()
    sums = torch.zeros(len(sizes), dtype=torch.float64).index_add_(0, labels, squared)
    pooled = float(sums.sum() / (sizes - 1).sum().clamp(min=1))
    variance = torch.where(sizes > 1, sums / (sizes - 1).clamp(min=1), pooled) / d
    alone = sizes[labels]
    others = squared * (alone / (alone - 1).clamp(min=1)) ** 2
    own = _ratio(others, variance[labels]).where(alone > 1, torch.inf)  # without it, a mode of one real is not there
    return Blobs(centres.cpu(), variance, labels, own)


def _ratio(squared: Tensor, variance: Tensor) -> Tensor:
    """0 where both are 0: copies of a mode that is one point are in it."""
    return torch.where(variance > 0, squared / variance, torch.where(squared > 0, torch.inf, 0.0))
