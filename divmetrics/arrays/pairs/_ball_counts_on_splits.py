"""Who lies in whose ball on each of many splits of a pool, read off its neighbour lists without a further distance.

In the list of a sample, ascending by distance, the k-th of its own side ends the ball, and those of the other side
before it are inside. Most balls end early in the list, so a few columns are looked at first and the rest where needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs._dense_balls import count_dense_balls
from divmetrics.arrays.pairs._neighbour_lists import NeighbourLists, greatest_depth, needed_depths, neighbour_lists
from divmetrics.arrays.pairs._neighbour_pass import Ties
from divmetrics.arrays.pairs._split_results import BallCountsOnSplits, BallQuery, middle_values
from divmetrics.arrays.splits import ABSENT, FAKE, REAL, Pool, Splits

COLUMNS = 32
"""Columns of the lists that are looked at first."""


def ball_counts_on_splits(
    pool: Pool, splits: Splits, k: int, ties: Ties, *, capped: bool = False, smallest: bool = False
) -> BallCountsOnSplits:
    """`support` on every split of `pool`, remembered beside both; `capped` and `smallest` as `BallQuery` has them.

    Splits on which a side has no k-th neighbour, or so small a share of the pool that lists would have to be deeper
    than memory allows, are not usable.
    """
    ask = BallQuery(k, ties == "closed", capped, smallest)
    return once((pool, splits), ("ball counts on splits", ask), lambda: _count(pool, splits, ask))


def lists_for_splits(pool: Pool, splits: Splits, k: int) -> tuple[NeighbourLists, np.ndarray]:
    """The lists of `pool`, as deep as `splits` need for k neighbours, and for which of them `[B]` they suffice."""
    needed, possible = needed_depths(pool, splits, k), greatest_depth(pool)
    enough = (needed <= possible) | (possible >= max(pool.n, pool.m))
    return neighbour_lists(pool, int(needed[enough].max(initial=k))), enough


@dataclass(frozen=True, eq=False)
class NearestOnSplits:
    """The nearest other samples on B splits of N pooled samples; of samples that are absent nothing is meant."""

    side: np.ndarray  # [B, N] uint8
    index: np.ndarray  # [B, N] int32, place of the nearest of the other side
    other: np.ndarray  # [B, N] float32, its squared distance, inf where it is not listed
    own: np.ndarray  # [B, N] float32, squared distance of the nearest other one of the own side


def nearest_neighbours_on_splits(pool: Pool, splits: Splits) -> NearestOnSplits:
    """`nearest_across` on every split of `pool`, and the nearest within each side."""
    found, _ = lists_for_splits(pool, splits, 1)
    side = splits.side.cpu().numpy()
    index = np.zeros(side.shape, np.int32)
    other, own = (np.full(side.shape, np.inf, np.float32) for _ in range(2))
    for b, row in enumerate(side):
        padded = np.append(row, np.uint8(ABSENT))
        for wanted in (REAL, FAKE):
            for of, squared in ((wanted, own), (REAL + FAKE - wanted, other)):
                rows = np.flatnonzero(row == of)
                first, squared[b, rows] = _first(found, padded, rows, wanted)
                if of != wanted:
                    index[b, rows] = first
    return NearestOnSplits(side, index, other, own)


def _first(found: NeighbourLists, side: np.ndarray, rows: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Place and squared distance of the first sample of side `wanted` in the lists of `rows`; 0 and inf if none is."""
    index, squared = np.zeros(len(rows), np.int32), np.full(len(rows), np.inf, np.float32)
    left, width = np.arange(len(rows)), COLUMNS // 4
    while len(left):
        listed = found.index[rows[left], :width]
        inside = side.take(listed) == wanted
        at = inside.argmax(1)
        hit = inside[np.arange(len(left)), at]
        index[left[hit]] = listed[hit, at[hit]]
        squared[left[hit]] = found.squared[rows[left[hit]], at[hit]]
        left, width = left[~hit] if width < found.index.shape[1] else left[:0], 2 * width
    return index, squared


def _count(pool: Pool, splits: Splits, ask: BallQuery) -> BallCountsOnSplits:
    found, enough = lists_for_splits(pool, splits, ask.k)
    hits = BallCountsOnSplits.empty(splits, ask, enough, found.scale)
    crowded = np.zeros(hits.side.shape, bool)
    for b in np.flatnonzero(hits.usable):
        _read(found, hits, int(b), ask, crowded[b])
    if crowded.any():
        count_dense_balls(pool, found, hits, ask, crowded)
    return hits


class _Piece(NamedTuple):
    """The beginnings of the lists of some samples, long enough to hold their balls."""

    rows: np.ndarray  # [r] places in the pool
    places: np.ndarray  # [r, w]
    squared: np.ndarray  # [r, w]
    other: np.ndarray  # [r, w] bool, present and of the other side
    same: np.ndarray  # [r, w] bool, of the own side


def _read(found: NeighbourLists, hits: BallCountsOnSplits, b: int, ask: BallQuery, crowded: np.ndarray) -> None:
    """Count split `b`; samples whose balls hold more than is listed are marked in `crowded` `[N]` instead."""
    side, radius = hits.side[b], hits.radius[b]
    rows = np.flatnonzero(side == REAL if ask.of_reals else side != ABSENT)
    pieces = list(_pieces(found, np.append(side, np.uint8(ABSENT)), rows, ask, radius))
    if ask.capped:
        low, high = middle_values(radius[rows])
        radius[rows] = np.minimum(radius[rows], low if low == high else ((low**0.5 + high**0.5) / 2) ** 2)
    reach = found.reach[rows].min(1)
    crowded[rows] = (radius[rows] > reach) | (ask.closed & (radius[rows] == reach))
    total = len(side) + 1  # one more for the end of short lists
    within = np.less_equal if ask.closed else np.less
    for piece in pieces:
        limit = np.where(crowded[piece.rows], -1, radius[piece.rows])[:, None]
        inside = within(piece.squared, limit)
        at = np.flatnonzero(inside & piece.other)
        owner, target = at // piece.places.shape[1], piece.places.ravel()[at]
        hits.in_ball[b][piece.rows] += np.bincount(owner, minlength=len(piece.rows)).astype(np.int32)
        hits.balls_over[b] += np.bincount(target, minlength=total)[:-1].astype(np.int32)
        if ask.capped:
            hits.own_over[b] += np.bincount(piece.places[inside & piece.same], minlength=total)[:-1].astype(np.int32)
        if ask.smallest:
            np.minimum.at(hits.smallest[b], target, radius[piece.rows][owner])


def _pieces(
    found: NeighbourLists, side: np.ndarray, rows: np.ndarray, ask: BallQuery, radius: np.ndarray
) -> Iterator[_Piece]:
    """The lists of `rows`, each as long as its ball needs; the squared radii go to `radius`."""
    width, widest = COLUMNS, found.index.shape[1]
    while len(rows):
        width = min(width, widest)
        index, squared = found.index[rows, :width], found.squared[rows, :width]
        there, own = side.take(index), side[rows, None]
        same = there == own
        seen = same.cumsum(1, dtype=np.int16)
        position = (seen < ask.k).sum(1)
        reached = squared[np.arange(len(rows)), position.clip(max=width - 1)]
        reached[position == width] = np.inf
        # A closed ball goes on to the last of those at the same distance.
        ended = (reached < squared[:, -1]) | ((position < width) & (not ask.closed)) | (width == widest)
        radius[rows[ended]] = reached[ended]
        other = there == (REAL + FAKE - own)
        whole = [index, squared, other, same]
        yield _Piece(rows[ended], *(part[ended] for part in whole) if not ended.all() else whole)
        rows, width = rows[~ended], 2 * width
