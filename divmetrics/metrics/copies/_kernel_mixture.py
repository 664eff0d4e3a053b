"""Mixtures of Gaussians with a centre at each sample and a bandwidth of its own: how likely are other samples under it?

Distances are computed once; the bandwidths are found by expectation maximisation, which needs no step size.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log, pi

import torch
from torch import Tensor

ROUNDS = 60
"""EM iterations at most."""
SETTLED = 1e-4
"""Change of the mean log likelihood, in nats per column, at which they stop."""
NARROWEST = 1e-3
"""Least bandwidth, in standard deviations of the standardised features: a centre that is a copy would reach 0."""

GROUPS = 20
"""Groups of centres left out in turn, to see how much hangs on which centres there are."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """1/m sum_j N(centre_j, s_j^2 I) in d columns."""

    centres: Tensor  # [m, d] float64
    log_variance: Tensor  # [m] float64

    @classmethod
    def fit(cls, centres: Tensor, samples: Tensor) -> Mixture:
        """The bandwidths under which `samples` `[n, d]` are most likely, for centres `[m, d]`."""
        squared, width = _squared(samples, centres), centres.shape[1]
        log_variance = (squared.min(1).values.mean().clamp(min=NARROWEST**2) / width).log().expand(len(centres)).clone()
        before = -inf
        for _ in range(ROUNDS):
            joint = _log_joint(squared, log_variance, width)
            whole = joint.logsumexp(1)
            if (now := float(whole.mean())) - before < SETTLED * width:
                break
            before = now
            share = (joint - whole[:, None]).exp()  # [n, m], how much of each sample is each centre's
            load = share.sum(0)
            explained = (share * squared).sum(0) / (width * load.clamp(min=1e-12))
            # A centre that explains nothing keeps its width: there is nothing to learn one from
            log_variance = torch.where(load > 1e-6, explained.clamp(min=NARROWEST**2).log(), log_variance)
        return cls(centres, log_variance)

    def log_likelihood(self, samples: Tensor) -> tuple[Tensor, float]:
        """Log density of each of `samples` `[n]`, and the variance of its mean from the chance of the centres.

        The mean of two estimates: a jackknife that leaves out `GROUPS` groups in turn, and the influence of the weight
        of each centre. One leaves holes where centres are left out, the other none where other centres would be.
        """
        width, m = self.centres.shape[1], len(self.centres)
        joint = _log_joint(_squared(samples, self.centres), self.log_variance, width)
        groups = [joint[:, g::GROUPS] for g in range(min(GROUPS, m))]
        parts = torch.stack([group.logsumexp(1) for group in groups], 1)  # [n, G]
        others = parts[:, None].expand(-1, len(groups), -1).masked_fill(torch.eye(len(groups), dtype=torch.bool), -inf)
        left = torch.tensor([m - group.shape[1] for group in groups], dtype=torch.float64).log()
        constant = width / 2 * log(2 * pi)
        whole = parts.logsumexp(1)
        means = others.logsumexp(2).mean(0) - left
        left_out = (len(means) - 1) * float(means.var(correction=0))
        weights = m * joint.sub_(whole[:, None]).exp_().mean(0)
        return whole - log(m) - constant, (left_out + float(weights.var()) / m) / 2


def _squared(samples: Tensor, centres: Tensor) -> Tensor:
    """Squared distances `[n, m]`, from float64 products: round-off is far below the narrowest bandwidth."""
    squared = samples.square().sum(1)[:, None] + centres.square().sum(1)
    return squared.addmm_(samples, centres.T, alpha=-2).clamp_(min=0)


def _log_joint(squared: Tensor, log_variance: Tensor, width: int) -> Tensor:
    return -0.5 * (squared * (-log_variance).exp() + width * log_variance)
