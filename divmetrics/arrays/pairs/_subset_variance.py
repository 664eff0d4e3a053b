"""Sampling variance of nearest-neighbour metrics in which hubs decide, from subsets of seven tenths of both sides.

In many dimensions, and where there are outliers, a few samples near the centre lie in the balls of most others. Among
half of the samples they are less of an exception, so that density varies less over half-samples than over fresh ones:
the variance was .7 to .9 times the truth on mixtures of 16 dimensions. Subsets that keep most samples have their hubs;
those that keep nearly all count what pairs of samples contribute too often, as the jackknife does (1.5 times the
truth). Seven tenths lie between: .9 to 1.2 times.

Both density and its clipped form move with the sample size by a factor, where the fakes lie beside a flat set of real
samples: errors are taken to be in proportion to the value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs._half_sample_variance import identity_split
from divmetrics.arrays.splits import Pool, Splits
from divmetrics.records.metric import Spread, UncertaintySpec, Variance

KEPT = 0.7
"""Share of each side in a subset."""
SUBSETS = 80
SUBSET_FREEDOM = 40
"""Degrees of freedom of the variance: fewer than subsets, which overlap."""


NONE_SEEN = 1.88
"""Standard error of a count of 0 events, in events: its interval of 95 % reaches to the exact 3.7 (Garwood 1936)."""


def subset_uncertainty(
    resample: Callable[..., Tensor], *, event: Callable[..., float], null_trend: float | None = None
) -> UncertaintySpec:
    """Uncertainty of a positive value in which hubs decide: subsets for its interval, that of its logarithm.

    Args:
        resample: `(pool, splits, **options)` -> `[B]`, the value on each split.
        event: `(pool, **options)` -> least value above 0: that a value is 0 means that no such event was seen.
        null_trend: Exponent of the trend in n of two samples of one distribution (default None).

    Returns:
        The field `uncertainty` of a metric.
    """

    def spread(pool: Pool, **options: Any) -> Spread | None:
        error = subset_error(pool, lambda splits: resample(pool, splits, **options))
        if error is None:
            return None
        (value,) = resample(pool, identity_split(pool), **options).tolist()
        if value > 0:
            return Spread((error / value) ** 2).exponential(value)
        return Spread((NONE_SEEN * event(pool, **options)) ** 2)

    known = Variance("subsets of 70 %, of the logarithm", spread, SUBSET_FREEDOM)
    return UncertaintySpec(known, resample, null_trend=null_trend)


def subset_error(pool: Pool, resample: Callable[[Splits], Tensor]) -> float | None:
    """Standard error of a positive value from its spread over `SUBSETS` subsets; `SUBSET_FREEDOM` degrees of freedom.

    A mean over h out of m values has the variance s²/h - s²/m = s²/m (m - h)/h.

    Args:
        pool: The real and fake samples.
        resample: Splits -> `[B]`, the value on each of them; not finite where it cannot be computed.

    Returns:
        The standard error at full size; None where fewer than a quarter of the subsets have finite values.
    """
    values = np.asarray(resample(subsets_of(pool)), np.float64)
    values = values[np.isfinite(values)]
    if len(values) < SUBSETS / 4:
        return None
    kept, middle = int(KEPT * pool.m), float(values.mean())
    error = float(values.std(ddof=1) * np.sqrt(kept / (pool.m - kept)))
    (value,) = resample(identity_split(pool)).tolist()
    return error * value / middle if middle > 0 and value > 0 else error


def subsets_of(pool: Pool) -> Splits:
    """The subsets that `subset_error` draws, memoised."""
    return once((pool,), "subsets", lambda: Splits.subsets(pool.n, pool.m, KEPT, SUBSETS, seed=0))
