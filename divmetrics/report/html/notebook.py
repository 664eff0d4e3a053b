"""What a notebook shows of a report: the verdict and a compact table."""

from __future__ import annotations

from divmetrics.records.results import Report
from divmetrics.report.html.answer import answer_of, finding_cards
from divmetrics.report.html.numbers import metric_tables
from divmetrics.report.html.render import render


def notebook_of(report: Report) -> str:
    """A fragment of HTML that brings no style sheet and no script."""
    text, _ = render(
        "notebook.html",
        report=report,
        answer=answer_of(report),
        findings=finding_cards(report, {}),
        tables=metric_tables(report),
    )
    return text
