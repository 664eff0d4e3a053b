"""Bins over which two sets are compared: k-means clusters of the reals, counted for both sides.

**The reals shape their own bins**, so their counts are not those of a fresh set: they come out more even, and a null
that only deals the counts out again is not the null of this procedure. Re-splits therefore fit the bins anew to the
samples that play the reals. What makes that affordable is that both sides are projected once, on principal components
of all samples together; these do not know who is real.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.clustering import Clusters, narrowed
from divmetrics.arrays.memo import once
from divmetrics.arrays.splits import Pool, Splits
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import UsageError

FEWEST = 10
"""Reals a bin at least, on average."""

FITS = 12
"""Refits behind `reshaped`."""

Counts = tuple[np.ndarray, np.ndarray]
"""Of the reals and of the fakes, `[bins]` each, or `[B, bins]`."""


def binned(real: Rows, fake: Rows, bins: int, seed: int) -> Counts:
    """Counts of both sides in `bins` clusters of the reals, or in as many as leave `FEWEST` reals a bin; remembered."""
    if bins < 1:
        raise UsageError(f"bins={bins} is not possible; give 1 or more.")
    same_width(real.d, fake.d)

    def make() -> Counts:
        points = narrowed(torch.cat([real.features, fake.features]), seed)
        return _count(points[: real.n], points[real.n :], bins, seed)

    return once((real, fake), ("bin counts", bins, seed), make)


def rebinned(pool: Pool, splits: Splits, bins: int, seed: int) -> Counts:
    """`binned` of each split, `[B, bins]` each; remembered. Where a split has fewer bins, the last ones are empty."""

    def make() -> Counts:
        points = narrowed(pool.features(), seed)
        found = [_count(points[splits.real(b)], points[splits.fake(b)], bins, seed) for b in range(len(splits))]
        width = max(len(reals) for reals, _ in found)
        padded = [[np.pad(side, (0, width - len(side))) for side in pair] for pair in found]
        return np.stack([pair[0] for pair in padded]), np.stack([pair[1] for pair in padded])

    return once((*pool.sides, splits), ("bin counts on splits", bins, seed), make)


def reshaped(pool: Pool, bins: int, seed: int) -> Counts:
    """All samples counted in bins that `FITS` different halves of the reals shape, `[FITS, bins]` each.

    How much of a value is owed to where the borders happen to run. The number of bins is that of `binned`.
    """
    points, count = narrowed(pool.features(), seed), _bins_for(pool.n, bins)
    sides: list[list[np.ndarray]] = [[], []]
    for b in range(FITS):
        chosen = torch.randperm(pool.n, generator=torch.Generator().manual_seed(seed + b))[: max(1, pool.n // 2)]
        labels = (found := Clusters.fit(points[chosen], count, seed)).assign(points)
        for side, part in zip(sides, (labels[: pool.n], labels[pool.n :]), strict=True):
            side.append(torch.bincount(part, minlength=max(count, found.count)).numpy())
    return np.stack(sides[0]), np.stack(sides[1])


def _bins_for(reals: int, bins: int) -> int:
    return min(bins, max(1, reals // FEWEST))


def _count(real: Tensor, fake: Tensor, bins: int, seed: int) -> Counts:
    found = Clusters.fit(real, _bins_for(len(real), bins), seed)
    reals, fakes = (torch.bincount(labels, minlength=found.count) for labels in (found.labels, found.assign(fake)))
    return reals.numpy(), fakes.numpy()
