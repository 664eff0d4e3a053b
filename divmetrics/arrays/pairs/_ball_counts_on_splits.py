"""Ball counts and nearest neighbours on many splits of a pool, read from its neighbour lists without new distances.

In the list of a sample, ascending by distance, the k-th sample of its own side ends its ball, and the samples of the
other side before it are inside. Most balls end early in the list: a few columns are read first, more where needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, nan
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.devices import in_turn
from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs._dense_balls import count_dense_balls
from divmetrics.arrays.pairs._neighbour_lists import (
    RARE,
    RARE_BALL,
    NeighbourLists,
    greatest_depth,
    listed_depth,
    needed_depths,
    neighbour_lists,
)
from divmetrics.arrays.pairs._neighbour_pass import Ties
from divmetrics.arrays.pairs._split_results import BallCountsOnSplits, BallQuery, middle_values
from divmetrics.arrays.splits import ABSENT, FAKE, REAL, Pool, Splits

COLUMNS = 32
"""Columns of the lists that are read first, at most."""
SELDOM = 1e-2
"""Probability that a ball exceeds lists that are not made deeper."""
TOGETHER = 2**14
"""Samples whose balls are counted at once."""


def ball_counts_on_splits(
    pool: Pool, splits: Splits, k: int, ties: Ties, *, capped: bool = False, smallest: bool = False
) -> BallCountsOnSplits:
    """`ball_counts` on every split of a pool; what several metrics read is computed once for a pool, splits and query.

    Args:
        pool: The real and fake samples, N together.
        splits: B assignments of them to the two sides.
        k: Rank of the nearest neighbour that a ball reaches to, within its own side.
        ties: `"open"` counts distances below the radius, `"closed"` also those equal to it.
        capped: Count the balls of real samples alone, with radii of at most the median of their radii.
        smallest: Count the balls of real samples alone, and keep the smallest that contains each fake sample.

    Returns:
        The counts. Splits on which a side has no k-th neighbour, or is so small a share of the pool that its lists
        would not fit into memory, are marked as not usable.
    """
    query = BallQuery(k, ties == "closed", capped, smallest)
    if capped or smallest:  # one metric alone reads these
        return _count(pool, splits, query)
    return once((pool, splits), ("ball counts on splits", query), lambda: _count(pool, splits, query))


def lists_for_splits(pool: Pool, splits: Splits, k: int, rare: float = RARE) -> tuple[NeighbourLists, np.ndarray]:
    """Lists of `pool` as deep as k neighbours on `splits` need, and for which splits `[B]` that depth is possible."""
    needed, possible = needed_depths(pool, splits, k, rare), greatest_depth(pool)
    enough = (needed <= possible) | (possible >= max(pool.n, pool.m))
    return neighbour_lists(pool, int(needed[enough].max(initial=k))), enough


def counted_from_lists(pool: Pool, splits: Splits, k: int, ties: Ties) -> bool:
    """Make the counts of `ball_counts_on_splits` from the neighbour lists that are there, if few balls exceed them.

    Without deeper lists, which take a pass over all pairs, these few are compared with the whole pool: worth it for a
    handful of splits.

    Args:
        pool: The real and fake samples.
        splits: B assignments of them to the two sides.
        k: Rank of the nearest neighbour that a ball reaches to.
        ties: As in `ball_counts_on_splits`.

    Returns:
        Whether they are made.
    """
    depth = listed_depth(pool)
    if int(needed_depths(pool, splits, k, SELDOM).max(initial=k)) > depth:
        return False
    query = BallQuery(k, ties == "closed", capped=False, smallest=False)
    once((pool, splits), ("ball counts on splits", query), lambda: _count(pool, splits, query, depth))
    return True


@dataclass(frozen=True, eq=False)
class NearestReals:
    """Nearest real samples on one split of N pooled samples, as the neighbour lists hold them; inf where none is."""

    fakes: np.ndarray  # [f] int64, numbers of the fake samples
    index: np.ndarray  # [f] int32, number of the real sample that is nearest to each
    squared: np.ndarray  # [f] float32, squared distance to it, in units of the lists
    apart: np.ndarray  # [N] float32, from each real sample to the nearest real one that is not equal to it


def nearest_reals_on_splits(pool: Pool, splits: Splits, value: Callable[[NearestReals], float]) -> Tensor:
    """A value from the nearest real sample of each fake one, and from that of each real one, on every split of a pool.

    Args:
        pool: The real and fake samples, N together.
        splits: B assignments of them to the two sides.
        value: Called for one split after the other, by several threads.

    Returns:
        What it returned, `[B]` float64.
    """
    lists, _ = lists_for_splits(pool, splits, 1)
    found = torch.full((len(splits),), nan, dtype=torch.float64)

    def compute(b: int) -> float:
        side = np.append(splits.side[b].cpu().numpy(), np.uint8(ABSENT))
        fakes, reals = np.flatnonzero(side == FAKE), np.flatnonzero(side == REAL)
        index, squared = _first_listed(lists, side, fakes, REAL, different=False)
        _, own = _first_listed(lists, side, reals, REAL, different=True)
        # Lists full of copies say no more than how far they reach
        complete = np.where(np.isinf(lists.reach[reals]), 0, lists.reach[reals]).max(1)
        apart = np.full(len(side) - 1, np.inf, np.float32)
        apart[reals] = np.where(np.isinf(own), complete, own)
        return value(NearestReals(fakes, index, squared, apart))

    in_turn(range(len(splits)), compute, found.__setitem__, found.device)
    return found


def _first_listed(
    lists: NeighbourLists, side: np.ndarray, rows: np.ndarray, wanted: int, *, different: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Number and squared distance `[r]` of the first sample of side `wanted` in the lists of `rows`; 0, inf if none.

    With `different`, samples equal to that whose list it is are passed over.
    """
    index, squared = np.zeros(len(rows), np.int32), np.full(len(rows), np.inf, np.float32)
    left, width = np.arange(len(rows)), COLUMNS // 4
    while len(left):
        listed = lists.index[rows[left], :width]
        matches = side.take(listed) == wanted
        if different:
            matches &= lists.squared[rows[left], :width] > 0
        at = matches.argmax(1)
        hit = matches[np.arange(len(left)), at]
        index[left[hit]] = listed[hit, at[hit]]
        squared[left[hit]] = lists.squared[rows[left[hit]], at[hit]]
        left, width = left[~hit] if width < lists.index.shape[1] else left[:0], 2 * width
    return index, squared


def _count(pool: Pool, splits: Splits, query: BallQuery, depth: int | None = None) -> BallCountsOnSplits:
    """The counts, from lists as deep as they need, or of this `depth`."""
    if depth is None:
        lists, enough = lists_for_splits(pool, splits, query.k, RARE_BALL)
    else:
        lists, enough = neighbour_lists(pool, depth), np.ones(len(splits), bool)
    counts = BallCountsOnSplits.empty(splits, query, enough, lists.scale)
    dense = np.zeros(counts.side.shape, bool)

    def count(b: int) -> None:
        _count_split(lists, counts, b, query, dense[b])

    in_turn(np.flatnonzero(counts.usable).tolist(), count, lambda *_: None, torch.device("cpu"))
    if dense.any():
        count_dense_balls(pool, lists, counts, query, dense)
    return counts


class _ListPiece(NamedTuple):
    """The first w entries of the lists of r samples, long enough to contain their balls."""

    rows: np.ndarray  # [r] numbers of the samples
    neighbours: np.ndarray  # [r, w] their numbers
    squared: np.ndarray  # [r, w] squared distances
    other: np.ndarray  # [r, w] bool, neighbours of the other side
    same: np.ndarray  # [r, w] bool, neighbours of the same side


def _count_split(
    lists: NeighbourLists, counts: BallCountsOnSplits, b: int, query: BallQuery, dense: np.ndarray
) -> None:
    """Count the balls of split `b`; samples whose balls reach beyond their lists are marked in `dense` `[N]`."""
    side = counts.side[b]
    rows = np.flatnonzero(side == REAL if query.real_balls_only else side != ABSENT)
    if query.capped:  # by a median of all radii
        _count_balls(lists, counts, b, rows, query, dense)
        return
    for start in range(0, len(rows), TOGETHER):
        _count_balls(lists, counts, b, rows[start : start + TOGETHER], query, dense)


def _count_balls(
    lists: NeighbourLists, counts: BallCountsOnSplits, b: int, rows: np.ndarray, query: BallQuery, dense: np.ndarray
) -> None:
    """`_count_split` for the balls of the samples `rows`; all that have balls where these are capped."""
    side, radius = counts.side[b], counts.radius[b]
    pieces = list(_pieces(lists, np.append(side, np.uint8(ABSENT)), rows, query, radius))
    if query.capped:
        low, high = middle_values(radius[rows])
        radius[rows] = np.minimum(radius[rows], low if low == high else ((low**0.5 + high**0.5) / 2) ** 2)
    reach = lists.reach[rows].min(1)
    dense[rows] = (radius[rows] > reach) | (query.closed & (radius[rows] == reach))
    total = len(side) + 1  # one more for the end of short lists
    contains, dtype = np.less_equal if query.closed else np.less, counts.in_ball.dtype
    for piece in pieces:
        limit = np.where(dense[piece.rows], -1, radius[piece.rows])[:, None]
        inside = contains(piece.squared, limit)
        at = np.flatnonzero(inside & piece.other)
        owner, target = at // piece.neighbours.shape[1], piece.neighbours.ravel()[at]
        counts.in_ball[b][piece.rows] += np.bincount(owner, minlength=len(piece.rows)).astype(dtype)
        counts.balls_over[b] += np.bincount(target, minlength=total)[:-1].astype(dtype)
        if query.capped:
            counts.own_over[b] += np.bincount(piece.neighbours[inside & piece.same], minlength=total)[:-1].astype(dtype)
        if query.smallest:
            np.minimum.at(counts.smallest[b], target, radius[piece.rows][owner])


def _first_width(side: np.ndarray, query: BallQuery) -> int:
    """Columns that hold the balls of nearly all samples, where the sides are mixed."""
    shares = [float((side == own).mean()) for own in ((REAL,) if query.real_balls_only else (REAL, FAKE))]
    return min(COLUMNS, 8 * ceil(query.k / (5 * min(shares))))


def _pieces(
    lists: NeighbourLists, side: np.ndarray, rows: np.ndarray, query: BallQuery, radius: np.ndarray
) -> Iterator[_ListPiece]:
    """The lists of `rows`, each as long as its ball needs; writes the squared radii of the balls to `radius` `[N]`."""
    width, widest = _first_width(side, query), lists.index.shape[1]
    while len(rows):
        width = min(width, widest)
        index, squared = lists.index[rows, :width], lists.squared[rows, :width]
        listed_side, own = side.take(index), side[rows, None]
        same = listed_side == own
        rank = same.cumsum(1, dtype=np.int16)  # [r, width], how many of the own side are listed up to here
        position = (rank < query.k).sum(1)
        reached = squared[np.arange(len(rows)), position.clip(max=width - 1)]
        reached[position == width] = np.inf
        # A closed ball goes on to the last of those at the same distance.
        ended = (reached < squared[:, -1]) | ((position < width) & (not query.closed)) | (width == widest)
        radius[rows[ended]] = reached[ended]
        other = listed_side == (REAL + FAKE - own)
        whole = [index, squared, other, same]
        yield _ListPiece(rows[ended], *(part[ended] for part in whole) if not ended.all() else whole)
        rows, width = rows[~ended], 2 * width
