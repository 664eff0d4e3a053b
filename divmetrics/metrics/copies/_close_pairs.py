"""The closest pairs of different samples of a set, and which of them are copies of one another.

Real sets hold copies: the same picture twice, or saved again with another quality. A threshold that rests on the
closest pair must not fall to theirs. Equal rows count once. A pair of unequal rows is a copy where it is too near for
any smooth density: around each sample the number of others grows as a power of the distance, so that the ratio of the
distances to the nearest and to the k-th nearest sample, to that power, is below x with probability (k - 1) x. Copies
come in groups of fewer than k and leave the k-th neighbours alone, and a tight mode, all of whose samples are near to
each other, holds no copies by this measure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import torch
from scipy.special import digamma
from torch import Tensor

from divmetrics.arrays.pairs import (
    BoundedMatrix,
    Pairs,
    UniqueRows,
    blocks,
    ieee_products,
    lower_bounds,
    squared_ball_radii,
    squared_distances,
)

NEIGHBOUR = 10
"""The neighbour k that the distance of a pair is compared with; half of it where a set has fewer than 21 samples."""
FEWEST = 4
"""Least k: below 9 different samples no pair is called a copy."""
CHANCE = 0.01
"""Probability that among all samples of a set without copies some pair is called one."""
MOST = 2**15
"""Pairs kept at most, where many are copies."""


@dataclass(frozen=True, eq=False)
class ClosePairs:
    """The closest pairs of the unique rows of a set, ascending by distance; tensors are `[pairs]` on the CPU."""

    i: Tensor
    j: Tensor
    squared: Tensor  # float64
    copies: Tensor  # bool, nearer than samples of a smooth density come
    edge: float  # every pair below this squared distance is included


def close_pairs(points: UniqueRows, count: int) -> ClosePairs:
    """The closest pairs of `points`, at least `count` of which are not copies, or all pairs, or `MOST`."""
    bounds, keep = _copy_bounds(points.once_each), count
    while True:
        i, j, squared, edge = _closest_pairs(points, keep)
        copies = squared < torch.minimum(bounds[i], bounds[j])
        if edge == inf or keep >= MOST or int((~copies).sum()) >= count:
            return ClosePairs(i.cpu(), j.cpu(), squared.cpu(), copies.cpu(), edge)
        keep = min(MOST, 8 * keep)


def _copy_bounds(points: UniqueRows) -> Tensor:
    """Squared distance `[u]` below which another of `points`, which are all different, is a copy of each.

    The power with which the number of neighbours grows follows from the mean log ratio of the distances to the k-th and
    to the k/2-th neighbour, as in estimates of the intrinsic dimension (Levina and Bickel 2004).
    """
    u, device = len(points.rows), points.rows.device
    k = min(NEIGHBOUR, (u - 1) // 2)
    if k < FEWEST:
        return torch.zeros(u, dtype=torch.float64, device=device)
    inner, outer = squared_ball_radii(points, [k // 2, k]).T
    spread = float(((outer / inner).log() / 2)[inner > 0].mean())
    dimension = float(points.rows.shape[1])
    if spread > 0:
        dimension = min(dimension, float(digamma(k) - digamma(k // 2)) / spread)
    bounds: Tensor = outer * (CHANCE / (u * (k - 1))) ** (2 / dimension)
    return bounds


def upper_blocks(pairs: Pairs, matrix: BoundedMatrix) -> Iterator[tuple[slice, slice, Tensor]]:
    """Lower bounds of squared distances of all pairs i < j, block by block; inf elsewhere."""
    for rows in blocks(len(pairs.left)):
        for columns in blocks(len(pairs.left)):
            if rows.start <= columns.start:
                yield rows, columns, _strict_upper(rows, columns, lower_bounds(matrix, matrix, rows, columns))


def _strict_upper(rows: slice, columns: slice, low: Tensor) -> Tensor:
    """`low` with inf on and below the diagonal, where the block is on the diagonal."""
    return low.masked_fill_(torch.ones_like(low, dtype=torch.bool).tril(), inf) if rows == columns else low


def _closest_pairs(points: UniqueRows, keep: int) -> tuple[Tensor, Tensor, Tensor, float]:
    """The `keep` closest pairs of unique rows: i, j, squared distances ascending, and the radius of completeness.

    Every pair whose squared distance is below the radius is included; it is inf where there are no more pairs.
    """
    pairs, device = Pairs(points.rows, points.rows), points.rows.device
    i = j = torch.empty(0, dtype=torch.int64, device=device)
    squared, edge = torch.empty(0, dtype=torch.float64, device=device), inf
    with ieee_products(device):
        for rows, columns, low in upper_blocks(pairs, pairs.float32[0]):
            at, to = _candidates(pairs, rows, columns, low, edge, keep)
            if not len(at):
                continue
            i, j = torch.cat([i, at + rows.start]), torch.cat([j, to + columns.start])
            fresh = squared_distances(points.rows, points.rows, i[len(squared) :], j[len(squared) :])
            squared = torch.cat([squared, fresh])
            if len(squared) > keep:
                kept = squared.topk(keep, largest=False).indices
                i, j, squared = i[kept], j[kept], squared[kept]
                edge = float(squared.max())
    total = len(points.rows) * (len(points.rows) - 1) // 2
    edge = inf if len(squared) == total else float(squared.max())
    order = torch.argsort(squared, stable=True)
    return i[order], j[order], squared[order], edge


def _candidates(
    pairs: Pairs, rows: slice, columns: slice, low: Tensor, edge: float, keep: int
) -> tuple[Tensor, Tensor]:
    """Places in a block of all pairs that may be among the `keep` closest and below the squared distance `edge`."""
    for matrix in (pairs.float32[0], pairs.float64[0]):
        if low.dtype != matrix.rows.dtype:
            low = _strict_upper(rows, columns, lower_bounds(matrix, matrix, rows, columns))
        at, to = (low < edge).nonzero(as_tuple=True)
        if len(at) > 4 * keep:
            high = low.double() + matrix.error_bound[rows][:, None] + matrix.error_bound[columns]
            edge = min(edge, float(high.flatten().topk(keep, largest=False).values.max()))
            at, to = (low <= edge).nonzero(as_tuple=True)
        if len(at) <= 4 * keep:
            break
    return at, to
