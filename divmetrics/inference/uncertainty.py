"""Uncertainty of results: confidence intervals, null bands with p-values, and bias corrections.

**Interval.** It is for the metric's expectation at these sample sizes, with both sample sets drawn afresh. A metric may
give its own variance (influence function, closed form). Otherwise the variance over half-samples drawn without
replacement estimates the variance at full size: a mean of n/2 out of n values has the variance s²/(n/2) - s²/n = s²/n.
A bootstrap would not do, because a repeated row is a neighbour at distance 0, which breaks nearest-neighbour metrics.

**p-value.** The pooled samples are permuted into two sets of the same sizes (a permutation test, exact where both sides
come from one distribution). With many permutations p is a rank among them; with few it rests on a Student prediction
interval for one more value, skewed where the null distribution is.

**Null band.** What real samples score against real samples: a prediction interval from disjoint sets of them, because
permutations of very different sides mix fakes into both (`real_band.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from divmetrics.arrays.distributions import NORMAL, student
from divmetrics.arrays.overflow import explained
from divmetrics.arrays.share_intervals import wilson
from divmetrics.arrays.skewness import skewed_ends
from divmetrics.arrays.splits import OneSamplePool, Pool
from divmetrics.errors import DivmetricsError
from divmetrics.inference.real_band import band_of_reals, with_reals
from divmetrics.inference.replicates import Counts, MetricReplicates, Replicates, SharedSplits, counts_of, draw
from divmetrics.inference.student_band import student_band, tail
from divmetrics.records.foreign import guarded
from divmetrics.records.metric import Metric, Null, Spread
from divmetrics.records.null_band import NullBand, Permutations
from divmetrics.records.results import finite_or_none

LEVEL_WITHOUT_INTERVALS = 0.95
"""Level of the null band where no intervals were asked for, so that no level was given."""
FEWEST_FOR_QUANTILES = 50
"""Permutations from which on the band consists of their own quantiles; with fewer it rests on Student's t."""
HEAVY_TAIL = 0.15
"""Share of one sample in the variance from which a result says so: of 240 normal squares the largest has about 0.05."""
HALF_SAMPLES_FOR_BIAS = 6
"""Half-samples that suffice for a bias, where the interval needs none."""
TOO_FEW_REALS = "{n} real samples are too few to be split in two, so what real samples score is not known"
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
    more_reals: Pool | None = None
    """The real and held-out samples as two sides, where held-out ones were given that the metric does not read."""


@dataclass(frozen=True)
class Asked:
    """What is wanted of the uncertainty of a measurement."""

    level: float
    """Confidence level of intervals and null bands; 0 leaves the intervals out."""
    null: bool
    """Whether metrics of two sample sets get a null band."""
    paired: bool = False
    """Whether all metrics are evaluated on half-samples, also those that know their own variance: two measurements
    against the same real samples are compared on them."""


@dataclass(frozen=True)
class Analytic:
    """What a metric knows of its own uncertainty without any replicates."""

    ci: tuple[float, float] | None = None
    method: str | None = None
    null: Null | None = None
    warnings: tuple[str, ...] = ()


def uncertainties_of(
    estimates: Mapping[str, Estimate],
    seed: int,
    asked: Asked,
    step: Callable[[str], None] = lambda _: None,
) -> tuple[dict[str, Uncertainty], Replicates]:
    """Interval, null band and bias of every estimate, and the replicates that they rest on.

    Args:
        estimates: Key in the report -> value and samples.
        seed: Half-samples are drawn from it, permutations from the next.
        asked: What is wanted of them.
        step: Called with what is done next.

    Returns:
        Key -> uncertainty, for all keys; and the replicates of those that could be drawn.
    """
    splits, found, rows = SharedSplits(seed), {}, {}
    for place, (key, estimate) in enumerate(estimates.items(), 1):
        step(f"{key}: interval and p-value, {place} of {len(estimates)}")
        found[key], replicates = uncertainty_of(estimate, splits, asked)
        if replicates is not None:
            rows[key] = replicates
    return found, Replicates(seed, rows)


def uncertainty_of(
    estimate: Estimate, splits: SharedSplits, asked: Asked
) -> tuple[Uncertainty, MetricReplicates | None]:
    """Uncertainty of one estimate, as far as its metric allows, and its replicates; a failure becomes a warning.

    Args:
        estimate: The value and its samples.
        splits: Half-samples and permutations, shared by all estimates of one measurement.
        asked: What is wanted of it.
    """
    metric, pool = estimate.metric, estimate.pool
    if pool is None:
        return Uncertainty(warnings=(NO_SAMPLES,)), None
    try:
        with guarded(f"the interval or null of {metric.name}", metric.function):
            analytic = _analytic(estimate, pool, asked)
            counts = _counts_needed(estimate, pool, analytic, asked)
            replicates = draw(metric, estimate.options, pool, counts, splits, estimate.more_reals)
            return _from_replicates(estimate, pool, analytic, replicates, asked.level), replicates
    except DivmetricsError as raised:
        samples = [rows for name in ("real", "fake") if (rows := getattr(pool, name, None)) is not None]
        return Uncertainty(warnings=(f"no interval and no null: {explained(raised, *samples)}",)), None


def _analytic(estimate: Estimate, pool: Pool, asked: Asked) -> Analytic:
    """The interval from the metric's own ends or variance, and its closed-form null, where it has them."""
    metric, options = estimate.metric, estimate.options
    level, null = asked.level, asked.null
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


def _counts_needed(estimate: Estimate, pool: Pool, analytic: Analytic, asked: Asked) -> Counts:
    """How many splits of each kind the missing parts of the uncertainty take."""
    metric = estimate.metric
    counts = counts_of(metric, pool)
    drawn_null = asked.null and analytic.null is None and not isinstance(pool, OneSamplePool)
    half_samples = counts.half_samples
    if not asked.level:
        half_samples = 0
    elif analytic.ci is not None and not asked.paired:
        half_samples = HALF_SAMPLES_FOR_BIAS if metric.uncertainty.bias == "1/n" else 0
    if not drawn_null:
        return Counts(half_samples, 0)
    return with_reals(replace(counts, half_samples=half_samples), metric, estimate.options, pool, estimate.more_reals)


def _from_replicates(
    estimate: Estimate, pool: Pool, analytic: Analytic, replicates: MetricReplicates, level: float
) -> Uncertainty:
    """The uncertainty from what the metric knows by itself and what its replicates show."""
    metric, value, spec = estimate.metric, estimate.value, estimate.metric.uncertainty
    half_samples = replicates.usable_half_samples
    if analytic.ci is not None:  # more are drawn for comparisons, which must not change the estimate of the bias
        half_samples = half_samples[:HALF_SAMPLES_FOR_BIAS]
    ci, method = analytic.ci, analytic.method
    band, middle, warnings = _band(estimate, pool, analytic, replicates, level or LEVEL_WITHOUT_INTERVALS)
    if ci is None and len(half_samples) > 1:
        error = float(half_samples.std(ddof=1)) * _half_sample_factor(pool)
        ci = _interval(value, Spread(error**2), len(half_samples) - 1, metric, pool, level)
        method = f"{len(half_samples)} half-samples"
    shown = ci is not None or band is not None
    warnings += (spec.caveat,) if spec.caveat is not None and shown else ()
    return Uncertainty(ci, method, band, _bias(value, half_samples, middle, spec.bias), warnings + analytic.warnings)


def _band(
    estimate: Estimate, pool: Pool, analytic: Analytic, replicates: MetricReplicates, level: float
) -> tuple[NullBand | None, float | None, tuple[str, ...]]:
    """The null band with its p-value, the mean of the null distribution at the sizes of the value, and warnings."""
    metric, value, permutations = estimate.metric, estimate.value, replicates.usable_permutations
    if analytic.null is not None:
        closed = _closed_band(value, analytic.null, metric, pool, level)
        return closed, closed.mean, ()
    if len(permutations) < 2:
        return None, None, ()
    permuted, p = _permuted(value, permutations, metric, level)
    reals = band_of_reals(replicates, metric, estimate.options, pool, estimate.more_reals, level)
    warnings = () if reals is not None else (TOO_FEW_REALS.format(n=pool.n),)
    band = replace(reals or NullBand(None, None, None), p=finite_or_none(p), permutations=permuted)
    return band, permuted.mean, warnings


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


def _permuted(value: float, permutations: np.ndarray, metric: Metric, level: float) -> tuple[Permutations, float]:
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
    ends = finite_or_none(low), finite_or_none(high)
    return Permutations(finite_or_none(mean), *ends, finite_or_none(sd), count), p


def _closed_band(value: float, null: Null, metric: Metric, pool: Pool, level: float) -> NullBand:
    """The null band and p-value of a normal null distribution that is known in closed form."""
    half_width = float(NORMAL.ppf((1 + level) / 2)) * null.sd
    low, high = max(null.mean - half_width, metric.range[0]), min(null.mean + half_width, metric.range[1])
    p = tail(value, null.mean, null.sd, NORMAL, metric)
    return NullBand(null.mean, low, high, sd=null.sd, p=p, method="closed form", n_real=pool.n, n_fake=pool.m)


def _bias(value: float, half_samples: np.ndarray, middle: float | None, bias: str | None) -> dict[str, Any]:
    """What the sample sizes add to the value, and the value without it."""
    if bias == "1/n" and len(half_samples):
        added = float(half_samples.mean()) - value  # a bias of b/n is 2b/n at half the size: the difference is b/n
        return {"bias": added, "debiased": value - added}
    if bias == "null" and middle is not None:
        return {"excess": value - middle}
    return {}
