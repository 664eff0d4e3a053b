"""Replicates: values of metrics on half-samples, on permutations, and on real samples against real samples.

Half-samples are drawn from both sides without replacement and say how much a value would move with other samples;
permutations of the pooled samples say what it would be if both sides came from one distribution; two disjoint sets of
real samples say what a perfect generator scores. All metrics of one measurement are evaluated on the same splits, so
that their joint distribution is known too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch

from divmetrics.arrays.class_counts import pool_counts
from divmetrics.arrays.splits import HeldOutPool, OneSamplePool, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import ClassTally
from divmetrics.errors import DivmetricsError, UnknownName, UsageError
from divmetrics.inference.on_rows import as_summary
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
REALS: Mapping[ReplicateCost, tuple[int, int]] = {
    "reindexed": (32, 32),
    "projected": (24, 24),
    "recomputed": (12, 12),
    "bootstrapped": (6, 6),
    "decomposed": (6, 3),
    "decomposed_repeatedly": (4, 3),
    "entropic_transport": (4, 3),
    "optimal_transport": (3, 3),
}
"""The same for splits of the real samples: fewer, since a band takes fewer than a p-value of one half percent."""
WIDE = 256
FEWEST_HALF_SAMPLES, MOST_HALF_SAMPLES = 12, 100
"""As many half-samples as permutations, within these limits; a standard error from 100 is known to 7 %."""


@dataclass(frozen=True)
class Counts:
    """How many splits of each kind a metric is evaluated on."""

    half_samples: int
    permutations: int
    reals: int = 0
    """Splits of real samples against real ones."""
    fakes: int = 0
    """As many fakes against the real side of the first of those."""
    smaller: int = 0
    """The same splits of real samples, of which two thirds are left."""
    sizes: tuple[int, int] = (0, 0)
    """Samples of each side on those."""

    @property
    def smaller_sizes(self) -> tuple[int, int]:
        """Samples of each side on `smaller`."""
        return 2 * self.sizes[0] // 3, 2 * self.sizes[1] // 3


def counts_of(metric: Metric, pool: Pool) -> Counts:
    """How many half-samples and permutations `metric` is evaluated on when all are needed.

    Args:
        metric: Says what one replicate costs it, in `uncertainty.replicate_cost`.
        pool: Samples of `metric`; on features of more than `WIDE` columns some metrics take fewer.

    Returns:
        Counts by `PERMUTATIONS` and `REALS`, and as many half-samples as permutations, between 12 and 100.
    """
    cheap = metric.uncertainty.resample is not None or metric.fake.summary is ClassTally
    cost = metric.uncertainty.replicate_cost or ("reindexed" if cheap else "recomputed")
    wide = pool.fake.features[0].numel() > WIDE
    permutations, reals = PERMUTATIONS[cost][wide], REALS[cost][wide]
    half_samples = max(FEWEST_HALF_SAMPLES, min(MOST_HALF_SAMPLES, permutations))
    return Counts(half_samples, permutations, reals, reals)


def sizes_of_reals(pool: Pool, available: int) -> tuple[int, int]:
    """Sizes of two disjoint sets of real samples that stand for both sides of `pool`.

    Those of the sides where enough real samples are `available`, else in the same proportion and as large as possible;
    for more fakes than real samples, two halves.
    """
    fakes = min(pool.m, available) if available < pool.n + pool.m else pool.m
    share = min(1.0, available / (pool.n + fakes))
    return int(pool.n * share), int(fakes * share)


@dataclass(frozen=True, eq=False)
class SharedSplits:
    """Splits by the sizes of both sides, drawn from one seed and used by all metrics.

    Split b is the same however many are asked for.
    """

    seed: int
    _drawn: dict[tuple[int, int, Counts], Splits] = field(default_factory=dict, repr=False)

    def of(self, pool: Pool, counts: Counts) -> Splits:
        """The half-samples of `pool`, its permutations, its real samples against each other, then against its fakes.

        The same object for the same request.
        """
        n, m, key = pool.n, pool.m, (pool.n, pool.m, counts)
        if key not in self._drawn:
            parts = [Splits.halves(n, m, counts.half_samples, self.seed)] * bool(counts.half_samples)
            parts += [Splits.permutations(n, m, counts.permutations, self.seed + 1)] * bool(counts.permutations)
            drawn = max(counts.reals, counts.fakes)
            reals, fakes = Splits.of_reals(n, m, counts.sizes, drawn, self.seed + 2)
            parts += [reals.first(counts.reals), fakes.first(counts.fakes)]
            smaller, _ = Splits.of_reals(n, m, counts.sizes, counts.smaller, self.seed + 2, counts.smaller_sizes)
            self._drawn[key] = Splits.of([*parts, smaller])
        return self._drawn[key]

    def of_reals(self, pool: Pool, counts: Counts) -> Splits:
        """Disjoint sets of the samples of `pool`, all of them real; the same object for the same request."""
        key = (pool.n + pool.m, 0, replace(counts, half_samples=0, permutations=0, fakes=0))
        if key not in self._drawn:
            reals, _ = Splits.of_reals(pool.n + pool.m, 0, counts.sizes, counts.reals, self.seed + 2)
            smaller, _ = Splits.of_reals(
                pool.n + pool.m, 0, counts.sizes, counts.smaller, self.seed + 2, counts.smaller_sizes
            )
            self._drawn[key] = Splits.of([reals, smaller])
        return self._drawn[key]


@dataclass(frozen=True, eq=False)
class MetricReplicates:
    """One metric on splits of its samples; NaN where it cannot be computed on one."""

    samples: str
    """Which samples were split, in which order: rows of one measurement with equal `samples` share their splits."""
    half_samples: np.ndarray
    """Values `[H]` float64; empty where the interval needs none."""
    permutations: np.ndarray
    """Values `[P]` float64; empty where no null was asked for or it has a closed form."""
    reals: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Values `[R]` float64 of real samples against other real samples, `sizes` of each; empty as `permutations`."""
    fakes: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Values `[F]` float64 of the fakes against the real side of the first F of those, at the same sizes; empty where
    these are the sizes of the samples, or where a law in n carries `reals` to them."""
    smaller: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Values `[R]` float64 on the splits of `reals`, of which two thirds are left; empty where no trend in n is needed
    to carry `reals` to the sizes of the samples."""
    sizes: tuple[int, int] = (0, 0)
    """Samples of each side behind `reals` and `fakes`."""
    class_counts: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Fake samples `[K]` in each class that occurs among the real ones, where the metric has a test on these."""

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

    def matrix(
        self, kind: Literal["half_samples", "permutations", "reals", "fakes"], keys: Sequence[str]
    ) -> np.ndarray:
        """The values of several metrics on the same splits.

        Args:
            kind: `half_samples`, `permutations`, `reals` (real samples against real samples) or `fakes` (the fakes in
                place of the second set of them, on the same splits).
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
    metric: Metric,
    options: Mapping[str, Any],
    pool: Pool,
    counts: Counts,
    splits: SharedSplits,
    more_reals: Pool | None = None,
) -> MetricReplicates:
    """Evaluate a metric on half-samples and permutations of its samples, and on real samples against each other.

    Args:
        metric: Evaluated by its `uncertainty.resample` where it has one, else recomputed on every split.
        options: Options of the metric.
        pool: The samples that the metric was measured on.
        counts: How many splits of each kind.
        splits: Where the splits come from: one object for all metrics of a measurement.
        more_reals: Two sets of real samples that are split in place of the real samples of `pool` alone.

    Raises:
        DivmetricsError: `resample` cannot be computed on these samples.
    """
    own = counts if more_reals is None else replace(counts, reals=0, smaller=0)
    kinds = np.cumsum([own.half_samples, own.permutations, own.reals, own.fakes])
    values = np.empty(0)
    if kinds[-1] + own.smaller:
        values = _on_splits(metric, pool, splits.of(pool, own), options)
    half_samples, permutations, reals, fakes, smaller = np.split(values, kinds)
    if more_reals is not None and counts.reals:
        values = _on_splits(metric, more_reals, splits.of_reals(more_reals, counts), options)
        reals, smaller = np.split(values, [counts.reals])
    found = MetricReplicates(_samples(pool), half_samples, permutations, reals, fakes, smaller, counts.sizes)
    if metric.uncertainty.exchanged is None or not isinstance(pool, TwoSamplePool):
        return found
    real_counts, fake_counts = pool_counts(pool)
    return replace(found, class_counts=fake_counts[real_counts > 0])


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
    summaries = [as_summary(need.summary, parts[side]) for side, need in metric.needs.items()]
    try:
        return metric.measure(*summaries, **options).value
    except DivmetricsError:
        return np.nan
