"""Nearest-neighbour distances on many splits of a pool, and the sampling variance of their median.

The nearest neighbours of a half-sample are nearly all other samples, so its standard deviation is a third too large, as
is that of a delete-one jackknife. Efron and Stein 1981, doi:10.1214/aos/1176345462, quantify the excess: the jackknife
counts the variance component of k samples jointly k times; that of two samples is found by deleting two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from divmetrics.arrays.pairs import NeighbourLists, greatest_depth, needed_depths, neighbour_lists
from divmetrics.arrays.splits import ABSENT, FAKE, REAL, Pool, Splits

COLUMNS = 16
"""Columns of the neighbour lists searched first: on nearly all splits the nearest sample is among them."""


def nearest_on_splits(pool: Pool, splits: Splits, of: int, among: Sequence[int]) -> Iterator[np.ndarray]:
    """For each split, squared distances of the samples of side `of` to their nearest other sample of the sides `among`.

    As accurate as neighbour lists: exact for copies, else to about 1e-6. Infinite where there is none.
    """
    neighbours = neighbour_lists(pool, min(int(needed_depths(pool, splits, 1).max(initial=1)), greatest_depth(pool)))
    for b in range(len(splits)):
        side = np.append(splits.side[b].cpu().numpy(), np.uint8(ABSENT))  # lists are padded with an absent sample
        wanted = np.isin(side, among)
        rows = np.flatnonzero(side == of)
        squared = np.full(len(rows), np.inf)
        left, width = np.arange(len(rows)), COLUMNS
        while len(left):
            is_wanted = wanted[neighbours.index[rows[left], :width]]
            first = is_wanted.argmax(1)
            found = is_wanted[np.arange(len(left)), first]
            squared[left[found]] = neighbours.squared[rows[left[found]], first[found]]
            left = left[~found] if width < neighbours.index.shape[1] else left[:0]
            width *= 4
        yield squared * neighbours.scale


def median_variance(pool: Pool, among: Sequence[int]) -> float | None:
    """Sampling variance of the median of log10 squared distances of fake samples to the nearest other of `among`.

    It is the variance of the share of fake samples farther than the median, from deletions of one and of two samples,
    over the squared density at the median. None where distances at the median are equal, or below 8 fake samples.
    """
    squared, places = _three_nearest(neighbour_lists(pool, 3), pool, among)
    if pool.m < 8 or not np.isfinite(squared[:, 0]).all():
        return None
    median = float(np.median(squared[:, 0]))
    density = _density(squared[:, 0])
    if density is None:
        return None
    total, own = pool.n + pool.m, pool.n + np.arange(pool.m)
    within = (squared < median).sum(1)  # of the three nearest: 0, 1, 2, or more than two
    # Deleting a sample makes those fake samples farther of which it was the only one within, minus itself if farther
    one = np.bincount(places[within == 1, 0], minlength=total)[:total].astype(float)
    one[pool.n :] -= (within == 0) - (within == 0).mean()
    first = sum(float(np.square(part - part.mean()).sum()) for part in (one[: pool.n], one[pool.n :]) if len(part))
    # Deleting two: both are the only ones within of a fake sample, or one is a fake sample and the other its only one.
    # The first kind adds to the share and the second subtracts, but no two samples are of both kinds: being within is
    # mutual
    pairs = np.concatenate([places[within == 2, :2], np.stack([places[within == 1, 0], own[within == 1]], 1)])
    _, number = np.unique(np.sort(pairs, 1), axis=0, return_inverse=True)
    second = float(np.square(np.bincount(number.ravel())).sum()) if len(pairs) else 0.0
    # Subtracting all of `second` would count the component of three samples 0 times; half leaves slightly too much
    return max(first - second / 2, first / 4) / (pool.m * density) ** 2


def _three_nearest(neighbours: NeighbourLists, pool: Pool, among: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances `[m, 3]` of fake samples to the three nearest others of `among`, inf for none; their places."""
    side = np.concatenate([np.full(pool.n, REAL), np.full(pool.m, FAKE), [ABSENT]])
    index = neighbours.index[pool.n :]
    wanted = np.isin(side, among)[index]
    order = np.argsort(~wanted, axis=1, kind="stable")[:, :3]  # those of `among` first, still ascending
    squared = np.where(wanted, neighbours.squared[pool.n :], np.inf).astype(float)
    return np.take_along_axis(squared, order, 1) * neighbours.scale, np.take_along_axis(index, order, 1)


def _density(squared: np.ndarray) -> float | None:
    """Density of log10 `squared` `[m]` at its median, from quantiles on both sides; None where they are equal."""
    reach = len(squared) ** (-1 / 3) / 2
    low, high = np.quantile(squared, [0.5 - reach, 0.5 + reach])
    return 2 * reach / float(np.log10(high / low)) if 0 < low < high else None
