"""Costs of all pairs of samples, |x - y|^p."""

from __future__ import annotations

import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64, gram


def centred(real: Tensor, fake: Tensor, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Both sets about the mean of the reals: far from zero, |x|^2 + |y|^2 - 2xy loses the distance itself."""
    centre = float64(real).mean(0)
    x, y = ((float64(side) - centre.to(side.device)).to(dtype) for side in (real, fake))
    return x, y


def costs(x: Tensor, y: Tensor, p: float) -> Tensor:
    """|x_i - y_j|^p as `[n, m]`, built in place; `costs(x, x, p)` has a diagonal of exact zeros and half the work."""
    if x is y and x.dtype == torch.float64:
        cost = gram(x.T).mul_(-2)
    else:
        cost = x @ y.T
        cost.mul_(-2)
    cost.add_(x.square().sum(1)[:, None]).add_(y.square().sum(1))
    cost.clamp_(min=0)  # what is clipped is round-off of coinciding rows, at most a few eps |x|^2
    if x is y:
        cost.fill_diagonal_(0)
    return cost.sqrt_() if p == 1 else cost if p == 2 else cost.pow_(p / 2)
