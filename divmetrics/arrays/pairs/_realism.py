"""Median realism score of the fake samples on many splits of a pool, from bounds that neighbour lists give.

The ball that maximises radius over distance for a fake sample is usually one of its neighbours, because other balls are
too far away: the lists bound each score from both sides. Only the fake samples whose bounds leave the median open are
compared with the whole pool.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from divmetrics.arrays.pairs._ball_counts_on_splits import ball_counts_on_splits
from divmetrics.arrays.pairs._dense_balls import distances_to_all, listed_reach
from divmetrics.arrays.pairs._neighbour_lists import NeighbourLists, neighbour_lists
from divmetrics.arrays.pairs._split_results import BallCountsOnSplits, middle_values
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits


def median_realism_on_splits(pool: Pool, splits: Splits, k: int) -> Tensor:
    """Median over the fake samples of `realism_scores` on every split of a pool.

    Args:
        pool: The real and fake samples.
        splits: B assignments of them to the two sides.
        k: Rank of the nearest neighbour that a ball reaches to.

    Returns:
        `[B]` float64; NaN where a side has no k-th neighbours.
    """
    counts, lists = ball_counts_on_splits(pool, splits, k, "open"), neighbour_lists(pool, k)
    shape = counts.side.shape
    weights = np.full((shape[0], shape[1] + 1), np.inf, np.float32)  # 1 / radius²; the last ends short lists
    least = np.full(shape, np.nan, np.float32)  # least distance² / radius², the score is the root of 1 over it
    undecided = np.zeros(shape, bool)
    for b in np.flatnonzero(counts.usable).tolist():
        real, fake = counts.side[b] == REAL, np.flatnonzero(counts.side[b] == FAKE)
        radii = counts.radius[b, real]
        median, _ = middle_values(radii)
        weights[b, :-1][real] = np.where(radii <= median, 1 / radii.clip(min=1e-30), np.inf)
        least[b, fake] = _least_listed(lists, weights[b], fake)
        floor = listed_reach(pool, lists, counts.side[b], REAL)[fake] / median.clip(1e-30)
        undecided[b, fake] = _may_move_the_median(np.minimum(least[b, fake], floor), least[b, fake])
    _minimise_over_pool(pool, lists, weights, least, undecided)
    return counts.nan_where_unusable(_medians(counts, least))


def _least_listed(lists: NeighbourLists, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Least weighted squared distance `[r]` of `rows` to the samples in their lists; weights inf are left out."""
    index, squared = lists.index[rows], lists.squared[rows]
    weighted = weights.take(index)
    weighted = np.where(np.isfinite(weighted), squared, np.inf) * np.where(np.isfinite(weighted), weighted, 1)
    least: np.ndarray = weighted.min(1)
    return least


def _may_move_the_median(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which values `[r]`, known only to lie between `low` and `high`, could change the median of all."""
    lowest, highest = middle_values(low)[0], middle_values(high)[1]
    return (low < high) & (low <= highest) & (high >= lowest)


def _minimise_over_pool(
    pool: Pool, lists: NeighbourLists, weights: np.ndarray, least: np.ndarray, undecided: np.ndarray
) -> None:
    """Replace the entries of `least` marked in `undecided` `[B, N]` by the minimum over the whole pool."""
    for rows, squared in distances_to_all(pool, lists, np.flatnonzero(undecided.any(0))):
        for b in np.flatnonzero(undecided[:, rows].any(1)):
            wanted = undecided[b, rows]
            weighted = np.flatnonzero(np.isfinite(weights[b, :-1]))
            least[b, rows[wanted]] = (squared[weighted] * weights[b, weighted, None]).min(0)[wanted]


def _medians(counts: BallCountsOnSplits, least: np.ndarray) -> np.ndarray:
    """Median `[B]` over the fake samples of the scores, the roots of 1 over `least`."""
    medians = np.full(len(least), np.nan)
    for b in np.flatnonzero(counts.usable):
        with np.errstate(divide="ignore"):
            medians[b] = np.median(1 / np.sqrt(least[b, counts.side[b] == FAKE].astype(np.float64)))
    return medians
