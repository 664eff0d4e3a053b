"""Lists of the nearest real and nearest fake samples of every pooled sample, from one pass over all pairs of a pool.

Ball counts and nearest neighbours on any split of the pool are read from these lists. They are so deep that the k-th
neighbour on a side to which only some of the listed samples belong is missed with a probability of one in a million.
`reach` says up to which distance a list is complete; what lies beyond is computed again (`_dense_balls.py`).

Distances are estimates, for replicates: float64 products below `WIDE` columns, float32 products from there on, except
where neighbours are too close for float32 to order them. Copies of a row are at exactly 0. All are stored as float32,
in which equal distances are equal again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from scipy.special import bdtr
from torch import Tensor

from divmetrics.arrays.devices import in_turn
from divmetrics.arrays.memo import growing
from divmetrics.arrays.pairs._closest import Candidates, candidates, closest
from divmetrics.arrays.pairs._distances import WIDE, BoundedMatrix, centre_of, ieee_products, lower_bounds
from divmetrics.arrays.pairs._unique_rows import UniqueRows
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits

BLOCK = 2048
"""Rows and columns of a block of pairs."""
ROOMY = 48
"""Least depth of a list: enough for k = 1 to 7 on half-samples, so that all of these share one pass."""
MOST = 2**25
"""Entries of all lists together: 268 MB."""
RARE = 1e-6
"""Probability that the k-th neighbour of a sample is not in its list."""
RARE_BALL = 1e-4
"""The same for a ball, which is counted without the list then."""
Part = tuple[int, slice]
"""A side (0 real, 1 fake) and a range of its samples in the pool."""
Found = tuple[Tensor, Candidates | None, Candidates | None]
"""A block of distances, and what in it may belong into the lists of its rows and of its columns."""
TINY = 1e-30
"""Least squared distance between different rows, in units of the scale."""
SHARP = 16
"""A sample whose nearest neighbour is nearer than this many rounding-error bounds is listed again in float64."""


@dataclass(frozen=True, eq=False)
class NeighbourLists:
    """The nearest other samples of each of N pooled samples, of both sides, ascending by distance."""

    index: np.ndarray  # [N, W] int32, numbers of the neighbours in the pool; N where a list has ended
    squared: np.ndarray  # [N, W] float32, squared distances in units of `scale`; inf where a list has ended
    reach: np.ndarray  # [N, 2] float32, squared distance up to which all real and all fake samples are listed
    depth: int  # number of samples of each side that are listed
    scale: float  # mean squared distance of the pool from its centre, feature units squared
    in_float64: np.ndarray  # [N] bool, whether the list was computed in float64


def neighbour_lists(pool: Pool, depth: int) -> NeighbourLists:
    """Neighbour lists of a pool; computed again only when deeper ones are needed.

    Args:
        pool: The real and fake samples.
        depth: Least number of real and of fake samples that each list must hold.

    Returns:
        Lists of at least this depth, or of all samples.
    """
    with growing((pool,), "neighbour lists", list[NeighbourLists]) as deepest_so_far:
        if not deepest_so_far or deepest_so_far[0].depth < min(depth, max(pool.n, pool.m)):
            deepest_so_far[:] = [_compute_lists(pool, depth)]
        return deepest_so_far[0]


def listed_depth(pool: Pool) -> int:
    """Depth of the lists of a pool that are computed already; 0 where there are none."""
    with growing((pool,), "neighbour lists", list[NeighbourLists]) as deepest_so_far:
        return deepest_so_far[0].depth if deepest_so_far else 0


def needed_depths(pool: Pool, splits: Splits, k: int, rare: float = RARE) -> np.ndarray:
    """Depth that lists must have to hold the k-th nearest sample of the same side on each split.

    Args:
        pool: The real and fake samples.
        splits: B assignments of them to the two sides. Counts are taken from the side that is rarest in the real or
            in the fake part of the pool.
        k: Rank of the neighbour.
        rare: Probability that it is not in the list (default 1e-6).

    Returns:
        `[B]` int.
    """
    assigned = splits.side.cpu().numpy()
    shares = [
        (part == side).mean(1) for part in (assigned[:, : pool.n], assigned[:, pool.n :]) for side in (REAL, FAKE)
    ]
    rarest = np.stack(shares)
    rarest = np.where(rarest > 0, rarest, 1).min(0)
    levels, places = np.unique(rarest.round(3).clip(1e-3), return_inverse=True)
    return np.array([_depth(k, float(level), rare) for level in levels])[places]


def _depth(k: int, share: float, rare: float) -> int:
    """Least depth at which fewer than k of a `share` of the samples are listed with probability `rare`: a binomial."""
    tried = np.arange(k, int((k + 40 + 12 * k**0.5) / share) + 1)
    return int(tried[np.argmax(bdtr(k - 1, tried, share) < rare)])


def greatest_depth(pool: Pool) -> int:
    """Greatest depth of the lists of `pool` that memory allows; see `MOST`."""
    return MOST // (2 * (pool.n + pool.m))


@dataclass(frozen=True, eq=False)
class DistanceEstimates:
    """Estimated squared distances of the samples of a pool, a block at a time, in units of `scale`; 0 for copies."""

    matrix: BoundedMatrix  # [N, d]
    place: Tensor | None  # [N] int64, number of the unique row of each sample; None where all are unique
    scale: float  # mean squared norm of the centred rows

    @classmethod
    def of(cls, pool: Pool, *, in_float64: bool = False) -> Self:
        """In float32 where that is faster and its error bounds are valid, unless `in_float64`."""
        features = pool.features()
        centre, points = centre_of(features, features), UniqueRows.of(features)
        place = points.place if len(points.rows) < len(features) else None
        del features, points  # as large as the rows of the matrix
        matrix, sets = None, [side.features for side in pool.sides]
        if len(centre) >= WIDE and not in_float64:
            matrix = BoundedMatrix.of(sets, centre, torch.float32)
        if matrix is None or not matrix.usable:
            matrix = BoundedMatrix.of(sets, centre, torch.float64)
        norms = matrix.low.double() + matrix.error_bound / 2
        # With exact norms `lower_bounds` gives the distance itself: bounds would bring the outer samples closer.
        matrix = replace(matrix, low=norms.to(matrix.low.dtype))
        return cls(matrix, place, float(norms.mean()) or 1.0)

    @property
    def close(self) -> Tensor:
        """Squared distance `[N]` below which rounding may reorder the neighbours of each sample; 0 in float64."""
        rough = self.matrix.rows.dtype == torch.float32
        return SHARP * self.matrix.error_bound / self.scale * rough

    def block(self, rows: Tensor, columns: slice) -> Tensor:
        """Squared distances `[r, c]` float32 of the samples `rows` `[r]` to `columns`; inf from a sample to itself."""
        with ieee_products(rows.device):
            block = lower_bounds(self.matrix, self.matrix, rows, columns).mul_(1 / self.scale).clamp_(min=TINY).float()
        if self.place is not None:
            block[self.place[rows][:, None] == self.place[columns]] = 0
        own = ((rows >= columns.start) & (rows < columns.stop)).nonzero()[:, 0]
        block[own, rows[own] - columns.start] = torch.inf
        return block


def _compute_lists(pool: Pool, depth: int) -> NeighbourLists:
    builder = _ListBuilder.of(pool, max(depth, ROOMY))
    scale, close = _list_all(pool, builder)
    if bool(close.any()):
        _list_again(pool, builder, close, scale)
    return builder.merged(scale, close)


def _list_all(pool: Pool, builder: _ListBuilder) -> tuple[float, Tensor]:
    """List the neighbours of all samples; the scale of the distances, and where rounding may have reordered `[N]`."""
    estimates = DistanceEstimates.of(pool)
    every = torch.arange(pool.n + pool.m, device=estimates.matrix.rows.device)
    tasks = [
        (rows, columns) for rows in builder.parts for columns in builder.parts if rows[1].start <= columns[1].start
    ]

    def compute(task: tuple[Part, Part]) -> Found:
        (own, rows), (other, columns) = task
        block = estimates.block(every[rows], columns)
        # The lists may grow meanwhile: these are then more than are needed, never less
        of_rows = candidates(block, builder.limit[other][rows])
        of_columns = None if rows == columns else candidates(block.T, builder.limit[own][columns])
        return block, of_rows, of_columns

    def take(task: tuple[Part, Part], found: Found) -> None:
        (own, rows), (other, columns) = task  # each block serves twice, for its rows and for its columns
        block, of_rows, of_columns = found
        builder.insert(other, rows, block, columns.start, of_rows)
        if rows != columns:
            builder.insert(own, columns, block.T, rows.start, of_columns)

    in_turn(tasks, compute, take, every.device)
    return estimates.scale, builder.nearest() < estimates.close


def _list_again(pool: Pool, builder: _ListBuilder, close: Tensor, scale: float) -> None:
    """List the neighbours of the samples marked in `close` `[N]` anew, in float64."""
    estimates = replace(DistanceEstimates.of(pool, in_float64=True), scale=scale)
    for few in torch.split(close.nonzero()[:, 0], BLOCK):
        builder.clear(few)
        for side, columns in builder.parts:
            builder.insert(side, few, estimates.block(few, columns), columns.start)


@dataclass(frozen=True, eq=False)
class _ListBuilder:
    """Neighbour lists under construction: real and fake neighbours apart, unordered, extended block by block."""

    n: int
    m: int
    parts: list[Part]
    """The blocks of the pool; none holds both sides."""
    squared: list[Tensor]  # [N, depth] squared distances, to real and to fake samples
    index: list[Tensor]  # [N, depth] numbers of those samples
    limit: list[Tensor]  # [N] the greatest distance of each list: what is not nearer does not belong into it

    @classmethod
    def of(cls, pool: Pool, depth: int) -> Self:
        total, device = pool.n + pool.m, pool.fake.features.device
        parts = [
            (side, slice(first, min(first + BLOCK, stop)))
            for side, (start, stop) in enumerate(((0, pool.n), (pool.n, total)))
            for first in range(start, stop, BLOCK)
        ]
        shapes = [(total, min(depth, size)) for size in (pool.n, pool.m)]
        squared = [torch.full(shape, torch.inf, device=device) for shape in shapes]
        index = [torch.full(shape, total, dtype=torch.int32, device=device) for shape in shapes]
        limit = [torch.full((total,), torch.inf, device=device) for _ in shapes]
        return cls(pool.n, pool.m, parts, squared, index, limit)

    def insert(
        self, side: int, rows: slice | Tensor, block: Tensor, start: int, found: Candidates | None = None
    ) -> None:
        """Merge a `block` `[r, c]` of distances of `rows` to the samples of `side` numbered from `start` on.

        `found`: the candidates of the block by limits of `rows` of that time or before, if they are known.
        """
        squared, index, limit = self.squared[side], self.index[side], self.limit[side]
        length = squared.shape[1]
        fresh, columns = closest(block, length, limit[rows], found)
        if fresh.shape[1]:
            values = torch.cat([squared[rows], fresh], 1)
            places = torch.cat([index[rows], (columns + start).int()], 1)
            kept = values.topk(length, largest=False, sorted=False)
            squared[rows], index[rows] = kept.values, places.gather(1, kept.indices)
            limit[rows] = kept.values.amax(1)

    def clear(self, rows: Tensor) -> None:
        """Empty the lists of `rows`."""
        for values in (*self.squared, *self.limit):
            values[rows] = torch.inf

    def nearest(self) -> Tensor:
        """Squared distance `[N]` of the nearest listed sample."""
        return torch.cat(self.squared, 1).amin(1)

    def merged(self, scale: float, in_float64: Tensor) -> NeighbourLists:
        """The finished lists: both lists of each sample merged, ascending by distance."""
        total = self.n + self.m
        squared, order = torch.cat(self.squared, 1).sort(dim=1, stable=True)
        index = torch.cat(self.index, 1).gather(1, order)
        index[squared.isinf()] = total
        reach = torch.full((total, 2), torch.inf)
        for side, size in enumerate((self.n, self.m)):
            if 0 < self.squared[side].shape[1] < size:
                reach[:, side] = self.squared[side].amax(1).cpu()
        depth = max(part.shape[1] for part in self.squared)
        return NeighbourLists(
            index.cpu().numpy(), squared.cpu().numpy(), reach.numpy(), depth, scale, in_float64.cpu().numpy()
        )
