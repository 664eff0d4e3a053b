"""Exact transport on re-splits of a pool: one plan a split serves every power of the distance.

Where fakes and reals are alike the plan that is best for the distance is nearly best for its square: its cost is higher
by a tenth of what re-splits differ by, and on all of them by the same but for a twentieth. One solution for the square
itself says by how much.
"""

from __future__ import annotations

from hashlib import sha256

import torch
from torch import Tensor

from divmetrics.arrays.memo import once
from divmetrics.arrays.splits import Pool, Splits
from divmetrics.metrics.transport._exact import Plan, best_plan

OWN = 1.0
"""The power whose plans are found."""


def distances_on_splits(pool: Pool, splits: Splits, p: float) -> Tensor:
    """W_p on each of `splits` `[B]` float64: exact for p = 1, else by the same plans less what those lose on the first.

    The plans are remembered beside the pool.
    """
    found = [_plan(pool, splits, b).cost(p) ** (1 / p) for b in range(len(splits))]
    lost = 0.0
    if p != OWN and found:
        real, fake = _sides(pool, splits, 0)
        lost = found[0] - best_plan(real, fake, p).cost(p) ** (1 / p)
    return torch.tensor(found, dtype=torch.float64) - lost


def _plan(pool: Pool, splits: Splits, b: int) -> Plan:
    split = sha256(splits.side[b].cpu().numpy().tobytes()).digest()
    return once((pool,), ("exact plan on a split", split), lambda: best_plan(*_sides(pool, splits, b), OWN))


def _sides(pool: Pool, splits: Splits, b: int) -> tuple[Tensor, Tensor]:
    rows = pool.features()
    return rows[splits.real(b).to(rows.device)], rows[splits.fake(b).to(rows.device)]
