"""Uncertainty of results: confidence intervals, null bands with p-values, and bias corrections.

**Interval.** It is for the metric's expectation at these sample sizes, with both sample sets drawn afresh. A metric may
give its own variance (influence function, closed form). Otherwise the variance over half-samples drawn without
replacement estimates the variance at full size: a mean of n/2 out of n values has the variance s²/(n/2) - s²/n = s²/n.
A bootstrap would not do, because a repeated row is a neighbour at distance 0, which breaks nearest-neighbour metrics.

**Null band.** The pooled samples are permuted into two sets of the same sizes (a permutation test, exact where both
sides come from one distribution). With many permutations the band consists of their own quantiles; with few it is a
Student prediction interval for one more value, skewed where the null distribution is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from divmetrics.arrays.distributions import NORMAL, Distribution, pearson3, student
from divmetrics.arrays.overflow import explained
from divmetrics.arrays.share_intervals import wilson
from divmetrics.arrays.skewness import skewed_ends
from divmetrics.arrays.splits import OneSamplePool, Pool
from divmetrics.errors import DivmetricsError
from divmetrics.inference.replicates import Counts, MetricReplicates, Replicates, SharedSplits, counts_of, draw
from divmetrics.records.foreign import guarded
from divmetrics.records.metric import Metric, Null, Spread
from divmetrics.records.results import NullBand, finite_or_none

LEVEL_WITHOUT_INTERVALS = 0.95
"""Level of the null band where no intervals were asked for, so that no level was given."""
FEWEST_FOR_QUANTILES = 50
"""Permutations from which on the band consists of their own quantiles; with fewer it rests on Student's t."""
HEAVY_TAIL = 0.15
"""Share of one sample in the variance from which a result says so: of 240 normal squares the largest has about 0.05."""
HALF_SAMPLES_FOR_BIAS = 6
"""Half-samples that suffice for a bias, where the interval needs none."""
DISTANCE_SKEWNESS = 1.0
"""Skewness assumed of the null distribution of a distance, where there are too few permutations to estimate it."""
NO_SAMPLES = "no interval and no null: statistics hold no samples to draw from"


@dataclass(frozen=True)
class Uncertainty:
    """Uncertainty of one result: confidence interval, null band and bias."""

    ci: tuple[float, float] | None = None
    method: str | None = None
    """How the interval was found."""
    null: NullBand | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    """`bias` and `debiased`, or `excess` over the mean of the null."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Estimate:
    """A metric's value and the samples it was computed from."""

    metric: Metric
    options: Mapping[str, Any]
    value: float
    pool: Pool | None
    """None where only sums of the samples were kept."""


@dataclass(frozen=True)
class Analytic:
    """What a metric knows of its own uncertainty without any replicates."""

    ci: tuple[float, float] | None = None
    method: str | None = None
    null: Null | None = None
    warnings: tuple[str, ...] = ()


def uncertainties_of(
    estimates: Mapping[str, Estimate], seed: int, *, level: float, null: bool
) -> tuple[dict[str, Uncertainty], Replicates]:
    """Interval, null band and bias of every estimate, and the replicates that they rest on.

    Args:
        estimates: Key in the report -> value and samples.
        seed: Half-samples are drawn from it, permutations from the next.
        level: Confidence level of intervals and null bands; 0 leaves the intervals out.
        null: Whether metrics of two sample sets get a null band.

    Returns:
        Key -> uncertainty, for all keys; and the replicates of those that could be drawn.
    """
    splits, found, rows = SharedSplits(seed), {}, {}
    for key, estimate in estimates.items():
        found[key], replicates = uncertainty_of(estimate, splits, level=level, null=null)
        if replicates is not None:
            rows[key] = replicates
    return found, Replicates(seed, rows)


def uncertainty_of(
    estimate: Estimate, splits: SharedSplits, *, level: float, null: bool
) -> tuple[Uncertainty, MetricReplicates | None]:
    """Uncertainty of one estimate, as far as its metric allows, and its replicates; a failure becomes a warning.

    Args:
        estimate: The value and its samples.
        splits: Half-samples and permutations, shared by all estimates of one measurement.
        level: Confidence level of the interval and the null band; 0 leaves the interval out.
        null: Whether a metric of two sample sets gets a null band.
    """
    metric, pool = estimate.metric, estimate.pool
    if pool is None:
        return Uncertainty(warnings=(NO_SAMPLES,)), None
    try:
        with guarded(f"the interval or null of {metric.name}", metric.function):
            analytic = _analytic(estimate, pool, level, null)
            counts = _counts_needed(metric, pool, analytic, level, null)
            replicates = draw(metric, estimate.options, pool, counts, splits)
            return _from_replicates(estimate, pool, analytic, replicates, level), replicates
    except DivmetricsError as raised:
        samples = [rows for name in ("real", "fake") if (rows := getattr(pool, name, None)) is not None]
        return Uncertainty(warnings=(f"no interval and no null: {explained(raised, *samples)}",)), None


def _analytic(estimate: Estimate, pool: Pool, level: float, null: bool) -> Analytic:
    """The interval from the metric's own ends or variance, and its closed-form null, where it has them."""
    metric, options = estimate.metric, estimate.options
    own, variance = metric.uncertainty.interval, metric.uncertainty.variance
    closed = metric.uncertainty.null
    band = closed(pool, **options) if closed is not None and null and not isinstance(pool, OneSamplePool) else None
    if not level:
        return Analytic(null=band)
    if own is not None and (ends := own.function(pool, level, **options)) is not None:
        return Analytic(ends, own.method, band)
    if variance is not None and (spread := variance.spread(pool, **options)) is not None:
        ends = _interval(estimate.value, spread, variance.freedom, metric, pool, level)
        return Analytic(ends, variance.method, band, _of_tails(spread))
    return Analytic(null=band)


def _counts_needed(metric: Metric, pool: Pool, analytic: Analytic, level: float, null: bool) -> Counts:
    """How many half-samples and permutations the missing parts of the uncertainty take."""
    counts = counts_of(metric, pool)
    drawn_null = null and analytic.null is None and not isinstance(pool, OneSamplePool)
    half_samples = counts.half_samples
    if not level:
        half_samples = 0
    elif analytic.ci is not None:
        half_samples = HALF_SAMPLES_FOR_BIAS if metric.uncertainty.bias == "1/n" else 0
    return Counts(half_samples, counts.permutations if drawn_null else 0)


def _from_replicates(
    estimate: Estimate, pool: Pool, analytic: Analytic, replicates: MetricReplicates, level: float
) -> Uncertainty:
    """The uncertainty from what the metric knows by itself and what its replicates show."""
    metric, value, spec = estimate.metric, estimate.value, estimate.metric.uncertainty
    half_samples, permutations = replicates.usable_half_samples, replicates.usable_permutations
    ci, method, band = analytic.ci, analytic.method, None
    if analytic.null is not None:
        band = _closed_band(value, analytic.null, metric, level or LEVEL_WITHOUT_INTERVALS)
    elif len(permutations) > 1:
        band = _permutation_band(value, permutations, metric, level or LEVEL_WITHOUT_INTERVALS)
    if ci is None and len(half_samples) > 1:
        error = float(half_samples.std(ddof=1)) * _half_sample_factor(pool)
        ci = _interval(value, Spread(error**2), len(half_samples) - 1, metric, pool, level)
        method = f"{len(half_samples)} half-samples"
    shown = ci is not None or band is not None
    warnings = (spec.caveat,) if spec.caveat is not None and shown else ()
    return Uncertainty(ci, method, band, _bias(value, half_samples, band, spec.bias), warnings + analytic.warnings)


def _half_sample_factor(pool: Pool) -> float:
    """Factor from the standard deviation over half-samples to the standard error: 1 for an even number of fakes.

    A mean of h out of m values has the variance s²/h - s²/m = s²/m · (m - h)/h.
    """
    half = pool.m // 2
    return float(np.sqrt(half / (pool.m - half)))


def _of_tails(spread: Spread) -> tuple[str, ...]:
    """A warning where the samples have so heavy a tail that the interval rests on one of them."""
    if spread.largest < HEAVY_TAIL:
        return ()
    share = f"{100 * spread.largest:.0f} %"
    return (f"one sample accounts for {share} of the variance, and with tails as heavy the interval may be too narrow",)


def _interval(
    value: float, spread: Spread, freedom: float, metric: Metric, pool: Pool, level: float
) -> tuple[float, float]:
    """Ends of the interval: Wilson's for a share, else those of a skewed value, cut at what is possible."""
    low, high = metric.range
    if metric.uncertainty.most is not None:
        high = max(value, min(high, metric.uncertainty.most(pool)))
    if (low, high) == (0, 1):
        quantile = float(student(min(freedom, spread.freedom)).ppf((1 + level) / 2))
        return _wilson(value, spread.variance**0.5, quantile, pool)
    ends = skewed_ends(value, spread, level, freedom)
    return max(low, float(ends[0])), min(high, float(ends[1]))


def _wilson(share: float, error: float, quantile: float, pool: Pool) -> tuple[float, float]:
    """Wilson's score interval for as many independent samples as the standard error `error` stands for.

    At 0 and at 1 the estimated error is 0 and a symmetric interval empty, though an event of probability 3/n is easily
    missed in n samples: there the size of the smaller side is taken, and the error where it is known to be larger, as
    that of a share of few bins is.
    """
    variance = share * (1 - share)
    if variance > 0 and error > 0:
        return wilson(share, variance / error**2, quantile)
    low, high = wilson(share, min(n for n in (pool.n, pool.m) if n), quantile)
    return max(0.0, min(low, share - quantile * error)), min(1.0, max(high, share + quantile * error))


def _permutation_band(value: float, permutations: np.ndarray, metric: Metric, level: float) -> NullBand:
    """Central `level` of the null distribution, and the probability of a value at least as bad as `value` under it."""
    count, finite = len(permutations), permutations[np.isfinite(permutations)]
    mean, sd = (float(finite.mean()), float(finite.std(ddof=1))) if len(finite) > 1 else (np.nan, np.nan)
    if count >= FEWEST_FOR_QUANTILES or len(finite) < 2:
        # Of B + 1 exchangeable values each rank is equally likely: the k-th smallest of B has k / (B + 1) below it.
        ordered = np.sort(permutations)
        rank = max(1, int(np.floor((count + 1) * (1 - level) / 2 + 1e-9)))  # 200 * (1 - .9) / 2 is 9.999999999999998
        low, high = float(ordered[rank - 1]), float(ordered[-rank])
        worse = permutations <= value if metric.better == "higher" else permutations >= value
        p = float(1 + worse.sum()) / (count + 1)
    else:
        low, high, p = student_band(value, finite, metric, level)
    low, high = max(low, metric.range[0]), min(high, metric.range[1])
    numbers = dict(zip(("mean", "low", "high", "sd", "p"), map(finite_or_none, (mean, low, high, sd, p)), strict=True))
    return NullBand(**numbers, draws=count, method="permutation")


def student_band(value: float, permutations: np.ndarray, metric: Metric, level: float) -> tuple[float, float, float]:
    """Prediction interval for one more value of the null distribution, from few permutations, and the p-value.

    The null of a distance is a sum of squares, with a long tail to the bad side, which 20 permutations do not show.
    There the quantiles are those of a Pearson type III distribution (a gamma) of skewness `DISTANCE_SKEWNESS`, widened
    as Student's are wider than normal ones: p <= .01 in 0.1 % of values from a normal null, 1 % from chi squares of 8
    degrees of freedom and 2 % from those of 3, where Student's t alone has 1, 3 and 4 %. A share near an end of its
    range is skewed the other way, as a beta distribution is.

    Args:
        value: The value to compare.
        permutations: Finite values on permutations `[B]`, B >= 2.
        metric: Gives direction and range.
        level: Probability of the interval.

    Returns:
        Low end, high end, and the probability of a value at least as bad as `value`.
    """
    middle, freedom = float(permutations.mean()), len(permutations) - 1
    spread = float(permutations.std(ddof=1)) * float(np.sqrt(1 + 1 / len(permutations)))
    wide, shape = student(freedom), pearson3(_skewness(metric, permutations))
    low, high = (float(wide.ppf(NORMAL.cdf(shape.ppf(q)))) for q in ((1 - level) / 2, (1 + level) / 2))
    ends = middle + low * spread, middle + high * spread
    if spread == 0:
        return *ends, _tail(value, middle, 0.0, wide, metric)
    distance = (value - middle) / spread
    if metric.better == "higher":
        return *ends, float(shape.cdf(NORMAL.ppf(wide.cdf(distance))))
    return *ends, float(shape.sf(-NORMAL.ppf(wide.sf(distance))))


def _skewness(metric: Metric, permutations: np.ndarray) -> float:
    """Skewness of the null distribution: positive where its long tail is that of large values."""
    low, high = metric.range
    if metric.better == "lower" and low == 0 and np.isinf(high):
        return DISTANCE_SKEWNESS
    if not np.isfinite(high - low) or permutations.std() == 0:
        return 0.0
    share = float(np.clip((permutations.mean() - low) / (high - low), 1e-3, 1 - 1e-3))
    # a + b of the beta distribution on [low, high] with this mean and variance
    total = max(share * (1 - share) * (high - low) ** 2 / float(permutations.var(ddof=1)) - 1, 0.5)
    skewness = 2 * (1 - 2 * share) * np.sqrt(total + 1) / ((total + 2) * np.sqrt(share * (1 - share)))
    return float(np.clip(skewness, -2, 2))


def _closed_band(value: float, null: Null, metric: Metric, level: float) -> NullBand:
    """The null band and p-value of a normal null distribution that is known in closed form."""
    half_width = float(NORMAL.ppf((1 + level) / 2)) * null.sd
    low, high = max(null.mean - half_width, metric.range[0]), min(null.mean + half_width, metric.range[1])
    p = _tail(value, null.mean, null.sd, NORMAL, metric)
    return NullBand(null.mean, low, high, sd=null.sd, p=p, draws=None, method="closed form")


def _tail(value: float, mean: float, sd: float, distribution: Distribution, metric: Metric) -> float:
    """Probability of a value at least as bad as `value`; where the null has no spread, 0 beyond its mean and else 1."""
    higher = metric.better == "higher"
    if sd == 0:
        return 0.0 if (value < mean if higher else value > mean) else 1.0
    distance = (value - mean) / sd
    return float(distribution.cdf(distance) if higher else distribution.sf(distance))


def _bias(value: float, half_samples: np.ndarray, null: NullBand | None, bias: str | None) -> dict[str, Any]:
    """What the sample sizes add to the value, and the value without it."""
    if bias == "1/n" and len(half_samples):
        added = float(half_samples.mean()) - value  # a bias of b/n is 2b/n at half the size: the difference is b/n
        return {"bias": added, "debiased": value - added}
    if bias == "null" and null is not None and null.mean is not None:
        return {"excess": value - null.mean}
    return {}
