"""What a notebook shows of a comparison: the verdicts and a table of ranks."""

from __future__ import annotations

from divmetrics.records.comparison import Comparison
from divmetrics.report.compared import fall_facts
from divmetrics.report.html.answer import answer_of
from divmetrics.report.html.render import render
from divmetrics.report.page import number


def notebook_of_comparison(comparison: Comparison) -> str:
    """A fragment of HTML that brings no style sheet and no script."""
    rows = []
    for name, report in comparison.by_name.items():
        cells = []
        for ranking in comparison.ranking:
            place = ranking[name]
            cells.append((number(place.value), "".join(place.groups), (place.rank or 1) > 1))
        rows.append((name, answer_of(report), tuple(cells)))
    text, _ = render(
        "comparison_notebook.html",
        real=comparison.reports[0].real.source,
        rows=rows,
        metrics=[f"{ranking.key} {'↑' if ranking.better == 'higher' else '↓'}" for ranking in comparison.ranking],
        facts=[text for _, text in fall_facts(comparison)],
        alpha=comparison.alpha,
    )
    return text
