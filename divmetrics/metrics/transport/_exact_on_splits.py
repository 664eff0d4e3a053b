"""Exact transport on many splits of a pool: one plan a split serves every power p of the distance.

Under the null hypothesis the plan that is optimal for the distance is nearly optimal for its square: its cost is too
high by about a tenth of the standard deviation over splits, and by nearly the same amount (to a twentieth) on every
split. Solving the first split exactly for the square gives that amount, which is subtracted everywhere.
"""

from __future__ import annotations

from hashlib import sha256

import torch
from torch import Tensor

from divmetrics.arrays.memo import once
from divmetrics.arrays.splits import Pool, Splits
from divmetrics.metrics.transport._exact import TransportPlan, best_plan

PLAN_POWER = 1.0
"""The power p for which plans are computed."""


def distances_on_splits(pool: Pool, splits: Splits, p: float) -> Tensor:
    """W_p on each of `splits` `[B]` float64: exact for p = 1, else from the same plans, corrected on the first split.

    The plans are memoised beside the pool.
    """
    distances = [_plan_on_split(pool, splits, b).cost(p) ** (1 / p) for b in range(len(splits))]
    excess = 0.0
    if p != PLAN_POWER and distances:
        real, fake = _features_of_split(pool, splits, 0)
        excess = distances[0] - best_plan(real, fake, p).cost(p) ** (1 / p)
    return torch.tensor(distances, dtype=torch.float64) - excess


def _plan_on_split(pool: Pool, splits: Splits, b: int) -> TransportPlan:
    """Optimal plan of split `b`, shared by all metrics that see the same assignment of samples."""
    split = sha256(splits.side[b].cpu().numpy().tobytes()).digest()
    return once(
        (pool,), ("exact plan on a split", split), lambda: best_plan(*_features_of_split(pool, splits, b), PLAN_POWER)
    )


def _features_of_split(pool: Pool, splits: Splits, b: int) -> tuple[Tensor, Tensor]:
    """Features `[n, d]` and `[m, d]` of the samples that play the real and the fake side in split `b`."""
    rows = pool.features()
    return rows[splits.real(b).to(rows.device)], rows[splits.fake(b).to(rows.device)]
