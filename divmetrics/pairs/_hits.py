"""Which samples of one set lie in which balls of the other, counted for several radii in one pass."""

from __future__ import annotations

from dataclasses import dataclass

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
    u, v, columns = len(real.rows), len(fake.rows), len(closed)
    tasks = [(i, j) for i in blocks(u) for j in blocks(v)]

    def count(mine: range) -> Tensor:
        of_real, of_fake = (torch.zeros(2, n, columns, dtype=torch.int64, device=real.rows.device) for n in (u, v))
        for task in mine:
            rows, cols = tasks[task]
            i, j, squared = _near(pairs, rows, cols, real_radii[rows], fake_radii[cols])
            for side, radius in enumerate((real_radii[rows][i], fake_radii[cols][j])):
                inside = ((squared[:, None] < radius) | (closed & (squared[:, None] == radius))).long()
                of_real[side, rows].index_add_(0, i, inside * fake.copies[cols][j, None])
                of_fake[side, cols].index_add_(0, j, inside * real.copies[rows][i, None])
        return torch.cat([of_real, of_fake], 1)[None]  # [1, 2, u + v, C]

    with ieee_products(real.rows.device):
        total = dist.spread(len(tasks), count).sum(0)
    of_real, of_fake = total[:, :u][:, real.place], total[:, u:][:, fake.place]
    return Hits(of_real[0], of_real[1], of_fake[1], of_fake[0])


def _near(
    pairs: Pairs, rows: slice, columns: slice, left_radii: Tensor, right_radii: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The pairs (i, j) of a block that may be within a radius of either row, and squared distances on the right sides."""
    low = lower(*pairs.rough, rows, columns)
    reach = [_no_less(radius.amax(1), low.dtype) for radius in (left_radii, right_radii)]
    i, j = ((low <= reach[0][:, None]) | (low <= reach[1])).nonzero(as_tuple=True)
    radii = torch.cat([left_radii[i], right_radii[j]], 1)  # [p, 2C]

    def unsure(least: Tensor, most: Tensor) -> Tensor:
        return ((least[:, None] <= radii) & (radii <= most[:, None])).any(1)

    return i, j, pairs.settle(rows, columns, i, j, low, unsure)


def _no_less(values: Tensor, dtype: torch.dtype) -> Tensor:
    """`values` in `dtype`, rounded up."""
    rounded = values.to(dtype)
    return torch.nextafter(rounded, torch.full_like(rounded, torch.inf))
