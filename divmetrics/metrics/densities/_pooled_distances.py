"""Distances within a pool of real and fake samples, and sums of radial kernels over them for many splits in one pass.

Metrics that compare a distance with a radius need it to the last bit (`arrays/pairs`). Those here take a smooth
function of it, so that a matrix product is accurate enough, except for pairs so near that rounding would show: these
are computed directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Self

import torch
from torch import Tensor

from divmetrics.arrays.memo import latest, once
from divmetrics.arrays.pairs import Pairs, UniqueRows, blocks, ieee_products, lower_bounds
from divmetrics.arrays.splits import FAKE, REAL, Splits
from divmetrics.arrays.summaries import Rows

RELIABLE = 100
"""Squared distances from a matrix product are used where they are this many times their proven error bound."""
MATRIX_BYTES = 2**30
"""Size up to which all distances of a pool are kept; beyond it, each pass computes them again."""
RADIUS_STEP = 0.01
"""Log ratio of two radii between which kernel sums are interpolated."""


@dataclass(frozen=True)
class RadialKernel:
    """A smooth function of a distance and a radius."""

    prepare: Callable[[Tensor], Tensor]
    """Squared distances -> the part that does not depend on the radius, a new tensor."""
    value: Callable[[Tensor, float], Tensor]
    """That part and a radius -> kernel values, a new tensor."""


def squared_distance_block(pairs: Pairs, rows: slice, columns: slice) -> Tensor:
    """Squared distances `[r, c]` of a block in its working precision; 0 for equal rows.

    In float32 the proven relative error is at most 1 %; the usual one is about 1e-6.
    """
    left, right = pairs.float32
    squared = lower_bounds(left, right, rows, columns)
    error = left.error_bound[rows].to(squared.dtype)[:, None] + right.error_bound[columns].to(squared.dtype)
    i, j = (squared < RELIABLE * error).nonzero(as_tuple=True)
    exact = None
    if len(i):
        exact = pairs.settle(rows, columns, i, j, squared, lambda least, most: RELIABLE * (most - least) > least)
    squared.add_(error, alpha=0.5)  # a lower bound is the product less half the error bound
    if exact is not None:
        squared[i, j] = exact.to(squared.dtype)
    return squared


def block_tasks(u: int, v: int, *, one_set: bool = False) -> list[tuple[slice, slice]]:
    """All blocks of u by v pairs; with `one_set`, of a set with itself, those on and above the diagonal."""
    return [
        (rows, columns) for rows in blocks(u) for columns in blocks(v) if not one_set or rows.start <= columns.start
    ]


@dataclass(frozen=True, eq=False)
class PooledDistances:
    """All squared distances between the distinct rows of a pool, read a block of rows at a time."""

    place: Tensor  # [n + m] int64, sample i is row place[i]
    pairs: Pairs
    dtype: torch.dtype
    matrix: Tensor | None  # [u, u], if kept

    @classmethod
    def of(cls, features: Tensor) -> Self:
        """From the features `[n + m, d]` of the whole pool. Sums over its rows are taken in their precision."""
        points = UniqueRows.of(features)
        rows, u = points.rows, len(points.rows)
        pairs, dtype = Pairs(rows, rows), torch.promote_types(rows.dtype, torch.float32)
        if u * u * dtype.itemsize > MATRIX_BYTES:
            return cls(points.place, pairs, dtype, None)
        matrix = torch.empty(u, u, dtype=dtype, device=rows.device)
        with ieee_products(rows.device):
            for above, across in block_tasks(u, u, one_set=True):
                block = squared_distance_block(pairs, above, across).to(dtype)
                matrix[above, across], matrix[across, above] = block, block.T
        return cls(points.place, pairs, dtype, matrix)

    @property
    def rows(self) -> Tensor:
        """The distinct rows `[u, d]`."""
        return self.pairs.left

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        """Blocks of rows and their squared distances `[r, u]` to all rows."""
        for rows in blocks(len(self.pairs.left)):
            yield rows, self._block(rows)

    def _block(self, rows: slice) -> Tensor:
        if self.matrix is not None:
            return self.matrix[rows]
        with ieee_products(self.pairs.left.device):
            return squared_distance_block(self.pairs, rows, slice(0, len(self.pairs.right))).to(self.dtype)

    def of_rows(self, index: Tensor) -> Tensor:
        """Squared distances `[i, u]` of single rows to all rows."""
        if self.matrix is not None:
            return self.matrix[index]
        selected = Pairs(self.pairs.left[index], self.pairs.right)
        with ieee_products(index.device):
            return squared_distance_block(selected, slice(0, len(index)), slice(0, len(selected.right))).to(self.dtype)

    def nearest(self, length: int) -> tuple[Tensor, Tensor]:
        """The `length` nearest rows of each row, itself first: squared distances and places `[u, length]`."""
        length = min(length, len(self.rows))

        def make() -> tuple[Tensor, Tensor]:
            lists = [block.topk(length, largest=False) for _, block in self]
            return torch.cat([one.values for one in lists]), torch.cat([one.indices for one in lists])

        return once((self,), ("nearest rows", length), make)


def pooled_distances(
    real: Rows, fake: Rows, transform: Callable[[Tensor], Tensor] | None = None, name: object = None
) -> PooledDistances:
    """The distances within the two sets together, after `transform` of the features, which `name` identifies.

    Only the last one is kept, for two would be a burden on memory, and metrics of one kind are computed in a row.
    """

    def make() -> PooledDistances:
        features = torch.cat([real.features, fake.features])
        return PooledDistances.of(features if transform is None else transform(features))

    return latest((real, fake), ("pooled distances", name), make)


@dataclass(frozen=True, eq=False)
class SplitCounts:
    """How often each distinct row of a pool occurs on the two sides of each split."""

    distances: PooledDistances
    real: Tensor  # [u, B] counts, in the precision of the distances
    fake: Tensor  # [u, B]

    @classmethod
    def of(cls, distances: PooledDistances, splits: Splits) -> Self:
        """Counts of the sides of `splits` of the pool."""
        side = splits.side.T.to(distances.place.device)  # [n + m, B]
        return cls.from_counts(distances, side == REAL, side == FAKE)

    @classmethod
    def from_counts(cls, distances: PooledDistances, real: Tensor, fake: Tensor) -> Self:
        """From how often each sample of the pool is on the two sides, `[n + m, B]` each."""
        empty = torch.zeros(len(distances.rows), real.shape[1], dtype=distances.dtype, device=distances.place.device)
        counts = [empty.index_add(0, distances.place, side.to(distances.dtype)) for side in (real, fake)]
        return cls(distances, counts[0], counts[1])

    def radii(self, k: int) -> tuple[list[tuple[Tensor, Tensor]], list[tuple[Tensor, Tensor]]]:
        """For the real and for the fake side of each split: distances of its rows to their k-th nearest other sample.

        Each comes with the counts of the rows. Where a side has no k others, the farthest is taken.
        """
        rarest = min(float((side.sum(0) / side.shape[0]).min()) for side in (self.real, self.fake))
        length = ceil((k + 5 + 3 * sqrt(k + 5)) / max(rarest, 1e-9))  # lists that lack a k-th are then rare
        lists = self.distances.nearest(min(length, 2**31))
        return self._radii(self.real, k, lists), self._radii(self.fake, k, lists)

    def _radii(self, counts: Tensor, k: int, lists: tuple[Tensor, Tensor]) -> list[tuple[Tensor, Tensor]]:
        squared, index = lists
        radii = []
        for column in counts.T:
            last = min(k, int(column.sum()) - 1)
            members = column.nonzero()[:, 0]
            position, reached = _kth(column[index[members]], last)
            radius = squared[members].gather(1, position[:, None])[:, 0]
            lacking = (~reached).nonzero()[:, 0]
            if len(lacking):
                block, order = self.distances.of_rows(members[lacking])[:, members].sort(1)
                position, _ = _kth(column[members][order], last)
                radius[lacking] = block.gather(1, position[:, None])[:, 0]
            radii.append((radius.double().sqrt(), column[members].double()))
        return radii


def _kth(copies: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Position of the k-th other sample in ascending lists `[r, t]` of counts, itself first; whether it is there."""
    short = copies.cumsum(1) <= k
    return short.sum(1).clamp(max=copies.shape[1] - 1), ~short[:, -1]


def kernel_sums(distances: PooledDistances, kernel: RadialKernel, weights: Tensor, radii: Tensor) -> Tensor:
    """Sum over v of weights[v, c] kernel(|u - v|^2, radii[c]), `[u, C]` in the precision of the distances.

    `weights` `[u, C]`, `radii` `[C]`. Columns whose radii nearly agree share two passes, at the least and the greatest
    of them, between which the sums are interpolated: geometrically where both have one sign, which is exact for a power
    of the radius.
    """
    groups = [(c, weights[:, c], radii[c].min(), radii[c].max()) for c in _groups(radii)]
    sums = torch.empty(len(weights), weights.shape[1], dtype=weights.dtype, device=weights.device)
    with ieee_products(weights.device):
        for rows, squared in distances:
            prepared = kernel.prepare(squared)
            for columns, own, least, most in groups:
                total = kernel.value(prepared, float(least)) @ own
                if most > least:
                    share = ((radii[columns] / least).log() / (most / least).log()).to(total)
                    total = _between(total, kernel.value(prepared, float(most)) @ own, share)
                sums[rows, columns] = total
    return sums


def _groups(radii: Tensor) -> list[Tensor]:
    """Columns whose radii lie within `RADIUS_STEP` of each other."""
    ordered, order = radii.sort()
    groups, start = [], 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or float(ordered[end]) > float(ordered[start]) * (1 + RADIUS_STEP):
            groups.append(order[start:end])
            start = end
    return groups


def _between(low: Tensor, high: Tensor, share: Tensor) -> Tensor:
    """Interpolation between `low` and `high` `[u, C]` at `share` `[C]` of the way; exact at 0 and at 1."""
    ratio = high / low
    powers = low * ratio.clamp(min=0).pow(share)
    return torch.where((ratio > 0) & ratio.isfinite(), powers, torch.lerp(low, high, share.expand_as(low)))
