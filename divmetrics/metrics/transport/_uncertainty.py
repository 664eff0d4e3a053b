"""What chance does to a transport cost: two estimates of its variance, each right where the other is too large."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from divmetrics.arrays.splits import TwoSamplePool
from divmetrics.metrics.transport._exact import solve, transport

VARIANCE = "smaller of influence function and subsamples"
"""What reports call it."""
PART, FEWEST, DRAWS = 8, 30, 40
"""One row in 8 makes a part, though 30 rows where there are so many. A variance from 40 parts is off by 22 %."""


def transport_variance(pool: TwoSamplePool, p: float) -> float | None:
    """Variance of W_p from the chance of both sides, by way of W_p^p; None where the distance is 0."""
    best = transport(pool.real, pool.fake, p)
    if best.cost == 0:
        return None
    of_cost = variance(pool, (best.real, best.fake), lambda real, fake: solve(real, fake, p).cost)
    return float(of_cost * (best.cost ** (1 / p - 1) / p) ** 2)


def variance(pool: TwoSamplePool, influence: tuple[Tensor, Tensor], cost: Callable[[Tensor, Tensor], float]) -> float:
    """Variance of a transport cost from the chance of both sides: the smaller of two estimates.

    `influence`: potentials `[n]` and `[m]` of the solution (del Barrio and Loubes 2019, arXiv:1705.01299): right where
    the cost is smooth. It is not where far modes weigh the same on both sides: whichever side happens to have more,
    mass must travel, the cost is a folded normal and its deviation a third below what the potentials say.
    `cost(reals, fakes)` on small parts repeats that fold; parts of a smooth cost vary more than their size explains.
    """
    first = sum(float(side.var()) / len(side) if len(side) > 1 else 0.0 for side in influence)
    second = _variance_of_parts(pool.real.features, pool.fake.features, cost)
    return min(first, second) if first > 0 else second


def _variance_of_parts(real: Tensor, fake: Tensor, cost: Callable[[Tensor, Tensor], float]) -> float:
    """Variance of `cost` over parts drawn without replacement, brought to full size: it falls as 1/n."""
    rng = torch.Generator().manual_seed(0)
    share = min(0.5, max(1 / PART, FEWEST / min(len(real), len(fake))))
    values = [cost(_part(real, share, rng), _part(fake, share, rng)) for _ in range(DRAWS)]
    return float(torch.tensor(values, dtype=torch.float64).var()) * share / (1 - share)


def _part(side: Tensor, share: float, rng: torch.Generator) -> Tensor:
    drawn = torch.randperm(len(side), generator=rng)[: max(1, round(len(side) * share))]
    return side[drawn.to(side.device)]
