"""Jensen-Shannon divergence of both sides over k-means bins of the real samples."""

from __future__ import annotations

from math import log

import numpy as np

from divmetrics.arrays.class_counts import corrected_variance, jensen_shannon, shares, variance_of_mean
from divmetrics.arrays.skewness import curvature_of_square, spread_of
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.clusters._bins import FITS, bin_counts, bin_counts_by_halves, bin_counts_on_splits
from divmetrics.records.metric import About, Laws, Measured, Spread, UncertaintySpec, Variance, metric


def _resample(pool: Pool, splits: Splits, *, bins: int, seed: int) -> np.ndarray:
    return jensen_shannon(*bin_counts_on_splits(pool, splits, bins, seed))


def _variance(pool: TwoSamplePool, *, bins: int, seed: int) -> Spread:
    """Spread of the counts, plus the variance of the bin borders: other real samples may split a tight mode in two.

    Where both sides differ, the divergence varies as much as both together. Where they hardly do, part of the variance
    over other bins is that of the counts, because samples are counted differently: then the sum is up to a quarter more
    than the sampling variance.
    """
    real_counts, fake_counts = bin_counts(pool.real, pool.fake, bins, seed)
    q, p = shares(real_counts), shares(fake_counts)
    middle = (p + q) / 2
    slopes = [np.log(side / middle, out=np.zeros_like(p), where=side > 0) / 2 for side in (q, p)]
    first = variance_of_mean(slopes[0], real_counts) + variance_of_mean(slopes[1], fake_counts)
    level = (len(p) - 1) / 32 * (1 / pool.n + 1 / pool.m) ** 2
    counting = corrected_variance(first, level)
    borders = float(jensen_shannon(*bin_counts_by_halves(pool, bins, seed)).var(ddof=1))
    influence = [np.repeat(slopes[0], real_counts), np.repeat(slopes[1], fake_counts)]
    linear = min(1.0, max(0.0, (first - 2 * level) / counting)) if counting > 0 else 0.0
    excess = float(jensen_shannon(real_counts, fake_counts)) - (len(p) - 1) / 8 * (1 / pool.n + 1 / pool.m)
    of_counts = spread_of(counting, influence, curvature=curvature_of_square(excess, counting, linear), linear=linear)
    return of_counts.plus(borders, FITS - 1) if borders > 0 else of_counts


@metric(
    "mode_js",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, log(2)), translation=True, rotation=True, scaling=0, on_copies=0),
    cite="Richardson and Weiss 2018, arXiv:1805.12462; Lin 1991, doi:10.1109/18.61115",
    minimum=lambda _: 2,
    uncertainty=UncertaintySpec(
        variance=Variance("influence function with skewness, and refitted bins", _variance),
        resample=_resample,
        replicate_cost="recomputed",
    ),
    about=About(
        formula=r"\tfrac12 \mathrm{KL}(p \,\|\, \tfrac{p+q}2) + \tfrac12 \mathrm{KL}(q \,\|\, \tfrac{p+q}2)",
        sees="Shifts of weight between regions of the real distribution, most of all regions without fake samples.",
        blind="Differences within a bin; outliers, which are counted in the nearest bin.",
        bias="Too large by about (K - 1)/8 (1/n + 1/m) where both distributions agree (extra `null_floor`).",
        cost="Shares its bins and their re-splits with `ndb`.",
    ),
)
def mode_js(real: Rows, fake: Rows, *, bins: int = 100, seed: int = 0) -> Measured:
    """Jensen-Shannon divergence of both sides over bins of the real samples; nats, in [0, ln 2], lower is better.

    The bins are those of `ndb` (Richardson and Weiss 2018): k-means clusters of the real samples.

    Args:
        real: Features of the real samples, `[n, d]`.
        fake: Features of the generated samples, `[m, d]`.
        bins: Number of bins, >= 1; 100 by default, and at most one per 10 real samples.
        seed: Seed of the clustering; 0 by default.

    Returns:
        The divergence, in nats. Extras: `bins`, and `null_floor`, the expected value for two samples of these sizes
        from one distribution, (K - 1)/8 (1/n + 1/m) for K bins.

    Raises:
        UsageError: `bins` is below 1.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real = [[float(i)] for i in range(20)]
        >>> round(dm.metrics.mode_js(real, real[:10], bins=2), 4)  # shares 1/2, 1/2 against 1, 0
        0.2158
    """
    real_counts, fake_counts = bin_counts(real, fake, bins, seed)
    floor = (len(real_counts) - 1) / 8 * (1 / real.n + 1 / fake.n)
    return Measured(
        max(0.0, float(jensen_shannon(real_counts, fake_counts))),
        extras={"bins": len(real_counts), "null_floor": floor},
    )
