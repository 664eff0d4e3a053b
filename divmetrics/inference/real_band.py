"""What real samples score against real samples: disjoint sets of them, measured as the two sides were.

Both sides of a metric need samples, so n real samples give two sets of about n/2. Most values depend on the sizes. A
distance that falls as 1/n is carried to the sizes of the run by that law; a share of samples in neighbours' balls, by
the trend that halves of the real samples and two thirds of these show. Any other band holds for the sizes that were
split off, and the mean of the fakes at these same sizes stands beside it.

A permutation of very different sides would not do: a third of each set of nearest neighbours are then fakes, so that a
recall of 0.4 looks like that of the real samples, which have 0.9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

import numpy as np

from divmetrics.arrays.splits import HeldOutPool, Pool
from divmetrics.inference.replicates import Counts, MetricReplicates, sizes_of_reals
from divmetrics.inference.student_band import student_band
from divmetrics.records.metric import Metric
from divmetrics.records.null_band import NullBand
from divmetrics.records.results import finite_or_none


class Law(Enum):
    """How the score of real samples depends on the sizes, as far as these samples allow to use it."""

    SAME = "the sizes are those of the value"
    POWER = "a power of n"
    TREND = "a trend that smaller sets show"
    UNKNOWN = "the fakes are measured at the same sizes instead"

    @classmethod
    def of(cls, metric: Metric, options: Mapping[str, Any], pool: Pool, sizes: tuple[int, int]) -> Law:
        """The law by which scores at `sizes` are carried to the sizes of `pool`."""
        if sizes == (pool.n, pool.m):
            return cls.SAME
        if metric.uncertainty.null_power is not None:
            least = metric.uncertainty.null_power_from
            if least:
                shape = pool.fake.features.shape
                least *= shape[1] if len(shape) > 1 else len(np.unique(pool.features().cpu().numpy()))
            return cls.POWER if min(sizes) >= least else cls.UNKNOWN
        trend = metric.uncertainty.null_trend is not None and 2 * min(sizes) // 3 >= 2 * metric.minimum(options)
        return cls.TREND if trend else cls.UNKNOWN


def with_reals(
    counts: Counts, metric: Metric, options: Mapping[str, Any], pool: Pool, more_reals: Pool | None
) -> Counts:
    """`counts` with the sizes of the splits of real samples, and without those that cannot or need not be drawn."""
    available = pool.n if more_reals is None else more_reals.n + more_reals.m
    sizes = sizes_of_reals(pool, available)
    if min(sizes) < max(2, metric.minimum(options)):
        return replace(counts, reals=0, fakes=0)
    law = Law.of(metric, options, pool, sizes)
    return replace(
        counts,
        sizes=sizes,
        fakes=counts.fakes if law is Law.UNKNOWN else 0,
        smaller=counts.reals if law is Law.TREND else 0,
    )


def band_of_reals(
    replicates: MetricReplicates,
    metric: Metric,
    options: Mapping[str, Any],
    pool: Pool,
    more_reals: Pool | None,
    level: float,
) -> NullBand | None:
    """The band in which one more score of real samples against real samples lies; None with fewer than two of them.

    Args:
        replicates: The values on splits of the real samples.
        metric: Gives direction, range, and the laws in n.
        options: Options of the metric.
        pool: The samples that the metric was measured on.
        more_reals: The real and held-out samples, where these were split.
        level: Probability of the band.
    """
    values = replicates.reals[~np.isnan(replicates.reals)]
    finite, fakes, smaller = (_finite(side) for side in (values, replicates.fakes, replicates.smaller))
    if len(values) < 2:
        return None
    law, scale, shift = Law.of(metric, options, pool, replicates.sizes), 1.0, 0.0
    effective = [1 / (1 / n + 1 / m) for n, m in ((pool.n, pool.m), replicates.sizes)]
    if law is Law.POWER and metric.uncertainty.null_power is not None:
        scale = (effective[1] / effective[0]) ** metric.uncertainty.null_power
    if law is Law.TREND and metric.uncertainty.null_trend is not None:
        if len(smaller) and len(finite):
            sizes = effective[0], effective[1], effective[1] * 2 / 3
            steps = _steps(*sizes, metric.uncertainty.null_trend)
            shift = steps * float(finite.mean() - smaller.mean())
        else:
            law = Law.UNKNOWN
    low, high, _ = student_band(0.0, scale * finite, metric, level) if len(finite) > 1 else (-np.inf, np.inf, 0.0)
    low, high = (-np.inf if (values == -np.inf).any() else low), (np.inf if (values == np.inf).any() else high)
    mean, low, high = (np.clip(number + shift, *metric.range) for number in (scale * values.mean(), low, high))
    n, m = replicates.sizes if law is Law.UNKNOWN else (pool.n, pool.m)
    return NullBand(
        mean=finite_or_none(float(mean)),
        low=finite_or_none(float(low)),
        high=finite_or_none(float(high)),
        sd=finite_or_none(scale * float(finite.std(ddof=1))) if len(finite) > 1 else None,
        draws=len(values),
        method=_whose(pool, more_reals),
        n_real=n,
        n_fake=m,
        split=replicates.sizes,
        fakes=float(fakes.mean()) if len(fakes) else None,
    )


def _finite(values: np.ndarray) -> np.ndarray:
    return np.asarray(values[np.isfinite(values)])


def _steps(wanted: float, halves: float, smaller: float, power: float) -> float:
    """How far a trend goes on from halves to the `wanted` size, in units of its step from `smaller` sets to halves."""
    ends = [np.log(n) if power == 0 else -(n**-power) for n in (wanted, halves, smaller)]
    return float((ends[0] - ends[1]) / (ends[1] - ends[2]))


def _whose(pool: Pool, more_reals: Pool | None) -> str:
    """Which samples were split."""
    if isinstance(pool, HeldOutPool):
        return "held-out samples"
    return "real samples" if more_reals is None else "real and held-out samples"
