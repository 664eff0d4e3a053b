"""Numbers of samples in balls and of balls over samples, for several radii in one pass over all pairs of two sets.

A `BlockObserver` computes something else from the same blocks of distance bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

import torch
from torch import Tensor

from divmetrics.arrays import dist
from divmetrics.arrays.devices import in_turn
from divmetrics.arrays.pairs._distances import Pairs, blocks, ieee_products, lower_bounds
from divmetrics.arrays.pairs._unique_rows import UniqueRows

SPARSE = 1 / 64
"""Share of a block's pairs near enough to matter up to which they are compared one by one."""


@dataclass(frozen=True, eq=False)
class BallCounts:
    """Counts, int64, for n real and m fake samples, each with a ball; one column a radius."""

    fakes_in_ball: Tensor  # [n, C] fake samples in the ball of each real sample
    balls_over_real: Tensor  # [n, C] balls of fake samples that contain each real sample
    reals_in_ball: Tensor  # [m, C] real samples in the ball of each fake sample
    balls_over_fake: Tensor  # [m, C] balls of real samples that contain each fake sample
    least_over_fake: Tensor  # [m, C] float64, least squared radius of those balls, inf where there are none

    def column(self, c: int) -> BallCounts:
        """The counts of one radius, `[n]` and `[m]`."""
        return BallCounts(**{name: counts[:, c] for name, counts in vars(self).items()})


class BlockObserver(Protocol):
    """Computes something from every block of pairs that this rank goes through."""

    def observe(self, rows: slice, columns: slice, low: Tensor) -> None:
        """Take in the `lower_bounds` `[rows, columns]` of a block."""


def count_balls(
    real: UniqueRows,
    fake: UniqueRows,
    real_radii: Tensor,
    fake_radii: Tensor,
    closed: Tensor,
    *,
    observers: Sequence[BlockObserver] = (),
) -> BallCounts:
    """Count the samples in each ball and the balls over each sample, over all pairs of real and fake samples.

    Column c counts a pair if its squared distance is below the squared radius, or equal to it where `closed[c]`.

    Args:
        real: The u unique rows of n real samples.
        fake: The v unique rows of m fake samples.
        real_radii: Squared radii `[u, C]` float64 of the balls of the real samples; -inf is no ball.
        fake_radii: Squared radii `[v, C]` float64 of the balls of the fake samples.
        closed: `[C]` bool, whether the balls include their sphere.
        observers: What else is computed from the same blocks.

    Returns:
        The counts of every sample, exact.
    """
    pairs = Pairs(real.rows, fake.rows).ready()
    u, v = len(real.rows), len(fake.rows)
    tasks = [(rows, columns) for rows in blocks(u) for columns in blocks(v)]

    def compute(task: tuple[slice, slice]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows, columns = task
        block = BlockComparison.of(pairs, rows, columns, (real_radii[rows], fake_radii[columns]), closed)
        return *block.count((real.copies[rows], fake.copies[columns])), block.least(), block.low

    def count(mine: range) -> Tensor:
        total = torch.zeros(3, u + v, len(closed), dtype=torch.float64, device=closed.device)  # exact up to 2^53
        total[2] = inf

        def take(task: tuple[slice, slice], found: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
            (rows, columns), (of_rows, of_columns, least, low) = task, found
            behind = slice(u + columns.start, u + columns.stop)
            total[:2, rows] += of_rows
            total[:2, behind] += of_columns
            total[2, behind] = torch.minimum(total[2, behind], least)
            for observer in observers:
                observer.observe(rows, columns, low)

        in_turn([tasks[task] for task in mine], compute, take, closed.device)
        return total[None]

    with ieee_products(closed.device):
        shares = dist.spread(len(tasks), count)  # [ranks, 3, u + v, C]: balls of reals, balls of fakes, least balls
    total = shares[:, :2].sum(0).long()
    of_real, of_fake = total[:, :u][:, real.place], total[:, u:][:, fake.place]
    return BallCounts(of_real[0], of_real[1], of_fake[1], of_fake[0], shares[:, 2].amin(0)[u:][fake.place])


def count_balls_within(points: UniqueRows, squared_radii: Tensor, closed: Tensor) -> Tensor:
    """Count the balls of other samples of the same set that contain each sample.

    Args:
        points: The u unique rows of n samples.
        squared_radii: Squared radii `[u, C]` float64 of their balls.
        closed: `[C]` bool, whether the balls include their sphere.

    Returns:
        `[n, C]` int64.
    """
    pairs = Pairs(points.rows, points.rows).ready()
    parts = blocks(len(points.rows))
    tasks = [(rows, columns) for rows in parts for columns in parts if rows.start <= columns.start]

    def compute(task: tuple[slice, slice]) -> tuple[Tensor, Tensor]:
        rows, columns = task
        across = squared_radii[columns]  # a block off the diagonal stands for its mirror image too
        radii = squared_radii[rows], torch.full_like(across, -inf) if rows == columns else across
        block = BlockComparison.of(pairs, rows, columns, radii, closed)
        return block.count((points.copies[rows], points.copies[columns]))

    def count(mine: range) -> Tensor:
        total = torch.zeros_like(squared_radii, dtype=torch.int64)

        def take(task: tuple[slice, slice], over: tuple[Tensor, Tensor]) -> None:
            rows, columns = task
            total[rows] += over[0][1].long()
            total[columns] += over[1][0].long()

        in_turn([tasks[task] for task in mine], compute, take, closed.device)
        return total[None]

    with ieee_products(closed.device):
        total = dist.spread(len(tasks), count).sum(0)
    holds_itself = (squared_radii > 0) | (closed & (squared_radii == 0))
    return (total - holds_itself.long())[points.place]


@dataclass(frozen=True, eq=False)
class BlockComparison:
    """Which pairs of a block of b rows and c columns lie in the balls of the rows, and which in those of the columns.

    Stored as bounds where one comparison decides, because all fake samples of a collapsed generator may lie in all
    balls; the undecided pairs are stored one by one.
    """

    low: Tensor  # [b, c] lower bounds of the squared distances
    radii: tuple[Tensor, Tensor]  # [b, C], [c, C] squared radii
    safe: tuple[Tensor, Tensor] | None
    """`[b, C]`, `[c, C]`: a pair whose lower bound is below it is certainly inside; None where all are listed below."""
    i: Tensor  # [p] rows of the pairs that the bounds do not decide for every radius
    j: Tensor  # [p] their columns
    inside: Tensor  # [2, p, C] bool, whether these are inside and not counted as certain

    @classmethod
    def of(
        cls, pairs: Pairs, rows: slice, columns: slice, radii: tuple[Tensor, Tensor], closed: Tensor
    ) -> BlockComparison:
        """Compare the block `[rows, columns]` of `pairs` with the squared `radii` of its rows and of its columns."""
        low = lower_bounds(*pairs.float32, rows, columns)
        if (few := _near(low, radii)) is not None:
            i, j = few
            return cls(low, radii, None, i, j, _inside(pairs, (rows, columns), few, low, radii, closed))
        errors = pairs.float32[0].error_bound[rows], pairs.float32[1].error_bound[columns]
        undecided = torch.zeros_like(low, dtype=torch.bool)
        safe = []
        for own, other, lows, open_pairs in ((0, 1, low, undecided), (1, 0, low.T, undecided.T)):
            # Certainly inside if the lower bound is below `safe`, certainly outside if it is above `reach`.
            safe.append(_rounded(radii[own] - (errors[own] + errors[other].max())[:, None], low.dtype, -inf))
            reach = _rounded(radii[own], low.dtype, inf)
            for c in range(len(closed)):
                if bool((radii[own][:, c] > -inf).any()):
                    open_pairs |= (lows <= reach[:, c, None]) ^ (lows < safe[own][:, c, None])
        i, j = undecided.nonzero(as_tuple=True)
        inside = _inside(pairs, (rows, columns), (i, j), low, radii, closed)
        counted = low[i, j][:, None] < torch.stack([safe[0][i], safe[1][j]])
        return cls(low, radii, (safe[0], safe[1]), i, j, inside & ~counted)

    def count(self, weights: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Numbers of samples, in balls of rows and in balls of columns: `[2, b, C]` for rows, `[2, c, C]` for columns.

        `weights`: multiplicities `[b]` of the rows and `[c]` of the columns.
        """
        counts = tuple(torch.zeros(2, *radii.shape, dtype=torch.float64, device=radii.device) for radii in self.radii)
        loads = [w.to(self.low.dtype) for w in weights]  # whole numbers, exact up to 2^24 copies
        for own, other, lows, safe in self._dense():
            for c in range(safe.shape[1]):
                if bool((self.radii[own][:, c] > -inf).any()):
                    sure = (lows < safe[:, c, None]).to(self.low.dtype)
                    counts[own][own, :, c] = (sure @ loads[other]).double()
                    counts[other][own, :, c] = (loads[own] @ sure).double()
        counts[0].index_add_(1, self.i, self.inside * weights[1][self.j, None].double())
        counts[1].index_add_(1, self.j, self.inside * weights[0][self.i, None].double())
        return counts[0], counts[1]

    def _dense(self) -> list[tuple[int, int, Tensor, Tensor]]:
        """For the balls of rows and of columns: their side, the other one, the bounds, and where they are certain."""
        if self.safe is None:
            return []
        return [(0, 1, self.low, self.safe[0]), (1, 0, self.low.T, self.safe[1])]

    def least(self) -> Tensor:
        """Least squared radius `[c, C]` of the rows whose balls contain each column; inf where there is none."""
        least = torch.full_like(self.radii[1], inf)
        for c in range(least.shape[1]):
            radius = self.radii[0][:, c]
            at = self.inside[0, :, c].nonzero()[:, 0]
            sure = least[:, c]
            if self.safe is not None:
                sure = torch.where(self.low < self.safe[0][:, c, None], radius[:, None], inf).amin(0)
            least[:, c] = sure.scatter_reduce(0, self.j[at], radius[self.i[at]], "amin")
        return least


def _near(low: Tensor, radii: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor] | None:
    """Rows and columns `[p]` of all pairs that may lie in a ball; None where they are many, as in a collapse."""
    of_row, of_column = (_rounded(own.amax(1), low.dtype, inf) for own in radii)
    i, j = (low <= torch.maximum(of_row[:, None], of_column)).nonzero(as_tuple=True)
    return (i, j) if len(i) <= SPARSE * low.numel() else None


def _inside(
    pairs: Pairs,
    block: tuple[slice, slice],
    at: tuple[Tensor, Tensor],
    low: Tensor,
    radii: tuple[Tensor, Tensor],
    closed: Tensor,
) -> Tensor:
    """Whether the pairs `at` of a block lie in the balls of their rows, and in those of their columns: `[2, p, C]`."""
    around = torch.stack([radii[0][at[0]], radii[1][at[1]]])  # [2, p, C]

    def unsure(least: Tensor, most: Tensor) -> Tensor:
        return ((least[:, None] <= around) & (around <= most[:, None])).any(2).any(0)

    squared = pairs.settle(*block, *at, low, unsure)[:, None]
    return (squared < around) | (closed & (squared == around))


def _rounded(values: Tensor, dtype: torch.dtype, towards: float) -> Tensor:
    """`values` rounded to `dtype` in the direction of `towards`, which is inf or -inf."""
    rounded = values.to(dtype)
    return torch.nextafter(rounded, torch.full_like(rounded, towards))
