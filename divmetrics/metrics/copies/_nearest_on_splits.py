"""Distances to the closest sample: on many splits of a pool from one pass over its pairs; the chance in their median.

A half-sample thins both sets out, so that nearly all closest samples are other ones: its spread is a third too wide, as
is a delete-one jackknife's. Efron and Stein 1981, doi:10.1214/aos/1176345462, say by how much: the jackknife counts
what hangs on k samples together k times, and what hangs on two is seen by deleting two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from divmetrics.arrays.pairs import NeighbourLists, greatest_depth, needed_depths, neighbour_lists
from divmetrics.arrays.splits import ABSENT, FAKE, REAL, Pool, Splits

COLUMNS = 16
"""Columns of the lists that are looked at first: on nearly all splits the closest is among them."""


def closest_of_splits(pool: Pool, splits: Splits, of: int, among: Sequence[int]) -> Iterator[np.ndarray]:
    """For each split the squared distances of its samples of side `of` to the closest other one of the sides `among`.

    Estimates, as lists hold them: exact for copies, else right to about 1e-6. Infinite where there is none.
    """
    found = neighbour_lists(pool, min(int(needed_depths(pool, splits, 1).max(initial=1)), greatest_depth(pool)))
    for b in range(len(splits)):
        side = np.append(splits.side[b].cpu().numpy(), np.uint8(ABSENT))  # lists end in a sample that is not there
        wanted = np.isin(side, among)
        rows = np.flatnonzero(side == of)
        squared = np.full(len(rows), np.inf)
        left, width = np.arange(len(rows)), COLUMNS
        while len(left):
            there = wanted[found.index[rows[left], :width]]
            first = there.argmax(1)
            seen = there[np.arange(len(left)), first]
            squared[left[seen]] = found.squared[rows[left[seen]], first[seen]]
            left = left[~seen] if width < found.index.shape[1] else left[:0]
            width *= 4
        yield squared * found.scale


def median_variance(pool: Pool, among: Sequence[int]) -> float | None:
    """Variance of the median over fakes of log10 of their squared distance to the closest other of the sides `among`.

    That of the share of fakes farther than the median, by what deleting one sample and two samples does to it, over the
    squared density at the median. None where the distances there are all alike, or too few samples tell.
    """
    squared, places = _three(neighbour_lists(pool, 3), pool, among)
    if pool.m < 8 or not np.isfinite(squared[:, 0]).all():
        return None
    middle = float(np.median(squared[:, 0]))
    density = _density(squared[:, 0])
    if density is None:
        return None
    total, own = pool.n + pool.m, pool.n + np.arange(pool.m)
    near = (squared < middle).sum(1)  # of the three closest: 0, 1, 2, or more than two
    # Without a sample more fakes are farther than the median: those that it alone was near, less itself if it was far
    one = np.bincount(places[near == 1, 0], minlength=total)[:total].astype(float)
    one[pool.n :] -= (near == 0) - (near == 0).mean()
    first = sum(float(np.square(part - part.mean()).sum()) for part in (one[: pool.n], one[pool.n :]) if len(part))
    # Two samples together: both are all that a fake has near it, or the one is a fake and the other all that it has
    pairs = np.concatenate([places[near == 2, :2], np.stack([places[near == 1, 0], own[near == 1]], 1)])
    signs = np.repeat([1, -1], [(near == 2).sum(), (near == 1).sum()])
    _, number = np.unique(np.sort(pairs, 1), axis=0, return_inverse=True)
    second = float(np.square(np.bincount(number.ravel(), signs)).sum()) if len(pairs) else 0.0
    # Less all of `second` would count what hangs on three samples 0 times; half of it leaves a little too much
    return max(first - second / 2, first / 4) / (pool.m * density) ** 2


def _three(found: NeighbourLists, pool: Pool, among: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances `[m, 3]` of each fake to the three closest others of `among`, inf for none; their places."""
    side = np.concatenate([np.full(pool.n, REAL), np.full(pool.m, FAKE), [ABSENT]])
    index = found.index[pool.n :]
    wanted = np.isin(side, among)[index]
    order = np.argsort(~wanted, axis=1, kind="stable")[:, :3]  # the wanted ones first, still ascending
    squared = np.where(wanted, found.squared[pool.n :], np.inf).astype(float)
    return np.take_along_axis(squared, order, 1) * found.scale, np.take_along_axis(index, order, 1)


def _density(squared: np.ndarray) -> float | None:
    """Density of log10 of `squared` `[m]` at its median, from quantiles on both sides; None where they are equal."""
    reach = len(squared) ** (-1 / 3) / 2
    low, high = np.quantile(squared, [0.5 - reach, 0.5 + reach])
    return 2 * reach / float(np.log10(high / low)) if 0 < low < high else None
