"""Kernel density with one isotropic Gaussian at each centre, each with a bandwidth fitted by expectation maximisation.

Distances are computed once, and expectation maximisation needs no step size.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log, pi

import torch
from torch import Tensor

MAX_ITERATIONS = 60
"""Limit of EM iterations."""
TOLERANCE = 1e-4
"""Increase of the mean log-likelihood, in nats per column, below which EM stops."""
MIN_BANDWIDTH = 1e-3
"""Least bandwidth, in standard deviations of the features; that of a centre that is a copy would reach 0."""
GROUPS = 20
"""Groups of centres that the jackknife leaves out in turn."""


@dataclass(frozen=True, eq=False)
class KernelDensity:
    """The density 1/m sum_j N(centre_j, s_j^2 I) in d dimensions."""

    centres: Tensor  # [m, d] float64
    log_variance: Tensor  # [m] float64

    @classmethod
    def fit(cls, centres: Tensor, samples: Tensor) -> KernelDensity:
        """Bandwidths that maximise the likelihood of `samples` `[n, d]`, for `centres` `[m, d]`."""
        squared, width = _squared_distances(samples, centres), centres.shape[1]
        log_variance = (
            (squared.min(1).values.mean().clamp(min=MIN_BANDWIDTH**2) / width).log().expand(len(centres)).clone()
        )
        before = -inf
        for _ in range(MAX_ITERATIONS):
            joint = _log_joint(squared, log_variance, width)
            log_density = joint.logsumexp(1)
            if (now := float(log_density.mean())) - before < TOLERANCE * width:
                break
            before = now
            responsibility = (joint - log_density[:, None]).exp()  # [n, m]
            load = responsibility.sum(0)
            variance = (responsibility * squared).sum(0) / (width * load.clamp(min=1e-12))
            # A centre with no responsibility keeps its bandwidth: there is no data to fit it to
            log_variance = torch.where(load > 1e-6, variance.clamp(min=MIN_BANDWIDTH**2).log(), log_variance)
        return cls(centres, log_variance)

    def log_likelihood(self, samples: Tensor) -> tuple[Tensor, float]:
        """Log density `[n]` of `samples` `[n, d]`, and the variance of its mean due to the sampling of the centres.

        The variance is the mean of two estimates: a jackknife over `GROUPS` groups of centres, which leaves holes and
        is too large, and the influence of the weight of each centre, which ignores where other centres would be and is
        too small.
        """
        width, m = self.centres.shape[1], len(self.centres)
        joint = _log_joint(_squared_distances(samples, self.centres), self.log_variance, width)
        groups = [joint[:, g::GROUPS] for g in range(min(GROUPS, m))]
        parts = torch.stack([group.logsumexp(1) for group in groups], 1)  # [n, G]
        others = parts[:, None].expand(-1, len(groups), -1).masked_fill(torch.eye(len(groups), dtype=torch.bool), -inf)
        remaining = torch.tensor([m - group.shape[1] for group in groups], dtype=torch.float64).log()
        constant = width / 2 * log(2 * pi)
        log_density = parts.logsumexp(1)
        means = others.logsumexp(2).mean(0) - remaining
        by_jackknife = (len(means) - 1) * float(means.var(correction=0))
        weights = m * joint.sub_(log_density[:, None]).exp_().mean(0)
        return log_density - log(m) - constant, (by_jackknife + float(weights.var()) / m) / 2


def _squared_distances(samples: Tensor, centres: Tensor) -> Tensor:
    """Squared distances `[n, m]` from float64 products; round-off is far below the least bandwidth squared."""
    squared = samples.square().sum(1)[:, None] + centres.square().sum(1)
    return squared.addmm_(samples, centres.T, alpha=-2).clamp_(min=0)


def _log_joint(squared: Tensor, log_variance: Tensor, width: int) -> Tensor:
    """Log of each Gaussian at each sample `[n, m]`, without the constant d/2 log(2 pi)."""
    return -0.5 * (squared * (-log_variance).exp() + width * log_variance)
