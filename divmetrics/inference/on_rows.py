"""A metric computed from rows, whatever summaries it reads."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from divmetrics.arrays.summaries import Rows, Summary
from divmetrics.errors import DivmetricsError
from divmetrics.records.metric import Metric


def as_summary(kind: type[Summary], rows: Rows) -> Summary:
    """The summary of that kind of some samples."""
    return rows if isinstance(rows, kind) else kind.of(rows.features, rows.index)


def value_on_rows(metric: Metric, options: Mapping[str, Any], sides: Mapping[str, Rows]) -> float | None:
    """The value of a metric; None where it cannot be computed on these samples, or is not finite.

    Args:
        metric: The metric.
        options: Its options; those that are left out have their defaults.
        sides: Side -> samples.
    """
    needs = metric.needs.items()
    try:
        if min(sides[side].n for side, _ in needs) < metric.minimum({**metric.resolve({}), **options}):
            return None
        value = metric.measure(*(as_summary(need.summary, sides[side]) for side, need in needs), **options).value
    except DivmetricsError:
        return None
    return value if isfinite(value) else None
