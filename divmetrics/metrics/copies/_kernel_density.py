"""Kernel density with one isotropic Gaussian at each centre, each with a bandwidth fitted by expectation maximisation.

The likelihood that is maximised is that of Jiralerspong 2023: beside the m Gaussians of weight 1/m stands a broad one
of weight 1 at the mean of the samples. It takes in the samples that no centre is near to, which would otherwise widen
the nearest ones; the density itself does without it. The authors take steps of Adam, at most 50; distances are computed
once here, and expectation maximisation reaches the same optimum without a step size.
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
START = 1e-3
"""Added to the squared distance of a centre from the nearest sample, from which its bandwidth starts."""
BROAD = 0.9
"""Factor of the distances from the mean under the broad Gaussian."""
GROUPS = 20
"""Groups of centres that the jackknife leaves out in turn."""


@dataclass(frozen=True, eq=False)
class KernelDensity:
    """The density 1/m sum_j N(centre_j, s_j^2 I) in d dimensions."""

    centres: Tensor  # [m, d] float64
    log_variance: Tensor  # [m] float64

    @classmethod
    def fit(cls, centres: Tensor, samples: Tensor) -> KernelDensity:
        """Bandwidths of `centres` `[m, d]` that maximise the likelihood of `samples` `[n, d]`, the broad one beside."""
        squared, (m, width) = _squared_distances(samples, centres), centres.shape
        from_mean = BROAD**2 * (samples - samples.mean(0)).square().sum(1, keepdim=True)
        squared = torch.cat([squared, from_mean], 1)  # [n, m + 1], the broad one last
        log_weight = torch.tensor([-log(m)] * m + [0.0], dtype=squared.dtype, device=squared.device)
        log_variance = ((squared.min(0).values + START) / width).log()
        log_variance[m] = 0.0
        before = -inf
        for _ in range(MAX_ITERATIONS):
            joint = _log_joint(squared, log_variance, width).add_(log_weight)
            log_density = joint.logsumexp(1)
            if (now := float(log_density.mean())) - before < TOLERANCE * width:
                break
            before = now
            responsibility = joint.sub_(log_density[:, None]).exp_()
            load = responsibility.sum(0)
            variance = responsibility.mul_(squared).sum(0) / (width * load.clamp(min=1e-12))
            # A centre with no responsibility keeps its bandwidth: there is no data to fit it to
            log_variance = torch.where(load > 1e-6, variance.clamp(min=MIN_BANDWIDTH**2).log(), log_variance)
        return cls(centres, log_variance[:m])

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
