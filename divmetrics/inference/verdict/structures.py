"""What the tests of the verdict read of the pooled samples: neighbours, partitions and kernel features.

None of it depends on which side a sample is from: the pool is shuffled first, so that ties are broken blindly, and
everything is fitted to the whole pool. That makes permutation tests on it exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import frexp, inf
from typing import Self

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from divmetrics.arrays.clustering import Clusters
from divmetrics.arrays.pairs import neighbour_lists
from divmetrics.arrays.splits import OneSamplePool
from divmetrics.arrays.summaries import Rows

DEPTH = 64
"""Nearest neighbours listed of each sample."""
ROUGH, FINE = 200, 80
"""Samples of both sides that a coarse and a fine cluster hold on average."""
MOST = 32
"""Most clusters of a partition whose number does not follow from the data."""
CLOSE = 5
"""Nearest neighbours that hold separate clusters together."""
LEADING = 16
"""Principal components that overlapping modes are looked for in: in all of many dimensions, noise hides them."""
LEADING_COUNTS = (8, 10, 12, 16, 24, 32)
"""Numbers of clusters there; one partition alone may cut a mode in two, or join it with another."""
LEAST = 20
"""Samples of both sides that a cluster there holds on average at least."""
WHITENED = (8, 16, 32)
"""Leading principal components that are whitened, so that directions in which all modes vary widely hide none."""
WHITENED_COUNTS = (8, 12, 16, 24)
"""Numbers of clusters there."""
DENSE = 128
"""Cells up to which samples are counted by a dense product, which is faster than a sparse one then."""
COLUMNS, NUMBERS = 2**13, 2**23
"""Columns of images as features that meet random frequencies at once, and numbers in the differences of pairs."""
ORDINARY = 24
"""Power of two up to which features are taken as they are."""
FREQUENCIES = 384
"""Random Fourier frequencies of the Gaussian kernel; each gives two features."""
DIRECTIONS = 48
"""Principal directions kept of the kernel features."""


@dataclass(frozen=True, eq=False)
class Partition:
    """Cells that the pooled samples fall into: clusters, or classes."""

    name: str
    """`clusters`, `coarse clusters`, `fine clusters`, `classes`, `8 leading clusters` or `8 whitened clusters`."""
    cell: np.ndarray  # [N] int64, from 0
    names: Sequence[str]
    """Name of each cell."""

    @property
    def member(self) -> np.ndarray:
        """Which sample is in which cell, `[N, C]` float32 in {0, 1}."""
        return np.asarray(np.eye(len(self.names), dtype=np.float32)[self.cell])

    def counts(self, chosen: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """How many of the samples that `chosen` `[B, N]` marks with 1 each cell holds, `[B, C]` float32.

        With `weights` `[N]`, the sums of these.
        """
        if len(self.names) <= DENSE:
            return np.asarray(chosen @ (self.member if weights is None else self.member * weights[:, None]))
        given = np.ones(len(self.cell), np.float32) if weights is None else weights.astype(np.float32)
        member = csr_matrix((given, self.cell, np.arange(len(self.cell) + 1)), (len(self.cell), len(self.names)))
        return np.ascontiguousarray((member.T @ np.ascontiguousarray(chosen.T)).T)

    @property
    def sizes(self) -> np.ndarray:
        """Samples of both sides in each cell, `[C]`."""
        return np.bincount(self.cell, minlength=len(self.names))

    def shares(self, is_fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of each cell among the real and among the fake samples, `[C]` each; `is_fake` `[N]` is bool."""
        real, fake = (np.bincount(self.cell[side], minlength=len(self.names)) for side in (~is_fake, is_fake))
        return real / real.sum(), fake / fake.sum()

    @property
    def key(self) -> str:
        """The name as a part of names of tests."""
        return self.name.replace(" ", "_")


@dataclass(frozen=True, eq=False)
class Structures:
    """Label-blind structures of N pooled samples, the real ones first."""

    n: int
    """Number of real samples."""
    m: int
    """Number of fake samples."""
    neighbours: np.ndarray  # [N, K] int32, numbers in the pool of the nearest others, nearest first
    log_distance: np.ndarray  # [N, K] float32, logarithms of their distances; of copies, that of a tiny distance
    partitions: tuple[Partition, ...]
    """The natural clusters first, which are the separate ones where there are more of these; then coarse and fine ones,
    then the classes if there are any."""
    leading: tuple[Partition, ...]
    """Clusters of the leading principal components, by their numbers."""
    whitened: tuple[tuple[Partition, ...], ...]
    """Clusters of whitened principal components, by the numbers of components and of clusters."""
    points: np.ndarray  # [N, p] float32, the samples in the space of the clusters
    kernel: np.ndarray  # [N, q] float32, centred kernel features

    @classmethod
    def of(cls, real: Rows, fake: Rows, seed: int, classes: Sequence[str] | None = None) -> Self:
        """The structures of two sets of features.

        Args:
            real: Real samples `[n, d]`.
            fake: Fake samples `[m, d]`.
            seed: Seed of the shuffle, the clusters and the kernel features.
            classes: The class of each pooled sample `[n + m]`, where each side has classes of its own.
        """
        total = real.n + fake.n
        order = np.random.default_rng(seed).permutation(total)  # shuffled place -> place in the pool
        back = np.argsort(order)
        rows = _of_ordinary_size(torch.cat([real.features, fake.features]).cpu()[order])
        neighbours, distance = _neighbours(rows)
        natural = Clusters.fit(rows, None, seed)
        points = natural.project(rows)
        evened = _evened(points)
        fits = {"clusters": natural}
        for name, size in (("coarse clusters", ROUGH), ("fine clusters", FINE)):
            fits[name] = Clusters.fit(evened, int(np.clip(total // size, 2, MOST)), seed)
        cells = {name: found.labels.numpy() for name, found in fits.items()}
        apart = _separate(neighbours)
        if apart.max() >= natural.count:
            cells["clusters"] = apart
        partitions = [
            Partition(name, cell[back], [f"cluster {k}" for k in range(cell.max() + 1)]) for name, cell in cells.items()
        ]
        if classes is not None:
            names, cell = np.unique(np.asarray(classes), return_inverse=True)
            partitions.append(Partition("classes", cell, names.tolist()))
        return cls(
            real.n,
            fake.n,
            order.astype(np.int32)[neighbours][back],
            distance[back],
            tuple(partitions),
            tuple(_leading(points, seed, back)),
            tuple(_of_whitened(points, seed, back)),
            points.float().numpy()[back],
            _kernel_features(rows, seed)[back],
        )

    @property
    def total(self) -> int:
        """Number of samples of both sides."""
        return self.n + self.m

    def partition(self, name: str) -> Partition | None:
        """The partition of that name; None where there is none."""
        return next((each for each in (*self.partitions, *self.leading) if each.name == name), None)


def _of_ordinary_size(rows: torch.Tensor) -> torch.Tensor:
    """Rows over a power of two near their greatest deviation: squares neither overflow nor vanish, no digit changes."""
    greatest = float((rows - rows.mean(0, dtype=torch.float64).to(rows.dtype)).abs().max())
    exponent = frexp(greatest)[1] if 0 < greatest < inf else 0
    return rows if abs(exponent) < ORDINARY else torch.ldexp(rows, torch.tensor(-exponent))


def _neighbours(rows: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and log distances of the nearest others of each row, `[N, K]` each."""
    depth = min(DEPTH, len(rows) - 1)
    lists = neighbour_lists(OneSamplePool(Rows.of(rows, torch.arange(len(rows)))), depth)
    squared = lists.squared[:, :depth]
    apart = squared[squared > 0]
    floor = float(apart.min()) * 1e-3 if len(apart) else 1.0  # the logarithm of a copy's distance
    return lists.index[:, :depth], (0.5 * np.log(np.maximum(squared, floor))).astype(np.float32)


def _leading(points: torch.Tensor, seed: int, back: np.ndarray) -> Iterator[Partition]:
    """Partitions of shuffled `points` `[N, p]` by their leading principal components; `back` undoes the shuffle."""
    centred = points - points.mean(0)
    directions = torch.linalg.eigh(centred.T @ centred / len(points))[1].flip(1)
    yield from _partitions(centred @ directions[:, :LEADING], LEADING_COUNTS, "leading", seed, back)


def _of_whitened(points: torch.Tensor, seed: int, back: np.ndarray) -> Iterator[tuple[Partition, ...]]:
    """Partitions of shuffled `points` `[N, p]` by their whitened principal components; `back` undoes the shuffle."""
    white = torch.from_numpy(whitened(points.numpy()))
    for depth in sorted({min(depth, white.shape[1]) for depth in WHITENED} - {0}):
        yield tuple(_partitions(white[:, :depth], WHITENED_COUNTS, "whitened", seed, back))


def _partitions(
    points: torch.Tensor, counts: Sequence[int], kind: str, seed: int, back: np.ndarray
) -> Iterator[Partition]:
    """Partitions of shuffled `points` into so many clusters each, of few samples into fewer."""
    for count in sorted({min(count, max(2, len(points) // LEAST)) for count in counts}):
        found = Clusters.fit(points, count, seed)
        names = [f"cluster {k}" for k in range(found.count)]
        yield Partition(f"{count} {kind} clusters", found.labels.numpy()[back], names)


def whitened(points: np.ndarray) -> np.ndarray:
    """Principal components of `points` `[N, p]` of unit variance, `[N, q]` float64; `[N, 0]` where nothing varies."""
    centred = points.astype(np.float64) - points.mean(0, dtype=np.float64)
    variances, directions = np.linalg.eigh(centred.T @ centred / len(points))
    variances, directions = variances[::-1], directions[:, ::-1]
    varies = variances > 1e-10 * max(variances[0], 1e-300)
    return np.asarray(centred @ directions[:, varies] / np.sqrt(variances[varies]))


def _separate(neighbours: np.ndarray) -> np.ndarray:
    """Numbers of clusters that no sample's nearest neighbours lead out of, `[N]`: any number of separate modes."""
    near = neighbours[:, :CLOSE]
    starts = np.arange(0, near.size + 1, near.shape[1])
    graph = csr_matrix((np.ones(near.size, bool), near.ravel(), starts), shape=(len(near), len(near)))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _evened(points: torch.Tensor) -> torch.Tensor:
    """Principal components of `points` `[N, p]`, each divided by the square root of its standard deviation.

    Halfway to whitening: classes of deep features differ in directions of little variance, too, and are seen better.
    """
    centred = points - points.mean(0)
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(points))
    varies = variances > 1e-12 * variances[-1].clamp(min=1e-300)
    return centred @ directions[:, varies] / variances[varies] ** 0.25 if varies.any() else centred


def _kernel_features(rows: torch.Tensor, seed: int) -> np.ndarray:
    """Centred features of a Gaussian kernel: the principal directions of random Fourier features, `[N, q]`.

    The bandwidth is half the median distance of two samples of the pool.
    """
    rng = np.random.default_rng(seed)
    points = (rows.double() - rows.double().mean(0)).float().numpy()
    left, right = rng.integers(0, len(points), (2, 4000))
    most = max(1, NUMBERS // points.shape[1])
    few = np.split(np.stack([left, right]), range(most, len(left), most), axis=1)
    apart = np.concatenate([np.linalg.norm(points[one] - points[other], axis=1) for one, other in few])
    width = float(np.median(apart[apart > 0])) / 2 if (apart > 0).any() else 1.0
    waves = np.zeros((len(points), FREQUENCIES), np.float32)
    for columns in np.array_split(points, range(COLUMNS, points.shape[1], COLUMNS), axis=1):
        waves += columns @ (rng.normal(size=(columns.shape[1], FREQUENCIES)).astype(np.float32) / np.float32(width))
    features = np.concatenate([np.cos(waves), np.sin(waves)], 1) / np.float32(FREQUENCIES**0.5)
    features -= features.mean(0)
    vectors = np.linalg.eigh(features.T @ features)[1][:, -DIRECTIONS:]
    return np.asarray(features @ vectors, np.float32)
