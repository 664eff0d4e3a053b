"""Metrics by the number of samples: whether more samples would still change them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from divmetrics.arrays.draws import drawn_order, drawn_order_of
from divmetrics.arrays.pairs import counted_from_lists, neighbour_pass
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.inference.on_rows import value_on_rows
from divmetrics.records.metric import Metric

LEVELS = 3
"""Sizes below that of the samples: a half, a quarter and an eighth, or smaller parts of many samples."""
FEWEST, MOST = 25, 2500
"""Samples of a side in a subset: of the smaller side at least, of the larger one at most."""
SUBSETS = 8
"""Disjoint subsets of one size at most."""
NORMAL = 1.96

Asked = tuple[Metric, Mapping[str, Any]]
"""A metric and its options."""


@dataclass(frozen=True)
class Subsets:
    """Disjoint subsets of both sides of a pool, in proportion."""

    part: int
    """How many times as many samples there are."""
    splits: Splits


@dataclass(frozen=True)
class Level:
    """A metric at one number of samples."""

    n: int
    """Fake samples."""
    value: float
    low: float | None
    high: float | None


def subsets_of(pool: TwoSamplePool, seed: int) -> list[Subsets]:
    """Disjoint subsets of both sides, the smallest first; none where there are too few samples.

    Args:
        pool: Real samples `[n, d]` and fake ones `[m, d]`.
        seed: Seed of the draw.
    """
    part = 2
    while max(pool.n, pool.m) / part > MOST:
        part *= 2
    parts = [part * 2**level for level in reversed(range(LEVELS))]
    fitting = [part for part in parts if min(pool.n, pool.m) // part >= FEWEST]
    orders = [drawn_order_of(side, seed) for side in (pool.real, pool.fake)] if fitting else []

    def splits(part: int) -> Splits:
        side = torch.zeros(min(part, SUBSETS), pool.n + pool.m, dtype=torch.uint8)
        for order, first, name in zip(orders, (0, pool.n), (REAL, FAKE), strict=True):
            size = len(order) // part
            for number, row in enumerate(side):
                row[first + order[number * size : (number + 1) * size]] = name
        return Splits(side)

    return [Subsets(part, splits(part)) for part in fitting]


def on_subsets(asked: Sequence[Asked], pool: TwoSamplePool, subsets: Subsets) -> list[np.ndarray]:
    """Metrics on each subset of one size, without those that cannot be computed on it.

    A metric that has a fast way to many splits of a pool takes it: the Frechet distance, and those that read neighbour
    lists where these are there already. The others are computed from rows, so that they share what they have in common.

    Args:
        asked: The metrics.
        pool: The samples.
        subsets: Subsets of them.

    Returns:
        Values `[at most B]` of each metric.
    """
    found: dict[int, np.ndarray] = {}
    for place, (metric, options) in enumerate(asked):
        if metric.uncertainty.resample is not None and _is_fast(metric, options, pool, subsets.splits):
            found[place] = np.asarray(metric.uncertainty.resample(pool, subsets.splits, **options), float)
    rest = [place for place in range(len(asked)) if place not in found]
    values = np.full((len(rest), len(subsets.splits)), np.nan)
    for b in range(len(subsets.splits)) if rest else ():
        real, fake = pool.part(subsets.splits.real(b)), pool.part(subsets.splits.fake(b))
        for row, place in zip(values, rest, strict=True):
            value = _value(*asked[place], real, fake)
            row[b] = np.nan if value is None else value
    found.update(zip(rest, values, strict=True))
    return [found[place][np.isfinite(found[place])] for place in range(len(asked))]


def _is_fast(metric: Metric, options: Mapping[str, Any], pool: TwoSamplePool, splits: Splits) -> bool:
    """Whether splits of the pool cost less than the same samples as sets of their own."""
    if metric.equal_n and pool.n != pool.m:
        return False
    if metric.shared_pass is neighbour_pass:
        given = {**metric.resolve({}), **options}
        return counted_from_lists(pool, splits, given["k"], given.get("ties", "open"))
    return metric.uncertainty.replicate_cost == "decomposed"


def convergence(
    metric: Metric,
    found: Sequence[tuple[int, np.ndarray]],
    *,
    n: int,
    value: float,
    ci: tuple[float, float] | None,
) -> list[Level]:
    """A metric on subsets of growing size, then on all samples.

    The interval of a size holds the value of a set of that size: mean and 1.96 standard deviations of the subsets,
    which are estimated from all sizes together by the law 1 / sqrt(n). At the full size it is the interval of the
    report, where there is one.

    Args:
        metric: The metric.
        found: How many times as many samples there are as in a subset, and its values on those, the smallest first.
        n: Number of fake samples.
        value: The value on all samples.
        ci: Its interval.
    """
    found = [(part, values) for part, values in found if len(values)]
    squares = [float(np.square(values - values.mean()).sum()) / part for part, values in found]
    degrees = sum(len(values) - 1 for _, values in found)
    spread = (sum(squares) / degrees) ** 0.5 if degrees else None  # at the full size

    def level(part: int, mean: float, ends: tuple[float, float] | None = None) -> Level:
        width = None if spread is None else NORMAL * spread * part**0.5
        low, high = ends or ((None, None) if width is None else (mean - width, mean + width))
        least, most = metric.range
        return Level(
            n // part, mean, None if low is None else max(low, least), None if high is None else min(high, most)
        )

    return [*(level(part, float(values.mean())) for part, values in found), level(1, value, ci)]


def _value(metric: Metric, options: Mapping[str, Any], real: Rows, fake: Rows) -> float | None:
    """The metric on one pair of subsets; None where it cannot be computed on them."""
    if metric.equal_n:
        size = min(real.n, fake.n)
        real, fake = (side if side.n == size else side.take(_first(side, size)) for side in (real, fake))
    return value_on_rows(metric, options, {"real": real, "fake": fake})


def _first(side: Rows, size: int) -> Any:
    return drawn_order(side.features, 0)[:size]


def enough(levels: Sequence[Level], name: Callable[[float], str]) -> str:
    """Whether there are enough samples, in a sentence.

    From half of the samples to all of them a bias of 1 / n halves, so that as much is left as that step changed.

    Args:
        levels: As `convergence` gives them.
        name: A value in words.
    """
    if len(levels) < 2:
        return ""
    before, last = levels[-2], levels[-1]
    step = last.value - before.value
    moved = f"From {before.n} to {last.n} fake samples the value changes by {name(step)}"
    if last.low is None or last.high is None:
        return f"{moved}."
    width = (last.high - last.low) / 2
    if abs(step) <= width:
        return f"{moved}, less than its interval of ±{name(width)}: there are enough samples."
    return f"{moved}, more than its interval of ±{name(width)}: with more samples it would go on changing."
