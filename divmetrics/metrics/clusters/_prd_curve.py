"""Precision and recall of distributions: how much of each side the other can explain, at every exchange rate.

Both sets are counted over clusters of their union (Sajjadi 2018). The clustering does not look at the sides, so it
stands for every re-split of the pooled samples, and a split costs a recount.
"""

from __future__ import annotations

from math import pi

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.class_counts import recount
from divmetrics.arrays.clustering import narrowed, threads
from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs import disjoint_halves_variance
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import UsageError

EDGE = 1e-10
"""How far the outermost angles stay from 0 and from a right angle, where a slope would be 0 or infinite."""
SHOWN = 101
"""Points of the curve that a report holds."""


def curve(real: np.ndarray, fake: np.ndarray, angles: int) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall `[..., angles]` of shares `[..., K]` over the same bins. Sajjadi 2018, eq. 3 and 4.

    At the slope l precision is sum min(l real, fake), and recall the same over l; the angles whose tangents are the
    slopes are evenly spaced. Raises UsageError below 3 angles.
    """
    if angles < 3:
        raise UsageError(f"angles={angles} is not possible; give 3 or more, 1001 by default.")
    slopes = np.tan(np.linspace(EDGE, pi / 2 - EDGE, angles))
    precision = np.minimum(slopes[:, None] * real[..., None, :], fake[..., None, :]).sum(-1)  # [..., angles]
    return precision.clip(0, 1), (precision / slopes).clip(0, 1)  # round-off leads above 1 by an ulp


def best_f(precision: np.ndarray, recall: np.ndarray, beta: float) -> np.ndarray:
    """The largest F_beta along each curve `[..., angles]`: recall weighs `beta` times as much as precision."""
    weighed = beta**2 * precision + recall
    f = np.divide((1 + beta**2) * precision * recall, weighed, out=np.zeros_like(weighed), where=weighed > 0)
    return np.asarray(f.max(-1))


def mean_curve(
    real: Rows, fake: Rows, clusters: int, runs: int, angles: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall `[angles]`, the mean over `runs` clusterings.

    Raises UsageError on `clusters` < 1 or `runs` < 1, FeatureError on different widths.
    """
    labels = _labelled(real, fake, clusters, runs, seed)
    precision, recall = _curves(labels, _whole(real.n, fake.n), clusters, angles)
    return precision[0], recall[0]


def f_on_splits(
    pool: TwoSamplePool, splits: Splits, beta: float, clusters: int, runs: int, angles: int, seed: int
) -> np.ndarray:
    """`best_f` of the mean curve of every split, `[B]`."""
    labels = _labelled(pool.real, pool.fake, clusters, runs, seed)
    return best_f(*_curves(labels, splits, clusters, angles), beta)


def f_variance(pool: TwoSamplePool, beta: float, clusters: int, runs: int, angles: int, seed: int) -> float:
    """Sampling variance of `best_f`: of the counts, by disjoint halves, and of where the borders of clusters run.

    Other samples would have other clusters; what single clusterings give shows how much that is, if there are several.
    """
    labels = _labelled(pool.real, pool.fake, clusters, runs, seed)
    single = [best_f(*_curves(run[None], _whole(pool.n, pool.m), clusters, angles), beta)[0] for run in labels]
    borders = float(np.var(single, ddof=1)) / runs if runs > 1 else 0.0
    counts = disjoint_halves_variance(pool, lambda splits: best_f(*_curves(labels, splits, clusters, angles), beta))
    return counts + borders


def thinned(values: np.ndarray) -> list[float]:
    """Some of a curve's points, evenly spaced."""
    at = np.linspace(0, len(values) - 1, min(SHOWN, len(values))).round().astype(int)
    return [float(value) for value in values[at]]


def _whole(n: int, m: int) -> Splits:
    """The one split that leaves n reals and m fakes as they are."""
    return Splits(torch.tensor([REAL] * n + [FAKE] * m, dtype=torch.uint8)[None])


def _curves(labels: Tensor, splits: Splits, clusters: int, angles: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean precision and recall `[B, angles]` over clusterings `[runs, n + m]`."""
    total = [np.zeros((len(splits), angles)), np.zeros((len(splits), angles))]
    for run in labels:
        counts = recount(run, clusters, splits)
        real, fake = (side / side.sum(1, keepdims=True) for side in counts)
        for sum_, part in zip(total, curve(real, fake, angles), strict=True):
            sum_ += part / len(labels)
    return total[0], total[1]


def _labelled(real: Rows, fake: Rows, clusters: int, runs: int, seed: int) -> Tensor:
    """The cluster of each sample of the union in each run, `[runs, n + m]` int64; remembered."""
    if clusters < 1 or runs < 1:
        raise UsageError(f"clusters={clusters} and runs={runs} must be at least 1.")
    same_width(real.d, fake.d)

    def make() -> Tensor:
        # Principal components of the union: distances between clusters survive, and k-means takes a tenth of the time
        points = narrowed(torch.cat([real.features, fake.features]), seed).float().numpy()
        return torch.stack([_cluster(points, clusters, seed + run) for run in range(runs)])

    return once((real, fake), ("clusters of the union", clusters, runs, seed), make)


def _cluster(points: np.ndarray, clusters: int, seed: int) -> Tensor:
    from sklearn.cluster import MiniBatchKMeans

    count = min(clusters, len(np.unique(points, axis=0)) if len(points) < 10 * clusters else clusters)
    with threads().limit(limits=1):
        means = MiniBatchKMeans(count, n_init=3, random_state=seed)
        return torch.from_numpy(means.fit(points).labels_.astype(np.int64))
