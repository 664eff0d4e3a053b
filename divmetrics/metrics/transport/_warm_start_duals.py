"""Approximate dual potentials from a few Sinkhorn iterations, used to warm-start the exact assignment solver."""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = ((4, 5), (16, 5), (64, 10), (256, 20))
"""(divisor, iterations): entropy is 1/4 to 1/256 of the standard deviation of the costs. The last level helps where
modes were dropped."""
MIN_KERNEL_SUM = 1e-30
"""Lower bound of the sum of a kernel row: where it applies, the dual is inaccurate but finite."""


def approximate_duals(cost: Tensor) -> tuple[Tensor, Tensor]:
    """Duals `[n]` and `[m]` float64 of `cost` `[n, m]`: their sum is near it on optimal pairs and below it elsewhere.

    A few Sinkhorn iterations at decreasing entropy, in float32, each level starting from the duals of the last.
    Subtracting a constant from a row or a column changes no optimal assignment, so errors cost time, not exactness.
    """
    residual = cost.float()
    row_means = residual.mean(1)
    residual -= row_means[:, None]
    column_means = residual.mean(0)
    residual -= column_means
    spread = float(residual.std(correction=0))
    f, g = torch.zeros_like(row_means), torch.zeros_like(column_means)
    for divisor, iterations in LEVELS if spread > 0 else ():
        entropy = spread / divisor
        kernel = torch.sub(f[:, None] + g, residual).div_(entropy)
        row_maxima = kernel.amax(1)
        kernel.sub_(row_maxima[:, None]).exp_()
        f -= entropy * row_maxima
        v = torch.ones_like(g)
        for _ in range(iterations):
            u = (kernel @ v / len(g)).clamp_(min=MIN_KERNEL_SUM).reciprocal_()
            v = (u @ kernel / len(f)).clamp_(min=MIN_KERNEL_SUM).reciprocal_()
        f, g = f + entropy * u.log(), g + entropy * v.log()
    if not (f.isfinite().all() and g.isfinite().all()):
        f, g = torch.zeros_like(f), torch.zeros_like(g)
    return (row_means + f).double(), (column_means + g).double()
