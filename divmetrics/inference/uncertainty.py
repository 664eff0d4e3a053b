"""How sure a number is: the interval around it, the band where it would lie if fakes and reals were alike, its bias.

**Interval.** It is for the metric's expectation at these sample sizes, both sides drawn afresh. Where a metric has no
variance of its own, halves of both sides are drawn without replacement: the variance of the values over them estimates
the variance at full size (a mean of n/2 out of n has the variance s²/(n/2) - s²/n = s²/n). A bootstrap would not do:
repeated rows are neighbours at distance 0, which breaks every metric that looks at neighbours.

**Null.** The pooled samples are dealt out again into sets of the same sizes (a permutation test: exact where fakes and
reals come from one distribution). A metric that re-indexes one pass over the pairs takes 199 deals; one that must be
computed anew takes few, and the band is then Student's prediction interval for one more draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from divmetrics.arrays.distributions import NORMAL, Law, skewed, student
from divmetrics.arrays.share_intervals import wilson
from divmetrics.arrays.splits import OneSamplePool, Pool
from divmetrics.errors import DivmetricsError
from divmetrics.inference.replicates import Counts, SharedSplits, counts_of, draw
from divmetrics.records.metric import Metric, Null
from divmetrics.records.results import NullBand, finite_or_none

COUNTED = 50
"""From this many draws on a band is their own quantiles; below, it rests on Student's t."""
FOR_BIAS = 6
"""Half-samples that suffice for a bias, where none are needed for the interval."""
SKEWNESS = 1.0
"""Of the null of a distance, where there are too few draws to see it."""


@dataclass(frozen=True)
class Uncertainty:
    """What is known of the chance in one number."""

    ci: tuple[float, float] | None = None
    method: str | None = None
    null: NullBand | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def uncertainty_of(
    metric: Metric,
    options: Mapping[str, Any],
    value: float,
    pool: Pool | None,
    splits: SharedSplits,
    *,
    level: float,
    null: bool,
) -> Uncertainty:
    """Interval at `level` (0: none), null band where `null`, and bias of `value`, as far as the metric allows.

    `pool` holds the samples that `value` was computed from, None where only their sums were kept.
    """
    if pool is None:
        return Uncertainty(warnings=("no interval and no null: statistics hold no samples to draw from",))
    try:
        return _uncertainty_of(metric, options, value, pool, splits, level, null)
    except DivmetricsError as error:
        return Uncertainty(warnings=(f"no interval and no null: {error}",))


def _uncertainty_of(
    metric: Metric, options: Mapping[str, Any], value: float, pool: Pool, splits: SharedSplits, level: float, null: bool
) -> Uncertainty:
    uncertainty = metric.uncertainty
    wants_null = null and not isinstance(pool, OneSamplePool)
    closed = uncertainty.null(pool, **options) if wants_null and uncertainty.null is not None else None
    ci, method = _known_interval(value, pool, metric, options, level) if level else (None, None)
    counts = counts_of(metric, pool)
    halves, deals = counts.half_samples, counts.permutations if wants_null and closed is None else 0
    if ci is not None or not level:
        halves = FOR_BIAS if uncertainty.bias == "1/n" and level else 0
    replicates = draw(metric, options, pool, Counts(halves, deals), splits)
    half, dealt = replicates.usable_half_samples, replicates.usable_permutations
    band = None
    if closed is not None:
        band = _closed_band(value, closed, metric, level or 0.95)
    elif len(dealt) > 1:
        band = _drawn_band(value, dealt, metric, level or 0.95)
    if ci is None and level and len(half) > 1:
        error = float(half.std(ddof=1)) * _from_halves(pool)
        ci, method = _interval(value, error, len(half) - 1, metric, pool, level), f"{len(half)} half-samples"
    warnings = (uncertainty.caveat,) if uncertainty.caveat is not None and (ci is not None or band is not None) else ()
    return Uncertainty(ci, method, band, _bias(value, half, band, uncertainty.bias), warnings)


def _known_interval(
    value: float, pool: Pool, metric: Metric, options: Mapping[str, Any], level: float
) -> tuple[tuple[float, float] | None, str | None]:
    """The interval that the metric itself gives, or that its own variance does, and its name; None where neither is."""
    own, known = metric.uncertainty.interval, metric.uncertainty.variance
    if own is not None and (ends := own.function(pool, level, **options)) is not None:
        return ends, own.method
    variance = None if known is None else known.function(pool, **options)
    if known is None or variance is None:
        return None, None
    return _interval(value, variance**0.5, known.freedom, metric, pool, level), known.method


def _from_halves(pool: Pool) -> float:
    """Factor from the spread over half-samples to the standard error: 1, but for odd sizes."""
    kept, whole = pool.m // 2, pool.m
    return float(np.sqrt(kept / (whole - kept)))


def _interval(
    value: float, error: float, freedom: float, metric: Metric, pool: Pool, level: float
) -> tuple[float, float]:
    """Ends of the interval: Wilson's for a share, else `value` and Student's t, cut at the ends of the range."""
    low, high = metric.range
    reach = float(student(freedom).ppf((1 + level) / 2))
    if (low, high) == (0, 1):
        return _wilson(value, error, reach, pool)
    return max(low, value - reach * error), min(high, value + reach * error)


def _wilson(share: float, error: float, reach: float, pool: Pool) -> tuple[float, float]:
    """Wilson's score interval for as many independent samples as `error` stands for, at most those of a side.

    At 0 and at 1 the estimated error is 0 and a symmetric interval empty, though an event of probability 3/n is easily
    missed in n samples.
    """
    most = min(n for n in (pool.n, pool.m) if n)
    spread = share * (1 - share)
    samples = most if error == 0 else min(max(spread / error**2, 1.0), most) if spread > 0 else most
    if spread > 0 and error > 0:
        samples = spread / error**2
    return wilson(share, samples, reach)


def _worse(metric: Metric) -> Callable[[np.ndarray, float], np.ndarray]:
    return np.less_equal if metric.better == "higher" else np.greater_equal


def _drawn_band(value: float, dealt: np.ndarray, metric: Metric, level: float) -> NullBand:
    """The central band of `level` of one more draw, and the chance of one at least as bad as `value`."""
    count, finite = len(dealt), dealt[np.isfinite(dealt)]
    mean, sd = (float(finite.mean()), float(finite.std(ddof=1))) if len(finite) > 1 else (np.nan, np.nan)
    if count >= COUNTED:
        # Of B + 1 exchangeable values each rank is equally likely: the k-th smallest of B has k / (B + 1) below it.
        ordered = np.sort(dealt)
        rank = max(1, int(np.floor((count + 1) * (1 - level) / 2)))
        low, high = float(ordered[rank - 1]), float(ordered[-rank])
        p = float(1 + _worse(metric)(dealt, value).sum()) / (count + 1)
    else:
        low, high, p = student_band(value, finite, metric, level)
    low, high = max(low, metric.range[0]), min(high, metric.range[1])
    known = dict(zip(("mean", "low", "high", "sd", "p"), map(finite_or_none, (mean, low, high, sd, p)), strict=True))
    return NullBand(**known, draws=count, method="permutation")


def student_band(value: float, drawn: np.ndarray, metric: Metric, level: float) -> tuple[float, float, float]:
    """Low and high end of the band and p, from few draws by Student's t.

    The null of a distance is a sum of squares, with a long tail to the bad side, which 20 draws do not show. There the
    quantiles are those of a gamma of skewness `SKEWNESS`, widened as Student's are wider than normal ones: p <= .01 in
    0.1 % of draws from a normal null, 1 % from chi squares of 8 degrees of freedom and 2 % from those of 3, where
    Student's t alone has 1, 3 and 4 %. A share near an end of its range leans the other way, as a beta law does.
    """
    middle, freedom = float(drawn.mean()), max(1, len(drawn) - 1)
    spread = float(drawn.std(ddof=1)) * float(np.sqrt(1 + 1 / len(drawn))) if len(drawn) > 1 else np.nan
    law, shape = student(freedom), skewed(_skewness(metric, drawn))
    low, high = (float(law.ppf(NORMAL.cdf(shape.ppf(q)))) for q in ((1 - level) / 2, (1 + level) / 2))
    ends = middle + low * spread, middle + high * spread
    if not spread > 0:
        return *ends, _tail(value, middle, 0.0, law, metric)
    distance = (value - middle) / spread
    if metric.better == "higher":
        return *ends, float(shape.cdf(NORMAL.ppf(law.cdf(distance))))
    return *ends, float(shape.sf(-NORMAL.ppf(law.sf(distance))))


def _skewness(metric: Metric, drawn: np.ndarray) -> float:
    """Of the null: positive where its long tail is that of large values."""
    low, high = metric.range
    if metric.better == "lower" and low == 0 and np.isinf(high):
        return SKEWNESS
    if not np.isfinite(high - low) or len(drawn) < 2 or not drawn.std() > 0:
        return 0.0
    share = float(np.clip((drawn.mean() - low) / (high - low), 1e-3, 1 - 1e-3))
    count = max(share * (1 - share) * (high - low) ** 2 / float(drawn.var(ddof=1)) - 1, 0.5)  # a + b of the beta law
    leaning = 2 * (1 - 2 * share) * np.sqrt(count + 1) / ((count + 2) * np.sqrt(share * (1 - share)))
    return float(np.clip(leaning, -2, 2))


def _closed_band(value: float, null: Null, metric: Metric, level: float) -> NullBand:
    reach = float(NORMAL.ppf((1 + level) / 2)) * null.sd
    low, high = max(null.mean - reach, metric.range[0]), min(null.mean + reach, metric.range[1])
    p = _tail(value, null.mean, null.sd, NORMAL, metric)
    return NullBand(null.mean, low, high, sd=null.sd, p=p, draws=None, method="closed form")


def _tail(value: float, mean: float, spread: float, law: Law, metric: Metric) -> float:
    if spread == 0:
        return 1.0 if not _worse(metric)(np.array([value]), mean)[0] or value == mean else 0.0
    distance = (value - mean) / spread
    return float(law.cdf(distance) if metric.better == "higher" else law.sf(distance))


def _bias(value: float, half: Sequence[float] | np.ndarray, null: NullBand | None, bias: str | None) -> dict[str, Any]:
    """What the sample sizes add to the value, and the value without it."""
    if bias == "1/n" and len(half):
        of_size = float(np.mean(half)) - value  # a bias of b/n is 2b/n at half the size: the difference is b/n
        return {"bias": of_size, "debiased": value - of_size}
    if bias == "null" and null is not None and null.mean is not None:
        return {"excess": value - null.mean}
    return {}
