"""K-means clusters of a set of rows: the bins of NDB, and the modes of reals that have no labels.

Three steps, all deterministic. Rows wider than `WIDTH` go to their first principal components: distances between
clusters survive there, and the rest costs twenty times less. Ward's tree over at most `SEEN` rows proposes centres for
every number of clusters at once, the same whatever the order of the rows where all of them fit. Lloyd's iterations
(scikit-learn) from those centres then see every row; k-means++ from one start loses well-separated modes too often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import scipy
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs import nearest_rows
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError

WIDTH = 64
"""Principal components kept of wider rows."""
SEEN = 1000
"""Rows that Ward's tree is built over; of more, a seeded draw."""
FEWEST = 20
"""Rows a cluster at least, on average, where the number of clusters is chosen here."""
MOST = 64
"""Clusters at most, where their number is chosen here."""
ROUNDS = 20
"""Lloyd's iterations; from Ward's centres the spread within clusters is then within 0.2 % of its end."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """Centres in the space of `project`, and where the rows that shaped them lie."""

    origin: Tensor  # [d] float64
    basis: Tensor | None  # [d, WIDTH] orthonormal columns; None where rows are narrow enough as they are
    centres: Tensor  # [K, p] float64
    labels: Tensor  # [n] int64, the cluster of each row of the fit

    @classmethod
    def fit(cls, rows: Tensor, count: int | None, seed: int) -> Self:
        """Clusters of `rows` `[n, d]`: `count` of them (fewer if fewer rows differ), or as many as suit them best.

        None takes the number whose clusters are the tightest compared with how far away the next one is: the best mean
        silhouette (Rousseeuw 1987, with centres for clusters) of 2 to `MOST`, at least `FEWEST` rows a cluster.
        Raises UsageError for a `count` below 1.
        """
        if count is not None and count < 1:
            raise UsageError(f"{count} clusters are not possible; give 1 or more.")
        wide = rows.detach().cpu()
        origin = wide.double().mean(0)
        basis = _principal(wide, origin, seed) if wide.shape[1] > WIDTH else None
        points = _projected(wide, origin, basis).numpy()
        with thread_controller().limit(limits=1):
            tree, members = _tree(points, seed)
            if count is not None:
                centres = _lloyd(points, _cut(tree, members, min(count, len(points))))
            else:
                centres = _best(points, tree, members)
        found = torch.from_numpy(centres)
        return cls(origin, basis, found, _closest(torch.from_numpy(points), found)[1])

    @property
    def count(self) -> int:
        """Number of clusters."""
        return len(self.centres)

    def assign(self, rows: Tensor) -> Tensor:
        """The cluster with the nearest centre to each of `rows` `[m, d]`, int64 `[m]` on the CPU."""
        return _closest(self.project(rows), self.centres)[1]

    def project(self, rows: Tensor) -> Tensor:
        """`rows` `[m, d]` where the centres are, `[m, p]` float64 on the CPU."""
        return _projected(rows.detach().cpu(), self.origin, self.basis)

    def exemplars(self, rows: Tensor, each: int) -> list[list[int]]:
        """For each cluster the places in `rows` `[n, d]` of the `each` members nearest to its centre, nearest first."""
        squared, cluster = _closest(self.project(rows), self.centres)
        order = torch.argsort(squared, stable=True)
        return [order[cluster[order] == k][:each].tolist() for k in range(self.count)]


@cache
def thread_controller() -> ThreadpoolController:
    """What limits the threads of clustering: sums over several come in any order, and rows on borders change sides."""
    import sklearn.cluster  # noqa: F401  a controller knows the libraries that are loaded when it is made

    return ThreadpoolController()  # looking for them takes longer than a small fit


def clusters(rows: Rows, count: int | None, seed: int) -> Clusters:
    """`Clusters.fit` of a set, remembered while the set lives."""
    return once((rows,), ("clusters", count, seed), lambda: Clusters.fit(rows.features, count, seed))


def reduced_dimension(rows: Tensor, seed: int) -> Tensor:
    """`rows` `[n, d]` centred, on their first `WIDTH` principal components if there are more; float64 on the CPU."""
    rows = rows.detach().cpu()
    origin = rows.double().mean(0)
    return _projected(rows, origin, _principal(rows, origin, seed) if rows.shape[1] > WIDTH else None)


def _projected(rows: Tensor, origin: Tensor, basis: Tensor | None) -> Tensor:
    centred = rows - origin.to(rows.dtype) if basis is not None else rows.double() - origin
    return centred.double() if basis is None else (centred @ basis.to(rows.dtype)).double()


def _principal(rows: Tensor, origin: Tensor, seed: int) -> Tensor:
    """The first `WIDTH` principal directions of `rows`, `[d, WIDTH]` or fewer."""
    from sklearn.utils.extmath import randomized_svd

    centred = (rows - origin.to(rows.dtype)).numpy()
    _, _, directions = randomized_svd(centred, min(WIDTH, *centred.shape), n_iter=2, random_state=seed)
    return torch.from_numpy(np.ascontiguousarray(directions.T))


def _closest(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance `[n]` of each point to its nearest centre, and which that is."""
    return nearest_rows(points, centres)


def _tree(points: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ward's tree over at most `SEEN` points, and those points."""
    members = points
    if len(points) > SEEN:
        members = points[np.sort(np.random.default_rng(seed).choice(len(points), SEEN, replace=False))]
    return (scipy.cluster.hierarchy.linkage(members, "ward") if len(members) > 1 else np.empty((0, 4))), members


def _cut(tree: np.ndarray, members: np.ndarray, count: int) -> np.ndarray:
    """Means `[k, p]` of the `count` branches of the tree, or of fewer where equal rows leave no more."""
    if count == 1 or not len(tree):
        return np.asarray(members.mean(0, keepdims=True))
    branch = scipy.cluster.hierarchy.fcluster(tree, count, "maxclust") - 1
    sums = np.zeros((branch.max() + 1, members.shape[1]))
    np.add.at(sums, branch, members)
    return np.asarray(sums / np.bincount(branch)[:, None])


def _lloyd(points: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Centres `[k, p]` after Lloyd's iterations from `start`."""
    if len(start) == 1:
        return np.asarray(points.mean(0, keepdims=True))
    from sklearn.cluster import KMeans

    points, start = points.astype(np.float32), start.astype(np.float32)  # twice as fast; they are centred
    return np.asarray(KMeans(len(start), init=start, n_init=1, max_iter=ROUNDS).fit(points).cluster_centers_, float)


def _best(points: np.ndarray, tree: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Centres for the number of clusters with the best silhouette."""
    tried: Sequence[int] = range(2, min(MOST, len(points) // FEWEST) + 1)
    found = [_lloyd(points, _cut(tree, members, count)) for count in tried] or [points.mean(0, keepdims=True)]
    return max(found, key=lambda centres: _silhouette(points, centres))


def _silhouette(points: np.ndarray, centres: np.ndarray) -> float:
    """Mean of 1 - a / b, a and b the distances of a point to its nearest and to its second nearest centre."""
    if len(centres) < 2:
        return 0.0
    norms = np.square(points).sum(1)[:, None] + np.square(centres).sum(1)
    squared = np.sort(np.partition(norms - 2 * points @ centres.T, 1, 1)[:, :2], 1).clip(0)
    near, far = np.sqrt(squared).T
    return float((1 - np.divide(near, far, out=np.ones_like(near), where=far > 0)).mean())
