"""Bin counts of both sides over k-means clusters of the real samples.

**The bins are fitted to the real samples**, so their counts are more even than those of a fresh set, and permuting the
labels of fixed bins would not give the null distribution of this procedure. Each split therefore refits the bins to the
samples that play the real side. To make that affordable, all samples are projected once on the principal components of
the pool, which do not depend on the sides.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.clustering import Clusters, reduced_dimension
from divmetrics.arrays.draws import joined
from divmetrics.arrays.memo import once
from divmetrics.arrays.splits import Pool, Splits
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import UsageError

MIN_PER_BIN = 10
"""Least number of real samples a bin, on average."""
FITS = 12
"""Random halves that `bin_counts_by_halves` fits bins to."""

Counts = tuple[np.ndarray, np.ndarray]
"""Bin counts of the real and of the fake samples, `[bins]` each, or `[B, bins]`."""


def bin_counts(real: Rows, fake: Rows, bins: int, seed: int) -> Counts:
    """Counts `[K]` of both sides, K the smaller of `bins` and one bin per `MIN_PER_BIN` real samples; memoised.

    Raises UsageError for `bins` < 1, FeatureError for different widths.
    """
    if bins < 1:
        raise UsageError(f"bins={bins} is not possible; give 1 or more.")
    same_width(real.d, fake.d)

    def make() -> Counts:
        content = joined(real.content, fake.content)
        points = reduced_dimension(torch.cat([real.features, fake.features]), seed, content)
        return _fit_and_count(points[: real.n], points[real.n :], bins, seed, real.content)

    return once((real, fake), ("bin counts", bins, seed), make)


def bin_counts_on_splits(pool: Pool, splits: Splits, bins: int, seed: int) -> Counts:
    """`bin_counts` of each split, `[B, bins]` each; memoised. Where a split has fewer bins, the last ones are empty."""

    def make() -> Counts:
        content = pool.content
        points = reduced_dimension(pool.features(), seed, content)
        counts = [
            _fit_and_count(points[real], points[splits.fake(b)], bins, seed, _at(content, real))
            for b, real in enumerate(map(splits.real, range(len(splits))))
        ]
        width = max(len(pair[0]) for pair in counts)
        padded = [[np.pad(side, (0, width - len(side))) for side in pair] for pair in counts]
        return np.stack([pair[0] for pair in padded]), np.stack([pair[1] for pair in padded])

    return once((*pool.sides, splits), ("bin counts on splits", bins, seed), make)


def bin_counts_by_halves(pool: Pool, bins: int, seed: int) -> Counts:
    """Bin counts under clusterings fitted to `FITS` random halves of the real samples, `[FITS, bins]` each.

    They show how much a value depends on where the borders of bins happen to lie. As many bins as in `bin_counts`.
    """
    content = pool.content
    points = reduced_dimension(pool.features(), seed, content)
    count = _number_of_bins(pool.n, bins)
    sides: list[list[np.ndarray]] = [[], []]
    for b in range(FITS):
        chosen = torch.randperm(pool.n, generator=torch.Generator().manual_seed(seed + b))[: max(1, pool.n // 2)]
        clusters = Clusters.fit(points[chosen], count, seed, _at(content, chosen))
        labels = clusters.assign(points)
        for side, part in zip(sides, (labels[: pool.n], labels[pool.n :]), strict=True):
            side.append(torch.bincount(part, minlength=max(count, clusters.count)).numpy())
    return np.stack(sides[0]), np.stack(sides[1])


def _at(content: Tensor | None, places: Tensor) -> Tensor | None:
    return None if content is None else content[places]


def _number_of_bins(n: int, bins: int) -> int:
    """Number of bins fitted to n real samples where `bins` are requested."""
    return min(bins, max(1, n // MIN_PER_BIN))


def _fit_and_count(real: Tensor, fake: Tensor, bins: int, seed: int, content: Tensor | None) -> Counts:
    """Counts of `real` `[n, d]` and `fake` `[m, d]` in bins fitted to `real`."""
    clusters = Clusters.fit(real, _number_of_bins(len(real), bins), seed, content)
    real_counts, fake_counts = (
        torch.bincount(labels, minlength=clusters.count) for labels in (clusters.labels, clusters.assign(fake))
    )
    return real_counts.numpy(), fake_counts.numpy()
