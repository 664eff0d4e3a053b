"""Near-duplicates: pairs of samples of one set closer than any two reals, and what chance there is in their number.

The limit is the distance of the two closest reals, which is the 1/n quantile of their distances to the nearest other:
one pair of reals in n (n - 1) / 2 is no farther. Faithful fakes have about as many, a collapsed generator many more.
Distances are decided as in `divmetrics.pairs`, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np
import scipy
import torch
from scipy.special import digamma
from torch import Tensor

from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs import (
    BoundedMatrix,
    Pairs,
    UniqueRows,
    blocks,
    ieee_products,
    lower_bounds,
    squared_distances,
)
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import TooFewSamples, UsageError

KEPT = 512
"""Closest pairs of a pool that re-splits look at; that none of them is of two reals has a chance of 1e-60 at n = m."""
RANK, FURTHEST = 5, 50
"""The limit's own chance is read from how many pairs come in between the closest and the fifth closest of the reals,
and how they grow with the limit from there to the fiftieth."""
NEARER, MANY = 0.1, 20
"""Where there are MANY near pairs, their growth is that from the distance which a tenth as many reals would reach."""


@dataclass(frozen=True, eq=False)
class Near:
    """The near-duplicates within a set of m samples, int64 `[m]` unless said otherwise."""

    limit: float
    """Distance up to which two samples are near, feature units."""
    degree: Tensor  # others near each sample
    further: Tensor | None  # the same at the distance of the RANK-th closest reals; None where the limit is given
    leaning: Tensor  # samples that have it, and no other, near them
    group: Tensor  # number of its connected component, in the order of their first samples
    copies: Tensor  # samples equal to it, itself included
    growth: float = 0.0
    """Near pairs are as many as expected near pairs of reals to this power, in [0, 1]; 0 where the limit is given."""

    @property
    def pairs(self) -> int:
        """Number of near pairs."""
        return int(self.degree.sum()) // 2


def near(real: Rows, fake: Rows, threshold: float | None) -> Near:
    """The near-duplicates among the fakes, within `threshold` or, if None, the distance of the closest pair of reals.

    Remembered beside both sets. Raises TooFewSamples below two rows a side, UsageError on a negative threshold.
    """
    same_width(real.d, fake.d)
    if threshold is not None and not threshold >= 0:
        raise UsageError(f"threshold={threshold} is not a distance; give 0 or more.")
    if min(real.n, fake.n) < 2:
        raise TooFewSamples(f"pairs need at least 2 rows per side, got {real.n} and {fake.n}; add samples.")

    def make() -> Near:
        limits = [threshold**2] if threshold is not None else _limits(real, RANK, FURTHEST)
        return _within(UniqueRows.of(fake.features), limits)

    return once((real, fake), ("near-duplicates", threshold), make)


def _limits(real: Rows, *ranks: int) -> list[float]:
    """Squared distances of the closest reals and of those of each rank or the last, with one below in between.

    The one below is where NEARER pairs of reals are expected: close pairs grow with a power of the distance, which is
    that between the last two ranks.
    """
    points = UniqueRows.of(real.features)
    closest = once((real,), ("closest pairs", ranks[-1]), lambda: _pairs_of(points, ranks[-1]))
    alike = int((points.copies * (points.copies - 1)).sum()) // 2  # pairs at distance 0, folded away
    ordered = [0.0] * min(alike, ranks[-1]) + closest[2].tolist()
    first, further, furthest = (ordered[min(rank, len(ordered)) - 1] for rank in (1, *ranks))
    below = first * NEARER ** (log(furthest / further) / _climb(*ranks)) if further > 0 else 0.0
    return [first, further, below, furthest]


def _climb(low: int, high: int) -> float:
    """Expected logarithm of how much rarer the pair of rank `low` is than that of rank `high`."""
    return float(digamma(high) - digamma(low))


def _growth(degrees: Tensor) -> float:
    """`Near.growth` from degrees `[m, 4]` at `_limits`."""
    here, further, below, furthest = (degrees.sum(0) / 2).tolist()
    least, most, climb = (below, here, -log(NEARER)) if here >= MANY else (further, furthest, _climb(RANK, FURTHEST))
    return min(1.0, max(0.0, log((most + 0.5) / (least + 0.5)) / climb))


def _upper(pairs: Pairs, matrix: BoundedMatrix) -> Iterator[tuple[slice, slice, Tensor]]:
    """Lower bounds of all pairs i < j, block by block; inf elsewhere."""
    for rows in blocks(len(pairs.left)):
        for columns in blocks(len(pairs.left)):
            if rows.start <= columns.start:
                yield rows, columns, _triangle(rows, columns, lower_bounds(matrix, matrix, rows, columns))


def _triangle(rows: slice, columns: slice, low: Tensor) -> Tensor:
    return low.masked_fill_(torch.ones_like(low, dtype=torch.bool).tril(), inf) if rows == columns else low


def _pairs_of(points: UniqueRows, keep: int) -> tuple[Tensor, Tensor, Tensor, float]:
    """The `keep` closest pairs of different rows: i, j, squared distances ascending, and how far they are complete.

    Every pair closer than the last number is there; it is inf where there are no more.
    """
    pairs, device = Pairs(points.rows, points.rows), points.rows.device
    i = j = torch.empty(0, dtype=torch.int64, device=device)
    squared, edge = torch.empty(0, dtype=torch.float64, device=device), inf
    with ieee_products(device):
        for rows, columns, low in _upper(pairs, pairs.float32[0]):
            at, to = _contenders(pairs, rows, columns, low, edge, keep)
            if not len(at):
                continue
            i, j = torch.cat([i, at + rows.start]), torch.cat([j, to + columns.start])
            fresh = squared_distances(points.rows, points.rows, i[len(squared) :], j[len(squared) :])
            squared = torch.cat([squared, fresh])
            if len(squared) > keep:
                kept = squared.topk(keep, largest=False).indices
                i, j, squared = i[kept], j[kept], squared[kept]
                edge = float(squared.max())
    order = torch.argsort(squared, stable=True)
    return i[order], j[order], squared[order], edge


def _contenders(
    pairs: Pairs, rows: slice, columns: slice, low: Tensor, edge: float, keep: int
) -> tuple[Tensor, Tensor]:
    """Places in a block of all pairs that can be among the `keep` closest and closer than `edge`."""
    for matrix in (pairs.float32[0], pairs.float64[0]):
        if low.dtype != matrix.rows.dtype:
            low = _triangle(rows, columns, lower_bounds(matrix, matrix, rows, columns))
        at, to = (low < edge).nonzero(as_tuple=True)
        if len(at) > 4 * keep:
            high = low.double() + matrix.error_bound[rows][:, None] + matrix.error_bound[columns]
            edge = min(edge, float(high.flatten().topk(keep, largest=False).values.max()))
            at, to = (low <= edge).nonzero(as_tuple=True)
        if len(at) <= 4 * keep:
            break
    return at, to


def _within(points: UniqueRows, limits: Sequence[float]) -> Near:
    """Pairs of `points` no farther than the first of the squared `limits`, the last the largest; degrees at all."""
    pairs, device, u = Pairs(points.rows, points.rows), points.rows.device, len(points.rows)
    bounds = torch.tensor(limits, dtype=torch.float64, device=device)
    degree = (points.copies - 1)[:, None].repeat(1, len(limits))
    partner = torch.zeros(u, dtype=torch.int64, device=device)
    group = np.arange(u)
    with ieee_products(device):
        for rows, columns, low in _upper(pairs, pairs.float32[0]):
            i, j = (low <= bounds[-1]).nonzero(as_tuple=True)
            if not len(i):
                continue

            def unsure(least: Tensor, most: Tensor) -> Tensor:
                return ((least[:, None] <= bounds) & (bounds <= most[:, None])).any(1)

            inside = pairs.settle(rows, columns, i, j, low, unsure)[:, None] <= bounds
            i, j = i + rows.start, j + columns.start
            degree.index_add_(0, i, inside * points.copies[j, None])
            degree.index_add_(0, j, inside * points.copies[i, None])
            i, j = i[inside[:, 0]], j[inside[:, 0]]
            partner.index_add_(0, i, j)
            partner.index_add_(0, j, i)
            group = _joined(group, i, j)
    place = points.place
    leaning = _leaning(points.copies, degree[:, 0], partner)
    _, first, label = np.unique(group[place.cpu().numpy()], return_index=True, return_inverse=True)
    numbered = torch.from_numpy(np.argsort(np.argsort(first))[label])
    degree = degree[place].cpu()
    further, growth = (degree[:, 1], _growth(degree)) if len(limits) > 1 else (None, 0.0)
    copies = points.copies[place].cpu()
    return Near(limits[0] ** 0.5, degree[:, 0], further, leaning[place].cpu(), numbered, copies, growth)


def _leaning(copies: Tensor, degree: Tensor, partner: Tensor) -> Tensor:
    """`Near.leaning` of each row; `partner` is the sum over the rows near it: where that is one, it is that one."""
    single = (copies == 1) & (degree == 1)
    return torch.bincount(partner[single], minlength=len(copies)) + ((copies == 2) & (degree == 1))


def _joined(group: np.ndarray, i: Tensor, j: Tensor) -> np.ndarray:
    """Groups `[u]` after the members of each pair (i, j) have been joined."""
    if not len(i):
        return group
    ends = group[i.cpu().numpy()], group[j.cpu().numpy()]
    graph = scipy.sparse.coo_array((np.ones(len(i), bool), ends), shape=(len(group), len(group)))
    return np.asarray(scipy.sparse.csgraph.connected_components(graph, directed=False)[1][group])


@dataclass(frozen=True, eq=False)
class _Pooled:
    """The closest pairs of a pool, of its different rows."""

    place: Tensor  # [n + m]
    i: Tensor
    j: Tensor
    squared: Tensor
    edge: float


def renear(pool: TwoSamplePool, splits: Splits, threshold: float | None) -> tuple[Tensor, Tensor]:
    """Near pairs among the fakes of each split, and fakes with another near them, float64 `[B]` each.

    NaN where the closest pairs of the pool do not suffice to tell.
    """

    def make() -> _Pooled:
        points = UniqueRows.of(pool.features())
        share = (pool.n + pool.m) / max(pool.n, 1)
        found = _pairs_of(points, int(KEPT * max(1.0, share**2 / 4)))
        return _Pooled(points.place.cpu(), found[0].cpu(), found[1].cpu(), found[2].cpu(), found[3])

    closest = once((pool.real, pool.fake), "closest pairs of the pool", make)
    values = [_on_split(closest, side, threshold) for side in splits.side.cpu()]
    counts = torch.tensor(values, dtype=torch.float64).reshape(-1, 2)
    return counts[:, 0], counts[:, 1]


def _on_split(closest: _Pooled, side: Tensor, threshold: float | None) -> tuple[float, float]:
    rows = int(closest.place.max()) + 1
    reals, fakes = (torch.bincount(closest.place[side == which], minlength=rows) for which in (REAL, FAKE))
    if threshold is not None:
        limit = threshold**2
    elif bool((reals > 1).any()):
        limit = 0.0
    else:
        both = (reals[closest.i] * reals[closest.j] > 0).nonzero()[:, 0]
        limit = float(closest.squared[both[0]]) if len(both) else inf
    if limit > 0 and not limit < closest.edge:
        return float("nan"), float("nan")
    inside = closest.squared <= limit
    i, j = closest.i[inside], closest.j[inside]
    pairs = (fakes * (fakes - 1)).sum() / 2 + (fakes[i] * fakes[j]).sum()
    touched = fakes > 1
    touched[torch.cat([i[fakes[j] > 0], j[fakes[i] > 0]])] = True
    return float(pairs), float(fakes[touched].sum())
