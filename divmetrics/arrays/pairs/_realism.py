"""Realism on many splits of a pool: the one neighbour metric that may look beyond the neighbours."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from divmetrics.arrays.pairs._ball_counts_on_splits import ball_counts_on_splits
from divmetrics.arrays.pairs._dense_balls import full_rows, listed_reach
from divmetrics.arrays.pairs._neighbour_lists import NeighbourLists, neighbour_lists
from divmetrics.arrays.pairs._split_results import BallCountsOnSplits, middle_values
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits


def median_realism_on_splits(pool: Pool, splits: Splits, k: int) -> Tensor:
    """Median of `realism_scores` on every split of `pool`, `[B]` float64; NaN where a side has no k-th neighbours.

    The ball that comes closest to a fake for its size is mostly one of its neighbours, for the others are too far: that
    bounds the score from both sides. The fakes whose bounds leave the median open are looked up in whole rows.
    """
    hits, found = ball_counts_on_splits(pool, splits, k, "open"), neighbour_lists(pool, k)
    weights = np.full((len(hits.side), hits.side.shape[1] + 1), np.inf, np.float32)  # one more: the end of short lists
    least = np.full(hits.side.shape, np.nan, np.float32)
    doubtful = np.zeros(hits.side.shape, bool)
    for b in np.flatnonzero(hits.usable).tolist():
        real, fake = hits.side[b] == REAL, np.flatnonzero(hits.side[b] == FAKE)
        radii = hits.radius[b, real]
        median, _ = middle_values(radii)
        weights[b, :-1][real] = np.where(radii <= median, 1 / radii.clip(min=1e-30), np.inf)
        least[b, fake] = _least_listed(found, weights[b], fake)
        floor = listed_reach(pool, found, hits.side[b], REAL)[fake] / median.clip(1e-30)
        doubtful[b, fake] = _open(np.minimum(least[b, fake], floor), least[b, fake])
    _look_up(pool, found, weights, least, doubtful)
    return hits.settled(_medians(hits, least))


def _least_listed(found: NeighbourLists, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Least weighted squared distance `[r]` of `rows` to the samples in their lists."""
    index, squared = found.index[rows], found.squared[rows]
    weighed = weights.take(index)
    weighed = np.where(np.isfinite(weighed), squared, np.inf) * np.where(np.isfinite(weighed), weighed, 1)
    least: np.ndarray = weighed.min(1)
    return least


def _open(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which values `[r]`, known to lie from `low` to `high`, may move the median of all."""
    lowest, highest = middle_values(low)[0], middle_values(high)[1]
    return (low < high) & (low <= highest) & (high >= lowest)


def _look_up(pool: Pool, found: NeighbourLists, weights: np.ndarray, least: np.ndarray, doubtful: np.ndarray) -> None:
    """Replace what is `doubtful` `[B, N]` in `least` by the least of all weighted squared distances."""
    for rows, squared in full_rows(pool, found, np.flatnonzero(doubtful.any(0))):
        columns = np.ascontiguousarray(squared.T)  # [N, r]: those of one side are then rows, which copy fast
        for b in np.flatnonzero(doubtful[:, rows].any(1)):
            wanted = doubtful[b, rows]
            some = np.flatnonzero(np.isfinite(weights[b, :-1]))
            least[b, rows[wanted]] = (columns[some] * weights[b, some, None]).min(0)[wanted]


def _medians(hits: BallCountsOnSplits, least: np.ndarray) -> np.ndarray:
    """Median `[B]` of the scores, which are the roots of 1 over `least`."""
    medians = np.full(len(least), np.nan)
    for b in np.flatnonzero(hits.usable):
        with np.errstate(divide="ignore"):
            medians[b] = np.median(1 / np.sqrt(least[b, hits.side[b] == FAKE].astype(np.float64)))
    return medians
