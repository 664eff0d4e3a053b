"""Which samples of one set lie in which balls of the other, counted for several radii in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from divmetrics import dist
from divmetrics.pairs._distances import Pairs, blocks, ieee_products, lower
from divmetrics.pairs._distinct import Distinct


@dataclass(frozen=True, eq=False)
class Hits:
    """Counts, int64, one column a radius: for n reals and m fakes, of the balls over each and of what is in its own."""

    fakes_in_ball: Tensor  # [n, C] fakes within the ball of each real
    balls_over_real: Tensor  # [n, C] fakes whose balls hold each real
    reals_in_ball: Tensor  # [m, C] reals within the ball of each fake
    balls_over_fake: Tensor  # [m, C] reals whose balls hold each fake


def hits(real: Distinct, fake: Distinct, real_radii: Tensor, fake_radii: Tensor, closed: Tensor) -> Hits:
    """Count over all pairs. Squared radii are `[u, C]` and `[v, C]` float64 of the distinct rows, `closed` `[C]` bool.

    Column c counts a pair if its squared distance is below the radius, or equal to it where `closed[c]`.
    """
    pairs = Pairs(real.rows, fake.rows)
    u, v = len(real.rows), len(fake.rows)
    tasks = [(rows, columns) for rows in blocks(u) for columns in blocks(v)]

    def count(mine: range) -> Tensor:
        total = torch.zeros(2, u + v, len(closed), dtype=torch.int64, device=closed.device)
        for task in mine:
            rows, columns = tasks[task]
            weights = real.copies[rows], fake.copies[columns]
            found = _count_block(pairs, rows, columns, (real_radii[rows], fake_radii[columns]), weights, closed)
            total[:, rows] += found[0]
            total[:, u + columns.start : u + columns.stop] += found[1]
        return total[None]

    with ieee_products(closed.device):
        total = dist.spread(len(tasks), count).sum(0)  # [2, u + v, C]: balls of reals, balls of fakes
    of_real, of_fake = total[:, :u][:, real.place], total[:, u:][:, fake.place]
    return Hits(of_real[0], of_real[1], of_fake[1], of_fake[0])


def _count_block(
    pairs: Pairs,
    rows: slice,
    columns: slice,
    radii: tuple[Tensor, Tensor],
    weights: tuple[Tensor, Tensor],
    closed: Tensor,
) -> tuple[Tensor, Tensor]:
    """Counts `[2, b, C]` of a block's rows and `[2, c, C]` of its columns: in the balls of the rows, of the columns.

    Dense where one comparison decides, for all fakes of a collapsed generator may lie in all balls; else pair by pair.
    """
    low = lower(*pairs.rough, rows, columns)
    doubts = pairs.rough[0].doubt[rows], pairs.rough[1].doubt[columns]
    counts = [torch.zeros(2, len(w), len(closed), dtype=torch.int64, device=low.device) for w in weights]
    loads = [w.to(low.dtype) for w in weights]  # whole numbers, exact up to 2^24 copies
    undecided = torch.zeros_like(low, dtype=torch.bool)
    safe = []
    for own, other, lows, doubtful in ((0, 1, low, undecided), (1, 0, low.T, undecided.T)):
        # Surely inside if the lower bound is below `safe`, surely not if it is above `reach`.
        safe.append(_rounded(radii[own] - (doubts[own] + doubts[other].max())[:, None], low.dtype, -inf))
        reach = _rounded(radii[own], low.dtype, inf)
        for c in range(len(closed)):
            sure = lows < safe[own][:, c, None]
            doubtful |= (lows <= reach[:, c, None]) ^ sure
            counts[own][own, :, c] = (sure.to(low.dtype) @ loads[other]).long()
            counts[other][own, :, c] = (loads[own] @ sure.to(low.dtype)).long()

    i, j = undecided.nonzero(as_tuple=True)
    around = torch.stack([radii[0][i], radii[1][j]])  # [2, p, C]

    def unsure(least: Tensor, most: Tensor) -> Tensor:
        return ((least[:, None] <= around) & (around <= most[:, None])).any(2).any(0)

    squared = pairs.settle(rows, columns, i, j, low, unsure)[:, None]
    counted = low[i, j][:, None] < torch.stack([safe[0][i], safe[1][j]])
    inside = (((squared < around) | (closed & (squared == around))) & ~counted).long()
    counts[0].index_add_(1, i, inside * weights[1][j, None])
    counts[1].index_add_(1, j, inside * weights[0][i, None])
    return counts[0], counts[1]


def _rounded(values: Tensor, dtype: torch.dtype, towards: float) -> Tensor:
    """`values` in `dtype`, none on the far side of where it was."""
    rounded = values.to(dtype)
    return torch.nextafter(rounded, torch.full_like(rounded, towards))
