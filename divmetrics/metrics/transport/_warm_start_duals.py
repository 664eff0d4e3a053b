"""Prices that are nearly right, found fast, so that the exact solver has little left to do."""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = ((4, 5), (16, 5), (64, 10), (256, 20))
"""(fineness, rounds): entropy 1/4 to 1/256 of the spread of the costs. The last level pays where modes were dropped."""
LEAST = 1e-30
"""Below it a sum of a kernel's row counts as this much: its price is then wrong, and finite."""


def near_prices(cost: Tensor) -> tuple[Tensor, Tensor]:
    """Prices `[n]` and `[m]` float64: their sum is close to `cost` `[n, m]` on the best pairs, and below it elsewhere.

    A few rounds of Sinkhorn's scaling at falling entropy, in float32, restarted at each level from the prices so far.
    A constant on a row or a column does not change which pairs are best, so their error costs time and no exactness.
    """
    rest = cost.float()
    rows = rest.mean(1)
    rest -= rows[:, None]
    columns = rest.mean(0)
    rest -= columns
    spread = float(rest.std(correction=0))
    f, g = torch.zeros_like(rows), torch.zeros_like(columns)
    for fineness, rounds in LEVELS if spread > 0 else ():
        entropy = spread / fineness
        kernel = torch.sub(f[:, None] + g, rest).div_(entropy)
        top = kernel.amax(1)
        kernel.sub_(top[:, None]).exp_()
        f -= entropy * top
        v = torch.ones_like(g)
        for _ in range(rounds):
            u = (kernel @ v / len(g)).clamp_(min=LEAST).reciprocal_()
            v = (u @ kernel / len(f)).clamp_(min=LEAST).reciprocal_()
        f, g = f + entropy * u.log(), g + entropy * v.log()
    if not (f.isfinite().all() and g.isfinite().all()):
        f, g = torch.zeros_like(f), torch.zeros_like(g)
    return (rows + f).double(), (columns + g).double()
