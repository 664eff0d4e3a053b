"""Replicates: values of metrics on half-samples and on permutations of the samples they were measured on.

Half-samples are drawn from both sides without replacement and say how much a value would move with other samples;
permutations of the pooled samples say what it would be if both sides came from one distribution. All metrics of one
measurement are evaluated on the same splits, so that their joint distribution is known too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from divmetrics.arrays.splits import HeldOutPool, OneSamplePool, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import ClassTally, Rows, Summary
from divmetrics.errors import DivmetricsError, UnknownName, UsageError
from divmetrics.records.metric import Metric, ReplicateCost

PERMUTATIONS: Mapping[ReplicateCost, tuple[int, int]] = {
    "reindexed": (199, 199),
    "projected": (50, 50),
    "recomputed": (20, 20),
    "bootstrapped": (16, 16),
    "decomposed": (20, 8),
    "decomposed_repeatedly": (12, 5),
    "entropic_transport": (8, 5),
    "optimal_transport": (5, 5),
}
"""Permutations drawn for a metric: of features of up to `WIDE` columns, and of wider ones."""
WIDE = 256
FEWEST_HALF_SAMPLES, MOST_HALF_SAMPLES = 12, 100
"""As many half-samples as permutations, within these limits; a standard error from 100 is known to 7 %."""


@dataclass(frozen=True)
class Counts:
    """How many splits of each kind a metric is evaluated on."""

    half_samples: int
    permutations: int


def counts_of(metric: Metric, pool: Pool) -> Counts:
    """How many half-samples and permutations `metric` is evaluated on when all are needed.

    Args:
        metric: Says what one replicate costs it, in `uncertainty.replicate_cost`.
        pool: Samples of `metric`; on features of more than `WIDE` columns some metrics take fewer.

    Returns:
        Counts by `PERMUTATIONS`, and as many half-samples, between 12 and 100.
    """
    cheap = metric.uncertainty.resample is not None or metric.fake.summary is ClassTally
    cost = metric.uncertainty.replicate_cost or ("reindexed" if cheap else "recomputed")
    permutations = PERMUTATIONS[cost][pool.fake.features[0].numel() > WIDE]
    return Counts(max(FEWEST_HALF_SAMPLES, min(MOST_HALF_SAMPLES, permutations)), permutations)


@dataclass(frozen=True, eq=False)
class SharedSplits:
    """Half-samples and permutations by the sizes of both sides, drawn from one seed and used by all metrics.

    Split b is the same however many are asked for.
    """

    seed: int
    _drawn: dict[tuple[int, int, Counts], Splits] = field(default_factory=dict, repr=False)

    def of(self, pool: Pool, counts: Counts) -> Splits:
        """The half-samples of `pool`, then its permutations; the same object for the same request."""
        key = (pool.n, pool.m, counts)
        if key not in self._drawn:
            halves, permutations = counts.half_samples, counts.permutations
            parts = [Splits.halves(pool.n, pool.m, halves, self.seed)] * bool(halves)
            parts += [Splits.permutations(pool.n, pool.m, permutations, self.seed + 1)] * bool(permutations)
            self._drawn[key] = Splits.of(parts)
        return self._drawn[key]


@dataclass(frozen=True, eq=False)
class MetricReplicates:
    """One metric on the half-samples and permutations of its samples; NaN where it cannot be computed on one."""

    samples: str
    """Which samples were split, in which order: rows of one measurement with equal `samples` share their splits."""
    half_samples: np.ndarray
    """Values `[H]` float64; empty where the interval needs none."""
    permutations: np.ndarray
    """Values `[P]` float64; empty where no null was asked for or it has a closed form."""

    @property
    def usable_half_samples(self) -> np.ndarray:
        """The finite values, for a standard error or a bias."""
        return np.asarray(self.half_samples[np.isfinite(self.half_samples)])

    @property
    def usable_permutations(self) -> np.ndarray:
        """The values that are not NaN: an infinite one has a rank among the others."""
        return np.asarray(self.permutations[~np.isnan(self.permutations)])


@dataclass(frozen=True, eq=False)
class Replicates:
    """All replicates of one measurement, so that several metrics can be tested jointly.

    Example:
        >>> import numpy as np
        >>> rows = {name: MetricReplicates("real 4, fake 4", np.empty(0), np.arange(3.0)) for name in ("a", "b")}
        >>> Replicates(0, rows).matrix("permutations", ["a", "b"]).shape
        (2, 3)
    """

    seed: int
    """Half-samples are drawn from this seed, permutations from the next."""
    rows: Mapping[str, MetricReplicates]
    """Key in the report, `NAME@EXTRACTOR` -> the metric's replicates."""

    def matrix(self, kind: Literal["half_samples", "permutations"], keys: Sequence[str]) -> np.ndarray:
        """The values of several metrics on the same splits.

        Args:
            kind: `half_samples` or `permutations`.
            keys: Keys in the report, such as `recall@efficientnet-lite0`.

        Returns:
            Values `[len(keys), B]` float64, where column b is split b for every metric and B the smallest number of
            splits that any of them was evaluated on. NaN where a metric cannot be computed on a split.

        Raises:
            UnknownName: A key has no replicates.
            UsageError: The metrics were not measured on the same samples, so that they share no splits.
        """
        for key in keys:
            if key not in self.rows:
                raise UnknownName.of("metric with replicates", key, list(self.rows))
        samples = sorted({self.rows[key].samples for key in keys})
        if len(samples) > 1:
            raise UsageError(
                f"{', '.join(keys)} were measured on different samples ({'; '.join(samples)}) and share no splits; "
                "ask for metrics of the same samples."
            )
        values = [getattr(self.rows[key], kind) for key in keys]
        shortest = min(map(len, values), default=0)
        return np.array([row[:shortest] for row in values], float).reshape(len(keys), shortest)


def draw(
    metric: Metric, options: Mapping[str, Any], pool: Pool, counts: Counts, splits: SharedSplits
) -> MetricReplicates:
    """Evaluate a metric on half-samples and permutations of its samples.

    Args:
        metric: Evaluated by its `uncertainty.resample` where it has one, else recomputed on every split.
        options: Options of the metric.
        pool: The samples that the metric was measured on.
        counts: How many half-samples and permutations.
        splits: Where the splits come from: one object for all metrics of a measurement.

    Raises:
        DivmetricsError: `resample` cannot be computed on these samples.
    """
    values = np.empty(0)
    if counts.half_samples + counts.permutations:
        values = _on_splits(metric, pool, splits.of(pool, counts), options)
    return MetricReplicates(_samples(pool), values[: counts.half_samples], values[counts.half_samples :])


def _samples(pool: Pool) -> str:
    """Names, sizes and order of the sample sets that splits of `pool` draw from."""
    sides = {OneSamplePool: ("fake",), TwoSamplePool: ("real", "fake"), HeldOutPool: ("held_out", "fake")}[type(pool)]
    order = hashlib.sha256()
    for side in pool.sides:
        order.update(side.index.argsort(stable=True).cpu().numpy().tobytes())
    sizes = ", ".join(f"{name} {side.n}" for name, side in zip(sides, pool.sides, strict=True))
    return f"{sizes}, order {order.hexdigest()[:8]}"


def _on_splits(metric: Metric, pool: Pool, splits: Splits, options: Mapping[str, Any]) -> np.ndarray:
    """The metric's value on each split `[B]`."""
    if metric.uncertainty.resample is not None:
        return np.asarray(torch.as_tensor(metric.uncertainty.resample(pool, splits, **options)).double().cpu())
    return np.array([_recomputed(metric, pool, splits, b, options) for b in range(len(splits))])


def _recomputed(metric: Metric, pool: Pool, splits: Splits, b: int, options: Mapping[str, Any]) -> float:
    """The metric on split `b`, from its rows; NaN where it cannot be computed on them."""
    parts = {"fake": pool.part(splits.fake(b))}
    if isinstance(pool, HeldOutPool):
        parts |= {"real": pool.train, "held_out": pool.part(splits.real(b))}
    elif isinstance(pool, TwoSamplePool):
        parts["real"] = pool.part(splits.real(b))
    summaries = [_as(need.summary, parts[side]) for side, need in metric.needs.items()]
    try:
        return metric.measure(*summaries, **options).value
    except DivmetricsError:
        return np.nan


def _as(kind: type[Summary], rows: Rows) -> Summary:
    return rows if isinstance(rows, kind) else kind.of(rows.features, rows.index)
