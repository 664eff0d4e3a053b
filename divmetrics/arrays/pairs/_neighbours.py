"""Distances to neighbours: the radii of balls within a set, the nearest row of another set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, nan

import torch
from torch import Tensor

from divmetrics.arrays import dist
from divmetrics.arrays.pairs._distances import (
    BoundedMatrix,
    Pairs,
    blocks,
    ieee_products,
    lower_bounds,
    squared_distances,
)
from divmetrics.arrays.pairs._unique_rows import UniqueRows

SLACK = 4
"""Candidates kept beyond the k nearest: room for those that the float32 bounds cannot put in order."""

MARGIN = 1 + 1e-6
"""Room for the rounding of a weighted bound in float32, beyond what bounds have of their own."""


def squared_ball_radii(points: UniqueRows, ks: Sequence[int]) -> Tensor:
    """Squared distance of each distinct row to its k-th nearest other sample, `[u, len(ks)]` float64; exact.

    Copies of a row count as neighbours at distance 0. Every k must be below the number of samples.
    """
    pairs = Pairs(points.rows, points.rows)
    u, device = len(points.rows), points.rows.device
    needs = torch.tensor(list(ks), device=device) - (points.copies[:, None] - 1)  # [u, K] to find beyond own copies
    found = torch.full(needs.shape, nan, dtype=torch.float64, device=device)
    with ieee_products(device):
        matrix = pairs.float32[0]
        if matrix.rows.dtype == torch.float32:
            low, index = _shortlists(matrix, min(max(ks) + SLACK, u))
            every = torch.arange(u, device=device)
            found = _by_rows(every, found, lambda r: _settle(points, matrix, r, low[r], index[r], needs[r]))
        rest = found.isnan().any(1).nonzero()[:, 0]
        if len(rest):
            found[rest] = _by_rows(rest, found, lambda r: _whole_rows(points, pairs.float64[0], r, needs[r]))
    return found


def _by_rows(rows: Tensor, like: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """`function` of a few hundred of `rows` at a time, the ranks sharing them; pieces are as wide as `like`."""

    def share(mine: range) -> Tensor:
        own = rows[mine.start : mine.stop]
        return torch.cat([like[:0], *(function(own[few]) for few in blocks(len(own)))])

    return dist.spread(len(rows), share)


def _shortlists(matrix: BoundedMatrix, length: int) -> tuple[Tensor, Tensor]:
    """The `length` smallest lower bounds of each row, ascending, and whose they are, both `[u, length]`.

    Each block serves twice, for its rows and for its columns.
    """
    u, device = len(matrix.rows), matrix.rows.device
    low = torch.full((u, length), inf, dtype=matrix.rows.dtype, device=device)
    index = torch.zeros(u, length, dtype=torch.int64, device=device)

    def merge(rows: slice, block: Tensor, start: int) -> None:
        fresh = block.topk(min(length, block.shape[1]), largest=False, sorted=False)
        low[rows], index[rows] = _shortest(length, [low[rows], fresh.values], [index[rows], fresh.indices + start])

    tasks = [(rows, columns) for rows in blocks(u) for columns in blocks(u) if rows.start <= columns.start]
    for task in dist.shard(len(tasks)):
        rows, columns = tasks[task]
        block = lower_bounds(matrix, matrix, rows, columns)
        if rows == columns:
            block.fill_diagonal_(inf)
        else:
            merge(columns, block.T.contiguous(), rows.start)
        merge(rows, block, columns.start)
    lists = dist.gather((low, index))  # the ranks saw different blocks: their lists share no pair
    return _shortest(length, [part.to(device) for part, _ in lists], [part.to(device) for _, part in lists])


def _shortest(length: int, low: list[Tensor], index: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Several lists of the same rows merged into one."""
    best = torch.cat(low, 1).topk(length, largest=False)
    return best.values, torch.cat(index, 1).gather(1, best.indices)


def _whole_rows(points: UniqueRows, matrix: BoundedMatrix, rows: Tensor, needs: Tensor) -> Tensor:
    """Radii `[r, K]` of `rows` from lists as long as it takes to hold all that the bounds cannot exclude."""
    low = lower_bounds(matrix, matrix, rows, slice(None))
    low[torch.arange(len(rows), device=rows.device), rows] = inf
    u = low.shape[1]
    some = low.topk(min(max(1, int(needs.max())), u), largest=False)
    high = some.values + matrix.error_bound[rows][:, None] + matrix.error_bound[some.indices]
    ceiling = _kth(high, points.copies[some.indices], needs).amax(1)
    longest = int((low <= ceiling[:, None]).sum(1).max()) + 1
    full = low.topk(min(longest, u), largest=False)
    return _settle(points, matrix, rows, full.values, full.indices, needs)


def _settle(
    points: UniqueRows, matrix: BoundedMatrix, rows: Tensor, low: Tensor, index: Tensor, needs: Tensor
) -> Tensor:
    """Radii `[r, K]` from ascending shortlists `low`, `index` `[r, m]`; NaN where a list is too short to prove one."""
    copies = points.copies[index]
    low = low.double()
    high = low + matrix.error_bound[rows][:, None] + matrix.error_bound[index]
    floor, ceiling = _kth(low, copies, needs), _kth(high, copies, needs)  # [r, K], the radius lies between
    proven = (ceiling <= low[:, -1:]).all(1)  # what is not on the list is at least as far as its last
    contender = ((low[:, :, None] <= ceiling[:, None]) & (high[:, :, None] >= floor[:, None])).any(2)
    at, slot = (contender & proven[:, None]).nonzero(as_tuple=True)
    # The others keep their lower bound: it is on the same side of the radius as their distance.
    low[at, slot] = squared_distances(points.rows, points.rows, rows[at], index[at, slot])
    return _kth(low, copies, needs).masked_fill(~proven[:, None], nan)


def _kth(values: Tensor, copies: Tensor, needs: Tensor) -> Tensor:
    """Least of `values` `[r, m]` within which `needs` `[r, K]` samples lie, copies counted; 0 where none is needed."""
    ordered, order = values.sort(1)
    reached = copies.gather(1, order).cumsum(1)  # [r, m]
    position = (reached[:, :, None] < needs[:, None]).sum(1).clamp(max=values.shape[1] - 1)
    return ordered.gather(1, position).where(needs > 0, 0.0)


def nearest_rows(queries: Tensor, base: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Squared distance `[n]` float64 of each row of `queries` to the nearest of `base`, and its index `[n]`; exact.

    Of several nearest rows the first is taken. With `weights` `[m]` float64 > 0 the least weighted squared distance.
    """
    pairs = Pairs(queries, base)
    everything = slice(0, len(base))
    loads = torch.ones(len(base), dtype=torch.float64, device=base.device) if weights is None else weights

    def of_rows(index: Tensor) -> Tensor:
        rows = slice(int(index[0]), int(index[-1]) + 1)
        low = lower_bounds(*pairs.float32, rows, everything)
        scores = low if weights is None else low * weights.clamp(max=1e30).to(low.dtype)
        best = scores.argmin(1)
        ceiling = squared_distances(queries, base, index, best) * loads[best]
        i, j = (scores <= (ceiling * MARGIN)[:, None]).nonzero(as_tuple=True)
        squared = pairs.settle(rows, everything, i, j, low, lambda least, _: least * loads[j] <= ceiling[i]) * loads[j]
        least = ceiling.scatter_reduce(0, i, squared, "amin")
        absent = torch.full_like(index, len(base))
        first = absent.scatter_reduce(0, i, j.where(squared == least[i], len(base)), "amin")
        return torch.stack([least, first.double()], 1)  # a row number is exact in float64

    with ieee_products(queries.device):
        like = torch.empty(0, 2, dtype=torch.float64, device=queries.device)
        found = _by_rows(torch.arange(len(queries), device=queries.device), like, of_rows)
    return found[:, 0], found[:, 1].long()


class NearestObserver:
    """`nearest_rows` for whoever goes through the blocks of all pairs anyway, as a watcher of that pass.

    Queries are the rows of the blocks or, with `of_columns`, their columns. Rows of the base whose weight is inf are
    no candidates; at least one must be.
    """

    def __init__(
        self, queries: Tensor, base: Tensor, weights: Tensor | None = None, *, of_columns: bool = False
    ) -> None:
        self._queries, self._base, self._weights, self._of_columns = queries, base, weights, of_columns
        shape = len(queries), min(1 + SLACK, len(base))
        self._low = torch.full(shape, inf, device=queries.device, dtype=torch.float64)
        self._index = torch.zeros(shape, dtype=torch.int64, device=queries.device)

    def look(self, rows: slice, columns: slice, low: Tensor) -> None:
        """Keep the smallest bounds of a block."""
        if self._of_columns:
            rows, columns, low = columns, rows, low.T.contiguous()
        if self._weights is not None:
            weights = self._weights[columns]
            low = (low * weights.clamp(max=1e30).to(low.dtype)).masked_fill_(weights.isinf(), inf)
        length = self._low.shape[1]
        fresh = low.topk(min(length, low.shape[1]), largest=False, sorted=False)
        kept = [self._low[rows], fresh.values.double()], [self._index[rows], fresh.indices + columns.start]
        self._low[rows], self._index[rows] = _shortest(length, *kept)

    def found(self) -> tuple[Tensor, Tensor]:
        """What `nearest_rows` returns."""
        lists, device = dist.gather((self._low, self._index)), self._low.device
        parts = [[one.to(device) for one in part] for part in zip(*lists, strict=True)]
        low, index = _shortest(self._low.shape[1], *parts)
        exact = torch.full_like(low, inf)
        every = torch.arange(len(low), device=device)
        exact[:, 0] = self._measure(every, index[:, 0])
        ceiling = exact[:, 0] * MARGIN
        short = low[:, -1] <= ceiling  # what is not on the list may be as near
        short &= low.shape[1] < len(self._base)
        at, slot = ((low[:, 1:] <= ceiling[:, None]) & ~short[:, None]).nonzero(as_tuple=True)
        exact[at, slot + 1] = self._measure(at, index[at, slot + 1])
        squared = exact.amin(1)
        first = torch.where(exact == squared[:, None], index, len(self._base)).amin(1)
        if bool(short.any()):
            squared[short], first[short] = self._again(short)
        return squared, first

    def _measure(self, i: Tensor, j: Tensor) -> Tensor:
        squared = squared_distances(self._queries, self._base, i, j)
        return squared if self._weights is None else squared * self._weights[j]

    def _again(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """`nearest_rows` of the queries `rows` `[q]` bool by itself."""
        if self._weights is None:
            return nearest_rows(self._queries[rows], self._base)
        some = self._weights.isfinite().nonzero()[:, 0]
        squared, index = nearest_rows(self._queries[rows], self._base[some], self._weights[some])
        return squared, some[index]
