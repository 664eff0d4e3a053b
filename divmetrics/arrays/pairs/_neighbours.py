"""Exact distances to the k-th nearest neighbour within a set, and to the nearest row of another set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, nan

import torch
from torch import Tensor

from divmetrics.arrays import dist
from divmetrics.arrays.devices import in_turn
from divmetrics.arrays.pairs._closest import closest
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
"""Candidates kept beyond the k nearest, for those that the float32 bounds cannot order."""

MARGIN = 1 + 1e-6
"""Allowance for the float32 rounding of a weighted bound, beyond the error bound of the distance itself."""


def squared_ball_radii(points: UniqueRows, ks: Sequence[int]) -> Tensor:
    """Squared distance of each unique row to its k-th nearest other sample; exact.

    Copies of a row count as neighbours at distance 0.

    Args:
        points: The u unique rows of n samples.
        ks: Ranks of the neighbours, each from 1 to n - 1.

    Returns:
        `[u, len(ks)]` float64, in feature units squared.

    Example:
        >>> import torch
        >>> points = UniqueRows.of(torch.tensor([[0.0], [1.0], [5.0]]))
        >>> squared_ball_radii(points, [1, 2]).tolist()
        [[1.0, 25.0], [1.0, 16.0], [16.0, 25.0]]
    """
    pairs = Pairs(points.rows, points.rows)
    u, device = len(points.rows), points.rows.device
    needs = torch.tensor(list(ks), device=device) - (points.copies[:, None] - 1)  # [u, K] beyond own copies
    squared = torch.full(needs.shape, nan, dtype=torch.float64, device=device)
    with ieee_products(device):
        matrix = pairs.float32[0]
        if matrix.rows.dtype == torch.float32:
            low, index = _shortlists(matrix, min(max(ks) + SLACK, u))
            every = torch.arange(u, device=device)

            def of_shortlists(r: Tensor) -> Tensor:
                return _from_shortlists(points, matrix, r, low[r], index[r], needs[r])

            squared = _by_rows(every, squared, of_shortlists)
        rest = squared.isnan().any(1).nonzero()[:, 0]
        if len(rest):
            squared[rest] = _by_rows(rest, squared, lambda r: _from_full_rows(points, pairs.float64[0], r, needs[r]))
    return squared


def _by_rows(rows: Tensor, like: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """`function` of a block of `rows` at a time, spread over the ranks, concatenated; pieces are as wide as `like`."""

    def share(mine: range) -> Tensor:
        own = rows[mine.start : mine.stop]
        return torch.cat([like[:0], *(function(own[few]) for few in blocks(len(own)))])

    return dist.spread(len(rows), share)


def _shortlists(matrix: BoundedMatrix, length: int) -> tuple[Tensor, Tensor]:
    """The `length` smallest lower bounds of each row, ascending, and their columns; both `[u, length]`.

    Each block off the diagonal serves twice, for its rows and for its columns.
    """
    u, device = len(matrix.rows), matrix.rows.device
    low = torch.full((u, length), inf, dtype=matrix.rows.dtype, device=device)
    index = torch.zeros(u, length, dtype=torch.int64, device=device)

    def merge(rows: slice, block: Tensor, start: int) -> None:
        fresh, places = closest(block, length, low[rows].amax(1))
        if fresh.shape[1]:
            low[rows], index[rows] = _shortest(length, [low[rows], fresh], [index[rows], places + start])

    tasks = [(rows, columns) for rows in blocks(u) for columns in blocks(u) if rows.start <= columns.start]

    def take(task: tuple[slice, slice], block: Tensor) -> None:
        rows, columns = task
        if rows == columns:
            block.fill_diagonal_(inf)
        else:
            merge(columns, block.T, rows.start)
        merge(rows, block, columns.start)

    own = [tasks[task] for task in dist.shard(len(tasks))]
    in_turn(own, lambda task: lower_bounds(matrix, matrix, *task), take, device)
    lists = dist.gather((low, index))  # the ranks had different blocks: their lists share no pair
    return _shortest(length, [part.to(device) for part, _ in lists], [part.to(device) for _, part in lists])


def _shortest(length: int, low: list[Tensor], index: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The `length` smallest entries of several lists of the same rows, ascending, with their indices."""
    best = torch.cat(low, 1).topk(length, largest=False)
    return best.values, torch.cat(index, 1).gather(1, best.indices)


def _from_full_rows(points: UniqueRows, matrix: BoundedMatrix, rows: Tensor, needs: Tensor) -> Tensor:
    """Squared radii `[r, K]` of `rows` from lists long enough to hold every candidate that the bounds leave open."""
    low = lower_bounds(matrix, matrix, rows, slice(None))
    low[torch.arange(len(rows), device=rows.device), rows] = inf
    u = low.shape[1]
    shortest = low.topk(min(max(1, int(needs.max())), u), largest=False)
    high = shortest.values + matrix.error_bound[rows][:, None] + matrix.error_bound[shortest.indices]
    ceiling = _kth(high, points.copies[shortest.indices], needs).amax(1)
    longest = int((low <= ceiling[:, None]).sum(1).max()) + 1
    full = low.topk(min(longest, u), largest=False)
    return _from_shortlists(points, matrix, rows, full.values, full.indices, needs)


def _from_shortlists(
    points: UniqueRows, matrix: BoundedMatrix, rows: Tensor, low: Tensor, index: Tensor, needs: Tensor
) -> Tensor:
    """Squared radii `[r, K]` from ascending lists of lower bounds `[r, l]`; NaN where a list is too short for proof."""
    copies = points.copies[index]
    low = low.double()
    high = low + matrix.error_bound[rows][:, None] + matrix.error_bound[index]
    floor, ceiling = _kth(low, copies, needs), _kth(high, copies, needs)  # [r, K], the radius lies between them
    proven = (ceiling <= low[:, -1:]).all(1)  # whatever is not on the list is at least as far as its last entry
    contender = ((low[:, :, None] <= ceiling[:, None]) & (high[:, :, None] >= floor[:, None])).any(2)
    at, slot = (contender & proven[:, None]).nonzero(as_tuple=True)
    # The other entries keep their lower bound: it lies on the same side of the radius as their distance.
    low[at, slot] = squared_distances(points.rows, points.rows, rows[at], index[at, slot])
    return _kth(low, copies, needs).masked_fill(~proven[:, None], nan)


def _kth(values: Tensor, copies: Tensor, needs: Tensor) -> Tensor:
    """Least of `values` `[r, l]` up to which `needs` `[r, K]` samples lie, copies counted; 0 where none is needed."""
    ordered, order = values.sort(1)
    reached = copies.gather(1, order).cumsum(1)  # [r, m]
    position = (reached[:, :, None] < needs[:, None]).sum(1).clamp(max=values.shape[1] - 1)
    return ordered.gather(1, position).where(needs > 0, 0.0)


def nearest_rows(queries: Tensor, base: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Squared distance of each query to the nearest row of another set, and the number of that row; exact.

    Args:
        queries: Rows `[n, d]`.
        base: Rows `[m, d]` of the other set.
        weights: Factors `[m]` float64 > 0 of the squared distances to each row of `base`, which are minimised then
            (default None: all 1).

    Returns:
        Squared distances `[n]` float64 and row numbers `[n]` int64, the first of several equally near.

    Example:
        >>> import torch
        >>> squared, index = nearest_rows(torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [6.0]]))
        >>> squared.tolist(), index.tolist()
        ([1.0, 4.0], [0, 1])
    """
    pairs = Pairs(queries, base)
    everything = slice(0, len(base))
    factors = torch.ones(len(base), dtype=torch.float64, device=base.device) if weights is None else weights

    def of_rows(index: Tensor) -> Tensor:
        rows = slice(int(index[0]), int(index[-1]) + 1)
        low = lower_bounds(*pairs.float32, rows, everything)
        scores = low if weights is None else low * weights.clamp(max=1e30).to(low.dtype)
        best = scores.argmin(1)
        ceiling = squared_distances(queries, base, index, best) * factors[best]
        i, j = (scores <= (ceiling * MARGIN)[:, None]).nonzero(as_tuple=True)
        squared = pairs.settle(rows, everything, i, j, low, lambda least, _: least * factors[j] <= ceiling[i])
        squared = squared * factors[j]
        least = ceiling.scatter_reduce(0, i, squared, "amin")
        absent = torch.full_like(index, len(base))
        first = absent.scatter_reduce(0, i, j.where(squared == least[i], len(base)), "amin")
        return torch.stack([least, first.double()], 1)  # a row number is exact in float64

    with ieee_products(queries.device):
        like = torch.empty(0, 2, dtype=torch.float64, device=queries.device)
        found = _by_rows(torch.arange(len(queries), device=queries.device), like, of_rows)
    return found[:, 0], found[:, 1].long()


class NearestObserver:
    """`nearest_rows` from the blocks of a pass over all pairs that is made anyway (`count_balls`).

    Queries are the rows of the blocks or, with `of_columns`, their columns. Rows of `base` whose weight is inf are not
    candidates; at least one must be.
    """

    def __init__(
        self, queries: Tensor, base: Tensor, weights: Tensor | None = None, *, of_columns: bool = False
    ) -> None:
        self._queries, self._base, self._weights, self._of_columns = queries, base, weights, of_columns
        shape = len(queries), min(1 + SLACK, len(base))
        self._low = torch.full(shape, inf, device=queries.device, dtype=torch.float64)
        self._index = torch.zeros(shape, dtype=torch.int64, device=queries.device)

    def observe(self, rows: slice, columns: slice, low: Tensor) -> None:
        """Keep the smallest lower bounds of a block."""
        if self._of_columns:
            rows, columns, low = columns, rows, low.T
        if self._weights is not None:
            weights = self._weights[columns]
            low = (low * weights.clamp(max=1e30).to(low.dtype)).masked_fill_(weights.isinf(), inf)
        length, listed = self._low.shape[1], self._low[rows]
        fresh, places = closest(low, length, listed.amax(1).to(low.dtype))
        if fresh.shape[1]:
            kept = [listed, fresh.double()], [self._index[rows], places + columns.start]
            self._low[rows], self._index[rows] = _shortest(length, *kept)

    def result(self) -> tuple[Tensor, Tensor]:
        """Squared distance and row number of the nearest row of each query, as `nearest_rows` returns them."""
        lists, device = dist.gather((self._low, self._index)), self._low.device
        parts = [[one.to(device) for one in part] for part in zip(*lists, strict=True)]
        low, index = _shortest(self._low.shape[1], *parts)
        exact = torch.full_like(low, inf)
        every = torch.arange(len(low), device=device)
        exact[:, 0] = self._weighted(every, index[:, 0])
        ceiling = exact[:, 0] * MARGIN
        short = low[:, -1] <= ceiling  # a row that is not on the list may be as near
        short &= low.shape[1] < len(self._base)
        at, slot = ((low[:, 1:] <= ceiling[:, None]) & ~short[:, None]).nonzero(as_tuple=True)
        exact[at, slot + 1] = self._weighted(at, index[at, slot + 1])
        squared = exact.amin(1)
        first = torch.where(exact == squared[:, None], index, len(self._base)).amin(1)
        if bool(short.any()):
            squared[short], first[short] = self._search_all(short)
        return squared, first

    def _weighted(self, i: Tensor, j: Tensor) -> Tensor:
        """Weighted squared distances `[p]` of the queries `i` to the rows `j` of the base; exact."""
        squared = squared_distances(self._queries, self._base, i, j)
        return squared if self._weights is None else squared * self._weights[j]

    def _search_all(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """`nearest_rows` of the queries marked in `rows` `[n]` bool, in a pass of their own."""
        if self._weights is None:
            return nearest_rows(self._queries[rows], self._base)
        candidates = self._weights.isfinite().nonzero()[:, 0]
        squared, index = nearest_rows(self._queries[rows], self._base[candidates], self._weights[candidates])
        return squared, candidates[index]
