"""K-means clusters of a sample set: the bins of NDB, and the modes of real samples that have no labels.

Three deterministic steps, on rows in an order of their own, so that sums round alike however files are called. Rows of
more than `WIDTH` columns are projected to their first principal components, which
preserves distances between clusters and makes the rest twenty times faster. Ward's hierarchical clustering of at most
`SEEN` rows gives initial centres for every number of clusters at once; which rows these are does not depend on their
order. Lloyd's iterations (scikit-learn) over all rows then refine them; k-means++ from a single start misses
well-separated modes too often.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import scipy
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from divmetrics.arrays.draws import drawn_order, ranked
from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs import nearest_rows
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError

WIDTH = 64
"""Principal components kept of wider rows."""
SEEN = 1000
"""Rows that Ward's tree is built over; of more rows, a seeded subset."""
FEWEST = 20
"""Least average number of rows a cluster, where the number of clusters is chosen automatically."""
MOST = 64
"""Greatest number of clusters, where it is chosen automatically."""
ROUNDS = 20
"""Lloyd's iterations; from Ward's centres the within-cluster variance is then within 0.2 % of its limit."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """Cluster centres, the projection that they live in, and the cluster of each row they were fitted to."""

    origin: Tensor  # [d] float64
    basis: Tensor | None  # [d, WIDTH] orthonormal columns; None where rows are narrow enough as they are
    centres: Tensor  # [K, p] float64
    labels: Tensor  # [n] int64, the cluster of each row of the fit

    @classmethod
    def fit(cls, rows: Tensor, count: int | None, seed: int, content: Tensor | None = None) -> Self:
        """K-means clusters of a set of rows.

        Args:
            rows: Rows `[n, d]`.
            count: Number of clusters; fewer are returned if fewer rows differ. None takes the number with the best mean
                silhouette (Rousseeuw 1987, with distances to centres), from 2 to `MOST`, with at least `FEWEST` rows a
                cluster.
            seed: Seed of the projection and of the subset for Ward's tree.
            content: A number for the content of each row, by which rows are ordered and the subset is drawn; see
                `ranked`.

        Raises:
            UsageError: `count` is below 1.

        Example:
            >>> import torch
            >>> rows = torch.tensor([[0.0], [0.2], [5.0], [5.2]])
            >>> clusters = Clusters.fit(rows, 2, seed=0)
            >>> clusters.assign(torch.tensor([[1.0]])).equal(clusters.labels[:1])
            True
        """
        if count is not None and count < 1:
            raise UsageError(f"{count} clusters are not possible; give 1 or more.")
        order = ranked(rows, content)
        reduced, origin, basis = _reduced(rows, order, seed)
        points = reduced.numpy()
        with thread_controller().limit(limits=1):
            tree, members = _ward_tree(points, seed, None if content is None else content.cpu()[order])
            if count is not None:
                centres = _lloyd(points, _branch_means(tree, members, min(count, len(points))))
            else:
                centres = _best_centres(points, tree, members)
        fitted = torch.from_numpy(centres)
        labels = nearest_rows(reduced, fitted)[1]
        return cls(origin, basis, fitted, torch.empty_like(labels).index_copy_(0, order, labels))

    @property
    def count(self) -> int:
        """Number of clusters."""
        return len(self.centres)

    def assign(self, rows: Tensor) -> Tensor:
        """Cluster of each of `rows` `[m, d]`, that of the nearest centre; int64 `[m]` on the CPU."""
        return nearest_rows(self.project(rows), self.centres)[1]

    def project(self, rows: Tensor) -> Tensor:
        """`rows` `[m, d]` in the space of the centres, `[m, p]` float64 on the CPU."""
        return _projected(rows.detach().cpu(), self.origin, self.basis)

    def exemplars(self, rows: Tensor, each: int) -> list[list[int]]:
        """The members of each cluster that are nearest to its centre.

        Args:
            rows: Rows `[n, d]`.
            each: Number of members to list of each cluster.

        Returns:
            For each cluster the numbers of at most `each` rows, nearest first.
        """
        squared, cluster = nearest_rows(self.project(rows), self.centres)
        order = torch.argsort(squared, stable=True)
        return [order[cluster[order] == k][:each].tolist() for k in range(self.count)]


@cache
def thread_controller() -> ThreadpoolController:
    """Controller of the thread pools: sums over several threads vary in order, and rows on borders change cluster."""
    import sklearn.cluster  # noqa: F401  a controller knows the libraries that are loaded when it is made

    return ThreadpoolController()  # looking for them takes longer than a small fit


def clusters(rows: Rows, count: int | None, seed: int) -> Clusters:
    """`Clusters.fit` of a sample set; computed once for each set, count and seed.

    Args:
        rows: Samples `[n, d]`.
        count: Number of clusters, or None for the best one.
        seed: Seed of the projection and of the subset for Ward's tree.
    """
    return once((rows,), ("clusters", count, seed), lambda: Clusters.fit(rows.features, count, seed, rows.content))


def reduced_dimension(rows: Tensor, seed: int, content: Tensor | None = None) -> Tensor:
    """`rows` `[n, d]` centred, projected to their first `WIDTH` principal components if d is greater.

    Args:
        rows: Rows `[n, d]`.
        seed: Seed of the randomised decomposition.
        content: A number for the content of each row, by which rows are ordered; see `ranked`.

    Returns:
        `[n, min(d, WIDTH)]` float64 on the CPU.
    """
    order = ranked(rows, content)
    points, _, _ = _reduced(rows, order, seed)
    return torch.empty_like(points).index_copy_(0, order, points)


def _reduced(rows: Tensor, order: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """`rows` `[n, d]` in this order and reduced, float64 `[n, min(d, WIDTH)]`, with the origin and the basis of that.

    The randomised decomposition depends on the order of rows where they are fewer than columns, and all sums do in
    their last bits, which decide where k-means ends.
    """
    centred = rows.detach().cpu()[order]
    origin = centred.mean(0, dtype=torch.float64)
    if centred.shape[1] <= WIDTH:
        return centred.double() - origin, origin, None
    centred -= origin.to(centred.dtype)
    basis = _principal(centred, seed)
    return (centred @ basis.to(centred.dtype)).double(), origin, basis


def _projected(rows: Tensor, origin: Tensor, basis: Tensor | None) -> Tensor:
    """`rows` `[n, d]` less `origin`, in coordinates of `basis` `[d, p]` where there is one; float64."""
    centred = rows - origin.to(rows.dtype) if basis is not None else rows.double() - origin
    return centred.double() if basis is None else (centred @ basis.to(rows.dtype)).double()


def _principal(centred: Tensor, seed: int) -> Tensor:
    """The first `WIDTH` principal directions of rows `[n, d]`, `[d, WIDTH]`, or fewer where there are fewer rows."""
    from sklearn.utils.extmath import randomized_svd

    width = min(WIDTH, *centred.shape)
    _, _, directions = randomized_svd(centred.numpy(), width, n_iter=2, random_state=seed % 2**32)
    return torch.from_numpy(np.ascontiguousarray(directions.T))


def _ward_tree(points: np.ndarray, seed: int, content: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
    """Ward's tree over at most `SEEN` of the points, in scipy's linkage format, and those points."""
    members = points
    if len(points) > SEEN:
        members = points[drawn_order(torch.from_numpy(points), seed, content=content)[:SEEN].numpy()]
    return (scipy.cluster.hierarchy.linkage(members, "ward") if len(members) > 1 else np.empty((0, 4))), members


def _branch_means(tree: np.ndarray, members: np.ndarray, count: int) -> np.ndarray:
    """Means `[k, p]` of the tree cut into `count` branches, or into fewer where equal rows allow no more."""
    if count == 1 or not len(tree):
        return np.asarray(members.mean(0, keepdims=True))
    branch = scipy.cluster.hierarchy.fcluster(tree, count, "maxclust") - 1
    sums = np.zeros((branch.max() + 1, members.shape[1]))
    np.add.at(sums, branch, members)
    return np.asarray(sums / np.bincount(branch)[:, None])


def _lloyd(points: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Centres `[k, p]` after Lloyd's iterations over `points` `[n, p]` from `start` `[k, p]`."""
    if len(start) == 1:
        return np.asarray(points.mean(0, keepdims=True))
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    points, start = points.astype(np.float32), start.astype(np.float32)  # twice as fast; they are centred
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer distinct rows than centres, beside an outlier
        fitted = KMeans(len(start), init=start, n_init=1, max_iter=ROUNDS).fit(points)
    return np.asarray(fitted.cluster_centers_, float)


def _best_centres(points: np.ndarray, tree: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Centres `[k, p]` for the number of clusters with the best mean silhouette."""
    tried: Sequence[int] = range(2, min(MOST, len(points) // FEWEST) + 1)
    candidates = [_lloyd(points, _branch_means(tree, members, count)) for count in tried] or [
        points.mean(0, keepdims=True)
    ]
    return max(candidates, key=lambda centres: _silhouette(points, centres))


def _silhouette(points: np.ndarray, centres: np.ndarray) -> float:
    """Mean silhouette: 1 - a / b, with the distances a and b of a point to its nearest and second nearest centre."""
    if len(centres) < 2:
        return 0.0
    norms = np.square(points).sum(1)[:, None] + np.square(centres).sum(1)
    squared = np.sort(np.partition(norms - 2 * points @ centres.T, 1, 1)[:, :2], 1).clip(0)
    near, far = np.sqrt(squared).T
    return float((1 - np.divide(near, far, out=np.ones_like(near), where=far > 0)).mean())
