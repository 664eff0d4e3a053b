"""Costs of all pairs of samples, |x - y|^p."""

from __future__ import annotations

import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64, gram


def centred(real: Tensor, fake: Tensor, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Both sets `[n, d]` and `[m, d]`, shifted so that the mean of the real samples is zero.

    Far from zero, |x|^2 + |y|^2 - 2xy would lose the distance to cancellation.
    """
    centre = float64(real).mean(0)
    x, y = ((float64(side) - centre.to(side.device)).to(dtype) for side in (real, fake))
    return x, y


def costs(x: Tensor, y: Tensor, p: float) -> Tensor:
    """Cost matrix |x_i - y_j|^p `[n, m]`; `costs(x, x, p)` has an exactly zero diagonal and takes half the time."""
    if x is y and x.dtype == torch.float64:
        cost = gram(x.T).mul_(-2)
    else:
        cost = x @ y.T
        cost.mul_(-2)
    cost.add_(x.square().sum(1)[:, None]).add_(y.square().sum(1))
    cost.clamp_(min=0)  # only round-off of equal rows is clipped, at most a few eps |x|^2
    if x is y:
        cost.fill_diagonal_(0)
    return cost.sqrt_() if p == 1 else cost if p == 2 else cost.pow_(p / 2)
