"""Precision-like F score of the PRD curve."""

from __future__ import annotations

import numpy as np

from divmetrics.arrays.pairs import HALF_PAIRS
from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.clusters._prd_curve import best_f, f_on_splits, f_variance, mean_curve, thinned
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric

BETA = 1 / 8


def _resample(pool: TwoSamplePool, splits: Splits, *, clusters: int, runs: int, angles: int, seed: int) -> np.ndarray:
    return f_on_splits(pool, splits, BETA, clusters, runs, angles, seed)


def _variance(pool: TwoSamplePool, *, clusters: int, runs: int, angles: int, seed: int) -> float:
    return f_variance(pool, BETA, clusters, runs, angles, seed)


@metric(
    "prd_f1_8",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), row_order=False, on_copies=1),
    role="fidelity",
    cite="Sajjadi 2018, arXiv:1806.00035",
    minimum=lambda _: 2,
    uncertainty=UncertaintySpec(Variance("disjoint halves and clusterings", _variance, HALF_PAIRS), _resample),
    equal_n=True,
    about=About(
        formula=r"\max_\lambda \frac{(1 + 8^{-2})\,\alpha\beta}{8^{-2}\alpha + \beta},\;"
        r"\alpha(\lambda)=\sum_\omega\min(\lambda p_\omega, q_\omega),\;\beta=\alpha/\lambda",
        sees="Fakes in regions where there are few reals: invented modes, bad samples.",
        blind="What happens within a cluster; dropped modes, up to a factor of 64 of precision.",
        bias="Below 1 for sets that are alike, the more so the fewer samples a cluster has.",
        cost="`runs` times k-means of the union on at most 64 principal components; a re-split costs a recount.",
    ),
)
def prd_f1_8(
    real: Rows, fake: Rows, *, clusters: int = 20, runs: int = 10, angles: int = 1001, seed: int = 0
) -> Measured:
    """max F_1/8 over the PRD curve: how much of the fakes the reals can explain; in [0, 1], higher is better.

    Sajjadi 2018: both sides are counted over `clusters` k-means clusters of their union, the curve is the mean over
    `runs` clusterings, at `angles` exchange rates. Extras: `precision` and `recall`, points of the curve.
    The sides have names here; the original's README passes them the other way round than its function takes them.
    Raises UsageError on numbers below 1 (3 for `angles`).
    """
    precision, recall = mean_curve(real, fake, clusters, runs, angles, seed)
    value = float(best_f(precision, recall, BETA))
    return Measured(value, extras={"precision": thinned(precision), "recall": thinned(recall)})
