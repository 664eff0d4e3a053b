"""The statistics of the verdict on the data and on permutations; each is large where the generator is at fault.

All are functions of label-blind structures and of which samples are called fake, so one pass over the neighbour graph
serves every permutation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np
from scipy.sparse import csr_matrix

from divmetrics.inference.verdict.structures import Partition, Structures, whitened

SCALES = (16, 64)
"""Numbers of nearest neighbours among which fake samples are counted."""
RANK = 5
"""Rank of the neighbour that measures spacing."""
SEARCHED = 40
"""Neighbours among which the RANK-th of the own side is looked for: all but one sample in a million have it there."""
LACKING = 0.2
"""Share of the expected samples below which a neighbourhood lacks them."""
BALANCINGS = 4
"""Rounds in which neighbours are weighted; more change little."""
RARELY = 0.25
"""Part of the average neighbour below which a rare one is not made up for further."""
TAILS = (0.02, 0.05, 0.1, 0.2)
"""Tails of distances in which repeated and far samples are looked for."""
TWIN, COPY = log(30), log(10)
"""A twin is thirty times as near as the nearest of the other side, so that no narrow mode is made of twins; a copy is
ten times as near as the nearest of its own side. Logarithms."""
TOGETHER = 100
"""Permutations whose distances are looked up together."""
EMPTIEST_LEADING = "emptiest_of_leading_clusters"
"""The test for the emptiest of all clusters of the leading principal components."""
SHIFTED = (8, 16, 32, 64)
"""Numbers of principal components in which means are compared: few show large modes, many overlapping ones."""
OUTLYING = 3
"""Times the median distance to the centre of a cluster up to which distances count whole."""
FEWEST = 8
"""Least samples of each side in a cluster whose widths are compared."""


@dataclass(frozen=True, eq=False)
class Statistic:
    """One statistic on the data and on permutations."""

    name: str
    values: np.ndarray  # [1 + B] float64, that of the data first

    @property
    def effect(self) -> float:
        """The value on the data less its mean over the permutations."""
        return float(self.values[0] - self.values[1:].mean())

    @property
    def spread(self) -> float:
        """Standard deviation over the permutations."""
        return float(self.values[1:].std())


def assignments(n: int, m: int, permutations: int, seed: int) -> np.ndarray:
    """Which of the pooled samples are called fake, `[1 + B, n + m]` float32 in {0, 1}: the data, then permutations."""
    rng = np.random.default_rng(seed)
    fake = np.zeros((1 + permutations, n + m), np.float32)
    fake[0, n:] = 1
    for row in fake[1:]:
        row[rng.permutation(n + m)[:m]] = 1
    return fake


def all_statistics(structures: Structures, fake: np.ndarray) -> list[Statistic]:
    """Every statistic of two samples.

    Args:
        structures: Of the N pooled samples.
        fake: `[1 + B, N]`, as `assignments` gives it.
    """
    found = [*_neighbourhoods(structures, fake), _lacking(structures, fake), *_distances(structures, fake)]
    for partition in structures.partitions:
        found += _cells(partition, fake)
    least = [cell_z(partition, fake).min(1) for partition in structures.leading]
    found.append(Statistic(EMPTIEST_LEADING, -np.minimum.reduce(least)))
    return [*found, _width(structures, fake), *_spectrum(structures, fake)]


def _mean(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mean `[B]` of `values` `[B, N]` over the samples that `chosen` `[B, N]` marks with 1."""
    return np.asarray((values * chosen).sum(1, dtype=np.float64) / chosen.sum(1, dtype=np.float64))


def neighbourhood_z(structures: Structures, fake: np.ndarray, scale: int) -> np.ndarray:
    """Standardised count of fake samples among the `scale` nearest neighbours of each sample, `[B, N]` float32."""
    total = structures.total
    starts = np.arange(0, total * scale + 1, scale)
    ones = np.ones(total * scale, np.float32)
    graph = csr_matrix((ones, structures.neighbours[:, :scale].ravel(), starts), shape=(total, total))
    counts = (graph @ np.ascontiguousarray(fake.T)).T
    share = (structures.m - fake) / np.float32(total - 1)  # of the fake samples among the others
    return np.asarray((counts - scale * share) / np.sqrt(scale * share * (1 - share)))


def usable_scales(structures: Structures) -> list[int]:
    """The numbers of neighbours that the lists hold."""
    return [scale for scale in SCALES if scale <= structures.neighbours.shape[1]]


def _neighbourhoods(structures: Structures, fake: np.ndarray) -> Iterator[Statistic]:
    """Real samples in regions that fake samples avoid, and fake samples in regions that real ones avoid."""
    real = 1 - fake
    share = structures.m / structures.total
    for scale in usable_scales(structures):
        z = neighbourhood_z(structures, fake, scale)
        yield Statistic(f"avoided_{scale}", np.log(_mean(np.square(np.minimum(z, 0)), real) + 1e-3))
        yield Statistic(f"crowded_{scale}", np.log(_mean(np.square(np.maximum(z, 0)), fake) + 1e-3))
        empty = z < (LACKING - 1) * (scale * share / (1 - share)) ** 0.5
        yield Statistic(f"empty_{scale}", np.sqrt(_mean(empty, real) * structures.n + 1))


def _lacking(structures: Structures, fake: np.ndarray) -> Statistic:
    """Share of the expected fake samples that the neighbourhoods of the real ones lack, on average.

    Neighbours are weighted so that each sample counts about as much in all neighbourhoods together. In many dimensions
    a few samples are neighbours of most others, and which side these are from would decide.
    """
    scale = max(scale for scale in SCALES if scale <= max(SCALES[0], structures.total // 10))
    listed = structures.neighbours[:, :scale]
    weights = balanced_weights(listed)
    starts = np.arange(0, listed.size + 1, scale)
    graph = csr_matrix((weights[listed].ravel(), listed.ravel(), starts), shape=(len(listed), len(listed)))
    share = (graph @ np.ascontiguousarray(fake.T)).T / graph.sum(1).A1.astype(np.float32)
    expected = (structures.m - fake) / np.float32(structures.total - 1)
    return Statistic("lacking", _mean(np.maximum(1 - share / expected, 0), 1 - fake))


def balanced_weights(listed: np.ndarray) -> np.ndarray:
    """Weights `[N]` of samples under which each has about the same part in all neighbourhoods (Sinkhorn's scaling).

    Args:
        listed: Neighbours of each sample, `[N, k]`.
    """
    weights = np.ones(len(listed))
    for _ in range(BALANCINGS):
        parts = weights[listed] / weights[listed].sum(1, keepdims=True)
        weights /= np.maximum(np.bincount(listed.ravel(), parts.ravel(), len(listed)), RARELY)
    return weights.astype(np.float32)


def nearest_distances(structures: Structures, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log distance of each sample to the nearest and the RANK-th of its own side, and to the nearest of the other.

    Where the lists do not reach as far, it is the last distance listed.

    Args:
        structures: Of the N pooled samples.
        fake: `[B, N]`, 1 for fake samples.

    Returns:
        Three arrays `[B, N]`.
    """
    neighbours, logs = structures.neighbours[:, :SEARCHED], structures.log_distance[:, :SEARCHED]
    total, depth = logs.shape
    bits = np.tile(2.0 ** np.arange(depth), total)  # the sides of all neighbours of a sample are one whole number
    graph = csr_matrix((bits, neighbours.ravel(), np.arange(0, total * depth + 1, depth)), shape=(total, total))
    are_fake = (graph @ np.ascontiguousarray(fake.T, np.float64)).astype(np.uint64)
    every = np.uint64(2**depth - 1)
    own = np.where(fake.T > 0, are_fake, ~are_fake & every)
    others, ranked = ~own & every, own.copy()
    for _ in range(RANK - 1):
        ranked &= ranked - np.uint64(1) * (ranked > 0)
    first, ranked_log, other = (_log_at(logs, place).T for place in (own, ranked, others))
    return first, ranked_log, other


def _log_at(logs: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """The entry of each row of `logs` `[N, K]` at the lowest bit of `sides` `[N, B]` that is set, or the last."""
    lowest = np.frexp((sides & (~sides + np.uint64(1))).astype(np.float64))[1] - 1
    lowest[sides == 0] = logs.shape[1] - 1
    return np.take_along_axis(logs, lowest, 1)


def _distances(structures: Structures, fake: np.ndarray) -> Iterator[Statistic]:
    """Spacing within a side, repeated samples, distance to the nearest real sample, and twins on the other side."""
    spacing, twins, copied = (np.empty(len(fake)) for _ in range(3))
    relative, to_real = np.empty(fake.shape, np.float32), np.empty(fake.shape, np.float32)
    for start in range(0, len(fake), TOGETHER):
        some = slice(start, start + TOGETHER)
        side, real = fake[some], 1 - fake[some]
        first, ranked, other = nearest_distances(structures, side)
        spacing[some] = _mean(ranked, real) - _mean(ranked, side)
        relative[some] = first - ranked
        to_real[some] = np.where(side > 0, other, first)
        twin = (first < other - TWIN).astype(np.float32)
        twins[some] = _mean(twin, side) - _mean(twin, real)
        copied[some] = _mean((other < first - COPY).astype(np.float32), side) - (first < other - COPY).mean(1)
    yield Statistic("spacing", spacing)
    yield Statistic("far", _tail_excess(-to_real, fake))
    yield Statistic("repeated", _tail_excess(relative, fake))
    yield Statistic("twins", twins)
    yield Statistic("copied", copied)


def _tail_excess(values: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """Greatest excess `[B]` of fake over real samples in the lower tails of `values` `[B, N]`, in standard deviations.

    Tails, not means: a few copies among the real samples, whose distances are tiny, change them little.
    """
    some = values[:, :: max(1, values.shape[1] // 500)]  # of all rows alike, so that none is special
    excess = np.full(len(fake), -np.inf)
    for level, tail in zip(np.quantile(some, TAILS), TAILS, strict=True):
        low = (values <= level).astype(np.float32)
        difference = _mean(low, fake) - _mean(low, 1 - fake)
        excess = np.maximum(excess, difference / (tail * (1 - tail)) ** 0.5)
    return excess


def cell_z(partition: Partition, fake: np.ndarray) -> np.ndarray:
    """Standardised count of fake samples in each cell, `[B, C]`; square roots steady its variance."""
    share = float(fake[0].mean())
    expected = partition.sizes * share
    return np.asarray(2 * (np.sqrt(partition.counts(fake) + 0.375) - np.sqrt(expected + 0.375)) / (1 - share) ** 0.5)


def _cells(partition: Partition, fake: np.ndarray) -> Iterator[Statistic]:
    """Cells with too few fake samples, the worst one and all together; the cell with most too many."""
    z = cell_z(partition, fake)
    yield Statistic(f"emptiest_of_{partition.key}", -z.min(1))
    yield Statistic(f"thin_{partition.key}", np.sqrt(np.square(np.minimum(z, 0)).sum(1)))
    yield Statistic(f"fullest_of_{partition.key}", z.max(1))


def shifted_mean(structures: Structures, fake: np.ndarray) -> Statistic:
    """Hotelling's T² of both sides, standardised, in as many leading principal components as make it largest.

    A mode that is missing moves the mean, also where it overlaps with others so much that no neighbourhood is empty.

    Args:
        structures: Of the N pooled samples.
        fake: `[1 + B, N]`, 1 for fake samples.
    """
    squares = np.cumsum(np.square(_mean_differences(structures, fake)), 1)
    counts = np.unique(np.minimum(SHIFTED, squares.shape[1]))
    return Statistic("shifted_mean", ((squares[:, counts - 1] - counts) / np.sqrt(2 * counts)).max(1))


def whitened_clusters(structures: Structures, fake: np.ndarray) -> Iterator[Statistic]:
    """Clusters of whitened components with too few fake samples: the emptiest of all, and all together.

    They overlap too much to say where a finding is; many partitions make it likely that some cluster is a mode.

    Args:
        structures: Of the N pooled samples.
        fake: `[1 + B, N]`, 1 for fake samples.
    """
    for place, partitions in enumerate(structures.whitened):
        z = [cell_z(partition, fake) for partition in partitions]
        thin = [np.sqrt(np.square(np.minimum(of, 0)).sum(1)) for of in z]
        yield Statistic(f"emptiest_whitened_{place}", -np.minimum.reduce([of.min(1) for of in z]))
        yield Statistic(f"thin_whitened_{place}", np.mean(thin, 0))


def _mean_differences(structures: Structures, fake: np.ndarray) -> np.ndarray:
    """Difference of the means in each whitened principal component, in standard errors, `[B, p]`; zeros `[B, 1]` where
    nothing varies."""
    white = whitened(structures.points).astype(np.float32)
    if not white.shape[1]:
        return np.zeros((len(fake), 1))
    return np.asarray((fake @ white) * (1 / structures.m + 1 / structures.n) ** 0.5)


def _width(structures: Structures, fake: np.ndarray) -> Statistic:
    """Log ratio of the widths of real and fake samples within each cluster, averaged over the clusters by size.

    Outliers are drawn in, or a few of them would be the widths of heavy-tailed samples.
    """
    partition = structures.partitions[0]
    points = _without_outliers(structures.points, partition)
    squares = np.square(points).sum(1)
    counts = [partition.counts(fake)]
    counts.append(partition.sizes - counts[0])
    sums = [partition.counts(fake, squares)]
    sums.append(np.bincount(partition.cell, squares, len(partition.names)) - sums[0])
    centres = np.zeros_like(counts[0])  # squared norms of the sums: those of both sides, as together they are 0
    for column in points.T:
        centres += np.square(partition.counts(fake, column))
    both = zip(counts, sums, strict=True)
    widths = [(of - centres / np.maximum(count, 1)) / np.maximum(count - 1, 1) for count, of in both]
    usable = (np.minimum(*counts) >= FEWEST) & (np.minimum(*widths) > 0)
    weight = np.where(usable, partition.sizes, 0)
    ratio = np.log(np.where(usable, widths[1], 1)) - np.log(np.where(usable, widths[0], 1))
    return Statistic("width", (ratio * weight).sum(1) / np.maximum(weight.sum(1), 1) / 2)


def _without_outliers(points: np.ndarray, partition: Partition) -> np.ndarray:
    """Points `[N, p]` less the mean of their cell, so that narrow cells far apart lose no digits; outliers drawn in.

    Which sides they are from is not asked.
    """
    moved = np.empty_like(points, np.float32)
    for cell in range(len(partition.names)):
        own = np.flatnonzero(partition.cell == cell)
        if len(own):
            apart = points[own] - np.median(points[own], 0)
            radius = np.sqrt(np.square(apart).sum(1))
            apart *= np.minimum(1, OUTLYING * np.median(radius) / np.maximum(radius, 1e-30))[:, None]
            moved[own] = apart - apart.mean(0)
    return moved


def _spectrum(structures: Structures, fake: np.ndarray) -> Iterator[Statistic]:
    """Extreme eigenvalues of the difference of kernel covariances: directions in which one side lacks spread.

    Of C_real - C_fake, the eigenvectors of positive eigenvalues are modes that the fake samples lack, those of negative
    ones modes that they invent (KEN; Jalali 2024).
    """
    features = structures.kernel
    rows, columns = np.triu_indices(features.shape[1])
    products = features[:, rows] * features[:, columns]
    sums = fake @ products
    difference = (products.sum(0) - sums) / structures.n - sums / structures.m
    matrix = np.zeros((len(fake), features.shape[1], features.shape[1]), np.float32)
    matrix[:, rows, columns] = matrix[:, columns, rows] = difference
    values = np.linalg.eigvalsh(matrix)
    yield Statistic("missing_direction", np.log(np.maximum(values[:, -1], 1e-12)))
    yield Statistic("invented_direction", np.log(np.maximum(-values[:, 0], 1e-12)))


def along_missing_direction(structures: Structures) -> np.ndarray:
    """How far each real sample lies along the direction that fake ones lack most, `[n]`: the largest are typical of it.

    It is the eigenvector of the largest eigenvalue of C_real - C_fake, oriented to its longer tail.

    Args:
        structures: Of the N pooled samples.
    """
    real, fake = structures.kernel[: structures.n].astype(np.float64), structures.kernel[structures.n :]
    vectors = np.linalg.eigh(real.T @ real / structures.n - fake.T @ fake / structures.m)[1]
    along = real @ vectors[:, -1]
    return np.asarray(along if (along**3).sum() >= 0 else -along)
