"""Balls that hold more samples than are listed: a tight cluster of thousands within one ball, or a rare miss.

Their distances to the whole pool are computed once more, some rows at a time, and serve all splits before they go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from divmetrics.arrays.pairs._neighbour_lists import DistanceEstimates, NeighbourLists
from divmetrics.arrays.pairs._split_results import BallCountsOnSplits, BallQuery
from divmetrics.arrays.splits import FAKE, REAL, Pool

ROWS = 256
"""Samples whose distances to all others are held at once."""


def full_rows(pool: Pool, found: NeighbourLists, places: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`places` in pieces `[r]`, each with its squared distances `[r, N]` float32 to all, as they are in the lists."""
    for in_float64 in (False, True):
        rows = places[found.in_float64[places] == in_float64]
        if len(rows):
            estimates = replace(DistanceEstimates.of(pool, in_float64=in_float64), scale=found.scale)
            for few in np.array_split(rows, -(-len(rows) // ROWS)):
                on_device = torch.from_numpy(few).to(estimates.matrix.rows.device)
                yield few, estimates.block(on_device, slice(0, pool.n + pool.m)).cpu().numpy()


def count_dense_balls(
    pool: Pool, found: NeighbourLists, hits: BallCountsOnSplits, ask: BallQuery, crowded: np.ndarray
) -> None:
    """Add to `hits` what the balls of the samples marked in `crowded` `[B, N]` hold."""
    for rows, squared in full_rows(pool, found, np.flatnonzero(crowded.any(0))):
        columns = np.ascontiguousarray(squared.T)  # [N, r]: those of one side are then rows, which copy fast
        for b in np.flatnonzero(crowded[:, rows].any(1)):
            for own in (REAL, FAKE):
                chosen = crowded[b, rows] & (hits.side[b, rows] == own)
                if chosen.any():
                    reach = listed_reach(pool, found, hits.side[b], own)[rows]
                    _add(hits, int(b), own, (rows, chosen, reach), columns, ask)


def listed_reach(pool: Pool, found: NeighbourLists, side: np.ndarray, own: int) -> np.ndarray:
    """Squared distance `[N]` up to which all samples are listed that have side `own` on a split."""
    present = [bool((part == own).any()) for part in (side[: pool.n], side[pool.n :])]
    reach: np.ndarray = np.where(present, found.reach, np.inf).min(1)
    return reach


def _add(
    hits: BallCountsOnSplits,
    b: int,
    own: int,
    balls: tuple[np.ndarray, np.ndarray, np.ndarray],
    squared: np.ndarray,
    ask: BallQuery,
) -> None:
    """Add the balls of `(rows, chosen, reach)`: those of `rows` that are chosen, all of side `own` on split `b`."""
    rows, chosen, reach = balls
    within = np.less_equal if ask.closed else np.less
    same, other = (np.flatnonzero(hits.side[b] == side) for side in (own, REAL + FAKE - own))
    lost = chosen & (hits.radius[b, rows] > reach)  # its own side is not listed as far as that
    if lost.any():
        kth = np.partition(squared[same][:, lost], ask.k - 1, axis=0)[ask.k - 1]
        hits.radius[b, rows[lost]] = np.minimum(hits.radius[b, rows[lost]], kth)
    limit = np.where(chosen, hits.radius[b, rows], -1).astype(np.float32)  # [r]
    inside = within(squared[other], limit).astype(np.float32)  # sums of these are products, which are fast, and exact
    hits.in_ball[b, rows] += (np.ones(len(other), np.float32) @ inside).astype(np.int32)
    hits.balls_over[b, other] += (inside @ np.ones(len(rows), np.float32)).astype(np.int32)
    if ask.capped:
        hits.own_over[b, same] += np.count_nonzero(within(squared[same], limit), axis=1).astype(np.int32)
    if ask.smallest:
        least = np.where(inside > 0, limit, np.inf).min(1)
        hits.smallest[b, other] = np.minimum(hits.smallest[b, other], least)
