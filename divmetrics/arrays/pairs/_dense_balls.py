"""Ball counts of samples whose balls hold more samples than their neighbour lists: from full rows of distances.

Such balls lie over tight clusters of thousands of samples, or belong to the rare samples whose lists are too short. The
distances of these samples to the whole pool are computed again, some rows at a time, and serve all splits at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from divmetrics.arrays.freed_memory import return_freed
from divmetrics.arrays.pairs._neighbour_lists import DistanceEstimates, NeighbourLists
from divmetrics.arrays.pairs._split_results import BallCountsOnSplits, BallQuery
from divmetrics.arrays.splits import FAKE, REAL, Pool

ROWS, ENTRIES = 256, 2**23
"""Rows of distances to the whole pool that are held at once, and numbers in them: 34 MB."""


def distances_to_all(pool: Pool, lists: NeighbourLists, places: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Squared distances of the whole pool to some samples, in the units and the precision of their neighbour lists.

    Args:
        pool: The N samples.
        lists: Their neighbour lists.
        places: Numbers `[p]` of the samples.

    Yields:
        Numbers `[r]` of some of them, and the squared distances `[N, r]` float32 of all samples to these: those of one
        side are rows, which copy fast.
    """
    for in_float64 in (False, True):
        rows = places[lists.in_float64[places] == in_float64]
        if len(rows):
            yield from _distances_to_all(pool, lists.scale, rows, in_float64=in_float64)


def _distances_to_all(
    pool: Pool, scale: float, places: np.ndarray, *, in_float64: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`distances_to_all` in one precision."""
    most = max(1, min(ROWS, ENTRIES // (pool.n + pool.m)))
    estimates = replace(DistanceEstimates.of(pool, in_float64=in_float64), scale=scale)
    for few in np.array_split(places, -(-len(places) // most)):
        on_device = torch.from_numpy(few).to(estimates.matrix.rows.device)
        yield few, estimates.block(on_device, slice(0, pool.n + pool.m)).T.contiguous().cpu().numpy()
    del estimates
    return_freed()


def count_dense_balls(
    pool: Pool, lists: NeighbourLists, counts: BallCountsOnSplits, query: BallQuery, dense: np.ndarray
) -> None:
    """Add to `counts` the contents of the balls of the samples marked in `dense` `[B, N]` bool."""
    for rows, squared in distances_to_all(pool, lists, np.flatnonzero(dense.any(0))):
        for b in np.flatnonzero(dense[:, rows].any(1)):
            for own in (REAL, FAKE):
                chosen = dense[b, rows] & (counts.side[b, rows] == own)
                if chosen.any():
                    reach = listed_reach(pool, lists, counts.side[b], own)[rows]
                    _add(counts, int(b), own, (rows, chosen, reach), squared, query)


def listed_reach(pool: Pool, lists: NeighbourLists, side: np.ndarray, own: int) -> np.ndarray:
    """Squared distance `[N]` up to which the lists hold all samples that have side `own` on a split `side` `[N]`."""
    present = [bool((part == own).any()) for part in (side[: pool.n], side[pool.n :])]
    reach: np.ndarray = np.where(present, lists.reach, np.inf).min(1)
    return reach


def _add(
    counts: BallCountsOnSplits,
    b: int,
    own: int,
    balls: tuple[np.ndarray, np.ndarray, np.ndarray],
    squared: np.ndarray,
    query: BallQuery,
) -> None:
    """Add some balls of split `b`, all of side `own`, to `counts`.

    `balls`: the samples `[r]`, which of them have a dense ball `[r]` bool, and their `listed_reach` `[r]`; `squared`:
    their squared distances `[N, r]` to the pool.
    """
    rows, chosen, reach = balls
    contains = np.less_equal if query.closed else np.less
    same, other = (np.flatnonzero(counts.side[b] == side) for side in (own, REAL + FAKE - own))
    beyond_lists = chosen & (counts.radius[b, rows] > reach)  # the k-th of the own side may not be listed
    if beyond_lists.any():
        kth = np.partition(squared[same][:, beyond_lists], query.k - 1, axis=0)[query.k - 1]
        counts.radius[b, rows[beyond_lists]] = np.minimum(counts.radius[b, rows[beyond_lists]], kth)
    limit = np.where(chosen, counts.radius[b, rows], -1).astype(np.float32)  # [r]
    inside = contains(squared[other], limit).astype(np.float32)  # its sums are products, which are fast, and exact
    counts.in_ball[b, rows] += (np.ones(len(other), np.float32) @ inside).astype(counts.in_ball.dtype)
    counts.balls_over[b, other] += (inside @ np.ones(len(rows), np.float32)).astype(counts.balls_over.dtype)
    if query.capped:
        own_over = np.count_nonzero(contains(squared[same], limit), axis=1)
        counts.own_over[b, same] += own_over.astype(counts.own_over.dtype)
    if query.smallest:
        least = np.where(inside > 0, limit, np.inf).min(1)
        counts.smallest[b, other] = np.minimum(counts.smallest[b, other], least)
