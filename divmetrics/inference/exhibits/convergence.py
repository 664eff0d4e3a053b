"""Metrics by the number of samples: whether more samples would still change them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from divmetrics.arrays.draws import drawn_order
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


@dataclass(frozen=True)
class Subsets:
    """Disjoint subsets of both sides, in proportion."""

    part: int
    """How many times as many samples there are."""
    pairs: Sequence[tuple[Rows, Rows]]


@dataclass(frozen=True)
class Level:
    """A metric at one number of samples."""

    n: int
    """Fake samples."""
    value: float
    low: float | None
    high: float | None


def subsets_of(real: Rows, fake: Rows, seed: int) -> list[Subsets]:
    """Disjoint subsets of both sides, the smallest first; none where there are too few samples.

    Args:
        real: Real samples `[n, d]`.
        fake: Fake samples `[m, d]`.
        seed: Seed of the draw.
    """
    part = 2
    while max(real.n, fake.n) / part > MOST:
        part *= 2
    parts = [part * 2**level for level in reversed(range(LEVELS))]
    orders = [drawn_order(side.features, seed) for side in (real, fake)]

    def pair(part: int, number: int) -> tuple[Rows, Rows]:
        sizes = real.n // part, fake.n // part
        places = (order[number * size : (number + 1) * size] for order, size in zip(orders, sizes, strict=True))
        of_real, of_fake = places
        return real.take(of_real), fake.take(of_fake)

    fitting = [part for part in parts if min(real.n, fake.n) // part >= FEWEST]
    return [Subsets(part, [pair(part, number) for number in range(min(part, SUBSETS))]) for part in fitting]


def convergence(
    metric: Metric,
    options: Mapping[str, Any],
    subsets: Sequence[Subsets],
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
        options: Its options.
        subsets: As `subsets_of` gives them.
        n: Number of fake samples.
        value: The value on all samples.
        ci: Its interval.
    """
    found = [(group.part, _finite(_value(metric, options, *pair) for pair in group.pairs)) for group in subsets]
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


def _finite(values: Any) -> np.ndarray:
    return np.array([value for value in values if value is not None])


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
