"""Precision-recall curve of distributions (PRD) and its F scores. Sajjadi 2018, arXiv:1806.00035.

Both sets are counted over k-means clusters of their union. The clustering does not depend on the sides, so it is valid
for every split of the pooled samples, and a split costs only a count of their labels.
"""

from __future__ import annotations

from math import pi

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.class_counts import label_counts_on_splits
from divmetrics.arrays.clustering import reduced_dimension, thread_controller
from divmetrics.arrays.draws import joined, ranked
from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs import disjoint_halves_variance
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import UsageError

ANGLE_MARGIN = 1e-10
"""Distance of the outermost angles from 0 and pi/2, where the slope would be 0 or infinite."""
REPORTED_POINTS = 101
"""Points of the curve in a report."""


def curve(real: np.ndarray, fake: np.ndarray, angles: int) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall `[..., angles]` of shares `[..., K]` over the same bins. Sajjadi 2018, eq. 3 and 4.

    At slope l precision is sum min(l real, fake), and recall is that divided by l; slopes are tangents of evenly spaced
    angles. Raises UsageError below 3 angles.
    """
    _check_angles(angles)
    slopes = np.tan(np.linspace(ANGLE_MARGIN, pi / 2 - ANGLE_MARGIN, angles))
    precision = np.minimum(slopes[:, None] * real[..., None, :], fake[..., None, :]).sum(-1)  # [..., angles]
    return precision.clip(0, 1), (precision / slopes).clip(0, 1)  # round-off can exceed 1 by an ulp


def best_f(precision: np.ndarray, recall: np.ndarray, beta: float) -> np.ndarray:
    """Maximal F_beta along each curve `[..., angles]`: recall weighs `beta` times as much as precision."""
    denominator = beta**2 * precision + recall
    f = np.divide(
        (1 + beta**2) * precision * recall, denominator, out=np.zeros_like(denominator), where=denominator > 0
    )
    return np.asarray(f.max(-1))


def _check_angles(angles: int) -> None:
    if angles < 3:
        raise UsageError(f"angles={angles} is not possible; give 3 or more, 1001 by default.")


def mean_curve(
    real: Rows, fake: Rows, clusters: int, runs: int, angles: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall `[angles]`, averaged over `runs` clusterings.

    Raises UsageError for `clusters` < 1 or `runs` < 1, FeatureError for different widths.
    """
    _check_angles(angles)
    labels = _union_clusters(real, fake, clusters, runs, seed)
    precision, recall = _curves(labels, _actual_sides(real.n, fake.n), clusters, angles)
    return precision[0], recall[0]


def f_on_splits(
    pool: TwoSamplePool, splits: Splits, beta: float, clusters: int, runs: int, angles: int, seed: int
) -> np.ndarray:
    """`best_f` of the mean curve of each of `splits`, `[B]`."""
    labels = _union_clusters(pool.real, pool.fake, clusters, runs, seed)
    return best_f(*_curves(labels, splits, clusters, angles), beta)


def f_variance(pool: TwoSamplePool, beta: float, clusters: int, runs: int, angles: int, seed: int) -> float:
    """Sampling variance of `best_f`: that of the counts, by disjoint half-samples, plus that of the clusterings.

    The second is the variance between single clusterings over `runs`; it is unknown, and left out, for one run.
    """
    labels = _union_clusters(pool.real, pool.fake, clusters, runs, seed)
    single = [best_f(*_curves(run[None], _actual_sides(pool.n, pool.m), clusters, angles), beta)[0] for run in labels]
    of_clusterings = float(np.var(single, ddof=1)) / runs if runs > 1 else 0.0
    of_counts = disjoint_halves_variance(pool, lambda splits: best_f(*_curves(labels, splits, clusters, angles), beta))
    return of_counts + of_clusterings


def reported_points(values: np.ndarray) -> list[float]:
    """At most `REPORTED_POINTS` evenly spaced points of a curve `[angles]`."""
    at = np.linspace(0, len(values) - 1, min(REPORTED_POINTS, len(values))).round().astype(int)
    return [float(value) for value in values[at]]


def _actual_sides(n: int, m: int) -> Splits:
    """The single split in which n real and m fake samples are what they are."""
    return Splits(torch.tensor([REAL] * n + [FAKE] * m, dtype=torch.uint8)[None])


def _curves(labels: Tensor, splits: Splits, clusters: int, angles: int) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall `[B, angles]` of each split, averaged over clusterings `labels` `[runs, n + m]`."""
    total = [np.zeros((len(splits), angles)), np.zeros((len(splits), angles))]
    for run in labels:
        counts = label_counts_on_splits(run, clusters, splits)
        real, fake = (side / side.sum(1, keepdims=True) for side in counts)
        for sum_, part in zip(total, curve(real, fake, angles), strict=True):
            sum_ += part / len(labels)
    return total[0], total[1]


def _union_clusters(real: Rows, fake: Rows, clusters: int, runs: int, seed: int) -> Tensor:
    """Cluster of each sample of the union in each run, `[runs, n + m]` int64; memoised."""
    if clusters < 1 or runs < 1:
        raise UsageError(f"clusters={clusters} and runs={runs} must both be at least 1.")
    same_width(real.d, fake.d)

    def make() -> Tensor:
        # Principal components preserve distances between clusters, and k-means takes a tenth of the time on them
        content = joined(real.content, fake.content)
        points = reduced_dimension(torch.cat([real.features, fake.features]), seed, content)
        order = ranked(points, content)  # mini-batches are drawn by place
        labels = torch.stack([_cluster(points[order].float().numpy(), clusters, seed + run) for run in range(runs)])
        return torch.empty_like(labels).index_copy_(1, order, labels)

    return once((real, fake), ("clusters of the union", clusters, runs, seed), make)


def _cluster(points: np.ndarray, clusters: int, seed: int) -> Tensor:
    """Mini-batch k-means label `[N]` int64 of each of `points` `[N, p]`."""
    from sklearn.cluster import MiniBatchKMeans

    count = min(clusters, len(np.unique(points, axis=0)) if len(points) < 10 * clusters else clusters)
    with thread_controller().limit(limits=1):
        means = MiniBatchKMeans(count, n_init=3, random_state=seed % 2**32)
        return torch.from_numpy(means.fit(points).labels_.astype(np.int64))
