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

from divmetrics.inference.verdict.structures import Partition, Structures

SCALES = (16, 64)
"""Numbers of nearest neighbours among which fake samples are counted."""
RANK = 5
"""Rank of the neighbour that measures spacing."""
SEARCHED = 40
"""Neighbours among which the RANK-th of the own side is looked for: all but one sample in a million have it there."""
LACKING = 0.2
"""Share of the expected samples below which a neighbourhood or a mode lacks them."""
TAILS = (0.02, 0.05, 0.1, 0.2)
"""Tails of distances in which repeated and far samples are looked for."""
TWIN, COPY = log(30), log(10)
"""A twin is thirty times as near as the nearest of the other side, so that no narrow mode is made of twins; a copy is
ten times as near as the nearest of its own side. Logarithms."""
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
    found = [*_neighbourhoods(structures, fake), *_distances(structures, fake)]
    for partition in structures.partitions:
        found += _cells(partition, fake)
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


def nearest_distances(structures: Structures, side: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log distance of each sample to the nearest and the RANK-th of its own side, and to the nearest of the other.

    Where the lists do not reach as far, it is the last distance listed.

    Args:
        structures: Of the N pooled samples.
        side: `[N]`, 1 for fake samples.
    """
    neighbours, logs = structures.neighbours[:, :SEARCHED], structures.log_distance[:, :SEARCHED]
    every, last = np.arange(len(logs)), logs.shape[1] - 1
    same = side[neighbours] == side[:, None]
    seen = same.cumsum(1, dtype=np.uint8)
    ranked = np.where(seen[:, -1] >= RANK, (seen >= RANK).argmax(1), last)
    first = np.where(seen[:, -1] > 0, same.argmax(1), last)
    other = np.where(seen[:, -1] == last + 1, last, (~same).argmax(1))
    return logs[every, first], logs[every, ranked], logs[every, other]


def _distances(structures: Structures, fake: np.ndarray) -> Iterator[Statistic]:
    """Spacing within a side, repeated samples, distance to the nearest real sample, and twins on the other side."""
    spacing, twins, copied = (np.empty(len(fake)) for _ in range(3))
    relative, to_real = np.empty(fake.shape, np.float32), np.empty(fake.shape, np.float32)
    for b, side in enumerate(fake.astype(np.uint8)):
        first, ranked, other = nearest_distances(structures, side)
        is_fake = side.astype(bool)
        spacing[b] = ranked[~is_fake].mean() - ranked[is_fake].mean()
        relative[b] = first - ranked
        to_real[b] = np.where(is_fake, other, first)
        twin = first < other - TWIN
        twins[b] = twin[is_fake].mean() - twin[~is_fake].mean()
        copied[b] = (other[is_fake] < first[is_fake] - COPY).mean() - (first < other - COPY).mean()
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
    member = partition.member
    share = float(fake[0].mean())
    expected = member.sum(0) * share
    return np.asarray(2 * (np.sqrt(fake @ member + 0.375) - np.sqrt(expected + 0.375)) / (1 - share) ** 0.5)


def _cells(partition: Partition, fake: np.ndarray) -> Iterator[Statistic]:
    """Cells with too few fake samples, the worst one and all together; the cell with most too many."""
    z = cell_z(partition, fake)
    yield Statistic(f"emptiest_of_{partition.key}", -z.min(1))
    yield Statistic(f"thin_{partition.key}", np.sqrt(np.square(np.minimum(z, 0)).sum(1)))
    yield Statistic(f"fullest_of_{partition.key}", z.max(1))


def _width(structures: Structures, fake: np.ndarray) -> Statistic:
    """Log ratio of the widths of real and fake samples within each cluster, averaged over the clusters by size."""
    member, points = structures.partitions[0].member, structures.points
    squares = member * np.square(points).sum(1, keepdims=True)
    widths, counts = [], []
    for side in (1 - fake, fake):
        count = side @ member
        centres = np.zeros_like(count)  # squared norms of the sums, which are counts times means
        for column in points.T:
            centres += np.square(side @ (member * column[:, None]))
        widths.append((side @ squares - centres / np.maximum(count, 1)) / np.maximum(count - 1, 1))
        counts.append(count)
    usable = (np.minimum(*counts) >= FEWEST) & (np.minimum(*widths) > 0)
    weight = np.where(usable, member.sum(0), 0)
    ratio = np.log(np.where(usable, widths[0], 1)) - np.log(np.where(usable, widths[1], 1))
    return Statistic("width", (ratio * weight).sum(1) / np.maximum(weight.sum(1), 1) / 2)


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
