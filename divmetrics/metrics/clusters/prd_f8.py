"""Recall-like F score of the precision-recall curve of distributions (PRD)."""

from __future__ import annotations

import numpy as np

from divmetrics.arrays.pairs import HALF_PAIRS
from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.clusters._prd_curve import best_f, f_on_splits, f_variance, mean_curve, reported_points
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric

BETA = 8.0


def _resample(pool: TwoSamplePool, splits: Splits, *, clusters: int, runs: int, angles: int, seed: int) -> np.ndarray:
    return f_on_splits(pool, splits, BETA, clusters, runs, angles, seed)


def _variance(pool: TwoSamplePool, *, clusters: int, runs: int, angles: int, seed: int) -> float:
    return f_variance(pool, BETA, clusters, runs, angles, seed)


@metric(
    "prd_f8",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), on_copies=1),
    cite="Sajjadi 2018, arXiv:1806.00035",
    minimum=lambda _: 2,
    uncertainty=UncertaintySpec(
        Variance("disjoint halves and clusterings", _variance, HALF_PAIRS), _resample, null_trend=1
    ),
    equal_n=True,
    about=About(
        formula=r"\max_\lambda \frac{(1 + 8^2)\,\alpha\beta}{8^2\alpha + \beta},\;"
        r"\alpha(\lambda)=\sum_\omega\min(\lambda p_\omega, q_\omega),\;\beta=\alpha/\lambda",
        sees="Dropped and thinned modes: parts of the real distribution that the fake samples do not cover.",
        blind="Differences within a cluster; poor fake samples, up to a factor of 64 in precision.",
        bias="Below 1 for samples of one distribution, more so the fewer samples a cluster has.",
        cost="k-means of the union on at most 64 principal components, `runs` times; a permutation costs one recount.",
    ),
)
def prd_f8(
    real: Rows, fake: Rows, *, clusters: int = 20, runs: int = 10, angles: int = 1001, seed: int = 0
) -> Measured:
    """Maximal F_8 along the PRD curve: share of the real distribution that is covered; in [0, 1], higher is better.

    Sajjadi 2018. Both sides are counted over k-means clusters of their union, and the curve is averaged over several
    clusterings. (The README of the original code names the two sides in the opposite order to its function.)

    Args:
        real: Features of the real samples, `[n, d]`.
        fake: Features of the generated samples, `[m, d]`.
        clusters: Number of k-means clusters of the union, >= 1; 20 by default. More clusters see finer differences and
            lower the value of identical distributions.
        runs: Number of clusterings averaged, >= 1; 10 by default.
        angles: Points of the curve, >= 3; 1001 by default.
        seed: Seed of the first clustering; 0 by default.

    Returns:
        The score. Extras: `precision` and `recall`, lists of corresponding points of the curve.

    Raises:
        UsageError: `clusters`, `runs` or `angles` is too small.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real = [[0.0], [0.1], [5.0], [5.1]]
        >>> fake = [[0.0], [0.1], [0.0], [0.1]]
        >>> [round(dm.metrics.prd_f8(real, side, clusters=2), 3) for side in (real, fake)]
        [1.0, 0.504]
    """
    precision, recall = mean_curve(real, fake, clusters, runs, angles, seed)
    value = float(best_f(precision, recall, BETA))
    return Measured(value, extras={"precision": reported_points(precision), "recall": reported_points(recall)})
