"""The numbers of a report as rows of a page, each with its drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from divmetrics.records.results import Report, Result
from divmetrics.report.html.axes import Strip, strip_of
from divmetrics.report.html.links import docs_link
from divmetrics.report.page import (
    all_warnings,
    grouped,
    interval,
    interval_heading,
    is_worse,
    metric_name,
    number,
    p_text,
    parameters,
    real_score,
    warning_texts,
)


@dataclass(frozen=True)
class MetricRow:
    """One result."""

    id: str
    """Id of the row in the page."""
    name: str
    link: str | None
    """Page of the metric in the documentation."""
    value: str
    interval: str
    strip: Strip | None
    reals: str
    """What real samples score."""
    p: str
    better: str
    parameters: str
    marks: tuple[int, ...]
    """Numbers of its warnings."""
    note: str
    worse: bool
    literature: bool
    signature: str
    order: tuple[float | None, float | None]
    """Value and p-value, to sort by."""


@dataclass(frozen=True)
class MetricTable:
    """The results of one extractor."""

    title: str
    interval: str
    """Heading of the intervals, with their level."""
    rows: tuple[MetricRow, ...]
    columns: frozenset[str]
    """Which of `interval`, `strip`, `reals` and `p` have content in any row."""
    notes: bool
    """Whether any row has parameters or a note."""


def metric_ids(report: Report) -> Mapping[str, str]:
    """Key of a result -> id of its row in the page."""
    return {key: f"metric-{place}" for place, key in enumerate(report.metrics, start=1)}


def metric_tables(report: Report) -> tuple[MetricTable, ...]:
    """One table for each extractor and preprocessing, in the order of the report."""
    ids, warnings = metric_ids(report), all_warnings(report)
    tables = []
    for title, members in grouped(report).items():
        rows = tuple(_row(key, result, ids[key], warnings, report) for key, result in members)
        notes = any(row.parameters or row.note or row.marks for row in rows)
        columns = frozenset(c for c in ("interval", "strip", "reals", "p") if any(getattr(row, c) for row in rows))
        tables.append(MetricTable(title, interval_heading(members), rows, columns, notes))
    return tuple(tables)


def _row(key: str, result: Result, row_id: str, warnings: Sequence[str], report: Report) -> MetricRow:
    total = [f"of {result.extras['modes_total']}"] if "modes_total" in result.extras else []
    spread = [f"standard deviation {number(result.extras['std'])}"] if "std" in result.extras else []
    return MetricRow(
        id=row_id,
        name=metric_name(key, result),
        link=docs_link(f"metrics/{result.metric}") if result.metric.isidentifier() else None,
        value=number(result.value),
        interval=interval(result.ci),
        strip=strip_of(result, worse=is_worse(result)),
        reals=real_score(result),
        p=p_text(result),
        better=result.better,
        parameters=parameters(result, report.meta),
        marks=tuple(warnings.index(text) + 1 for text in warning_texts(result)),
        note=", ".join([*total, *spread]),
        worse=is_worse(result),
        literature=result.literature,
        signature=str(result.signature),
        order=(result.value, result.null.p if result.null is not None else None),
    )
