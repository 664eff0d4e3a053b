"""Neighbour lists of a pool: one product over its pairs, after which no split of the pool needs a distance again.

Each pooled sample keeps its nearest reals and its nearest fakes, so many of each that the ball of a side to which only
a share of them belongs is found within the lists, but for one chance in a million. What lies beyond is known to lie
beyond (`reach`), and is looked up again where it matters (`_dense_balls.py`).

Distances are estimates, for replicates: float64 products below `WIDE` columns, float32 ones from there on, except where
neighbours are so close that float32 could not tell them. Copies of a row are at exactly 0, and all are kept as float32,
which makes equal distances equal again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from scipy.special import bdtr
from torch import Tensor

from divmetrics.arrays.memo import growing
from divmetrics.arrays.pairs._distances import BoundedMatrix, Pairs, ieee_products, lower_bounds
from divmetrics.arrays.pairs._unique_rows import UniqueRows
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits

BLOCK = 2048
"""Rows and columns of a block."""
ROOMY = 48
"""Least depth: what a few neighbours of half-samples need, so that all of k = 1 to 7 share one pass."""
MOST = 2**25
"""Entries of all lists together: 268 MB."""
RARE = 1e-6
"""Chance that a ball is not found within the lists of a sample."""
TINY = 1e-30
"""Least squared distance between different rows, in units of the scale."""
SHARP = 16
"""A sample whose nearest neighbour is nearer than this many bounds of rounding is listed anew in float64."""


@dataclass(frozen=True, eq=False)
class NeighbourLists:
    """The neighbours of N pooled samples, reals and fakes merged, ascending by distance; themselves left out."""

    index: np.ndarray  # [N, W] int32, places in the pool; N where there are no more
    squared: np.ndarray  # [N, W] float32, in units of `scale`; inf where there are no more
    reach: np.ndarray  # [N, 2] float32, up to which squared distance all reals, all fakes are listed
    depth: int  # listed of each side
    scale: float
    in_float64: np.ndarray  # [N] bool, listed in float64


def neighbour_lists(pool: Pool, depth: int) -> NeighbourLists:
    """The lists of `pool`, at least `depth` deep; remembered beside it."""
    with growing((pool,), "neighbour lists", list[NeighbourLists]) as deepest_so_far:
        if not deepest_so_far or deepest_so_far[0].depth < min(depth, max(pool.n, pool.m)):
            deepest_so_far[:] = [_compute_lists(pool, depth)]
        return deepest_so_far[0]


def needed_depths(pool: Pool, splits: Splits, k: int) -> np.ndarray:
    """How deep lists must be for the k-th nearest of the own side `[B]`, by the side that is rarest among them."""
    assigned = splits.side.cpu().numpy()
    shares = [
        (part == side).mean(1) for part in (assigned[:, : pool.n], assigned[:, pool.n :]) for side in (REAL, FAKE)
    ]
    rarest = np.stack(shares)
    rarest = np.where(rarest > 0, rarest, 1).min(0)
    levels, places = np.unique(rarest.round(3).clip(1e-3), return_inverse=True)
    return np.array([_depth(k, float(level)) for level in levels])[places]


def _depth(k: int, share: float) -> int:
    """Least depth within which k of a `share` are found, but for one chance in a million."""
    tried = np.arange(k, int((k + 40 + 12 * k**0.5) / share) + 1)
    return int(tried[np.argmax(bdtr(k - 1, tried, share) < RARE)])


def greatest_depth(pool: Pool) -> int:
    """The depth that memory allows."""
    return MOST // (2 * (pool.n + pool.m))


@dataclass(frozen=True, eq=False)
class DistanceEstimates:
    """Squared distances of a pool's samples, a block at a time: estimates in units of `scale`, 0 between copies."""

    matrix: BoundedMatrix  # [N, d]
    place: Tensor | None  # [N] int64, equal for copies; None where there are none
    scale: float

    @classmethod
    def of(cls, pool: Pool, *, in_float64: bool = False) -> Self:
        """In float32 where that pays and holds, unless `in_float64`."""
        features = pool.features()
        pairs = Pairs(features, features)
        matrix = pairs.float64[0] if in_float64 else pairs.float32[0]
        norms = matrix.low.double() + matrix.error_bound / 2
        points = UniqueRows.of(features)
        # Here `lower_bounds` gives no bound but the distance itself: bounds would bring the outer samples closer.
        matrix = replace(matrix, low=norms.to(matrix.low.dtype))
        return cls(matrix, points.place if len(points.rows) < len(features) else None, float(norms.mean()) or 1.0)

    @property
    def close(self) -> Tensor:
        """Squared distance `[N]` below which rounding may confuse the neighbours of each sample; 0 in float64."""
        rough = self.matrix.rows.dtype == torch.float32
        return SHARP * self.matrix.error_bound / self.scale * rough

    def block(self, rows: Tensor, columns: slice) -> Tensor:
        """`[len(rows), columns]` float32, inf between a sample and itself."""
        with ieee_products(rows.device):
            found = lower_bounds(self.matrix, self.matrix, rows, columns).mul_(1 / self.scale).clamp_(min=TINY).float()
        if self.place is not None:
            found[self.place[rows][:, None] == self.place[columns]] = 0
        own = ((rows >= columns.start) & (rows < columns.stop)).nonzero()[:, 0]
        found[own, rows[own] - columns.start] = torch.inf
        return found


def _compute_lists(pool: Pool, depth: int) -> NeighbourLists:
    growing = _ListBuilder.of(pool, max(depth, ROOMY))
    estimates = DistanceEstimates.of(pool)
    every = torch.arange(pool.n + pool.m, device=estimates.matrix.rows.device)
    for own, rows in growing.parts:
        for other, columns in growing.parts:
            if rows.start <= columns.start:  # each block serves twice, for its rows and for its columns
                block = estimates.block(every[rows], columns)
                growing.take(other, every[rows], block, columns.start)
                if rows != columns:
                    growing.take(own, every[columns], block.T.contiguous(), rows.start)
    close = growing.nearest() < estimates.close
    if bool(close.any()):
        scale = estimates.scale
        estimates = replace(DistanceEstimates.of(pool, in_float64=True), scale=scale)
        for few in torch.split(close.nonzero()[:, 0], BLOCK):
            growing.forget(few)
            for side, columns in growing.parts:
                growing.take(side, few, estimates.block(few, columns), columns.start)
    return growing.merged(estimates.scale, close)


@dataclass(frozen=True, eq=False)
class _ListBuilder:
    """The lists while blocks come in: of the reals and of the fakes apart, in no order."""

    n: int
    m: int
    parts: list[tuple[int, slice]]
    """Side (0 reals, 1 fakes) and places of each block of the pool; no block has both."""
    squared: list[Tensor]  # [N, depth], reals and fakes
    index: list[Tensor]

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
        return cls(pool.n, pool.m, parts, squared, index)

    def take(self, side: int, rows: Tensor, block: Tensor, start: int) -> None:
        """Merge a `block` of distances of `rows` to the samples of `side` from place `start` on."""
        squared, index = self.squared[side], self.index[side]
        best = block.topk(min(squared.shape[1], block.shape[1]), largest=False, sorted=False)
        values = torch.cat([squared[rows], best.values], 1)
        places = torch.cat([index[rows], (best.indices + start).int()], 1)
        kept = values.topk(squared.shape[1], largest=False, sorted=False)
        squared[rows], index[rows] = kept.values, places.gather(1, kept.indices)

    def forget(self, rows: Tensor) -> None:
        """Empty the lists of `rows`."""
        for squared in self.squared:
            squared[rows] = torch.inf

    def nearest(self) -> Tensor:
        """Squared distance `[N]` of the nearest sample listed."""
        return torch.cat(self.squared, 1).amin(1)

    def merged(self, scale: float, in_float64: Tensor) -> NeighbourLists:
        """Both lists of each sample as one, ascending."""
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
