"""The content of a comparison as plain text in tables, which become a table in a terminal or Markdown in a comment."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isfinite

from divmetrics.records.comparison import Comparison, Difference, Fall, Place, Ranking
from divmetrics.records.printing import printable
from divmetrics.records.results import Report
from divmetrics.report.page import Grid, Page, interval, number, p_value, side_text

CURVE = 21
"""Characters of the interval that is drawn beside each step: fewer than those of a word that may be broken."""
FINDINGS_SHOWN = 3
"""Findings of a generator that are named beside its verdict."""


def comparison_page(comparison: Comparison, title: str = "divmetrics compare") -> Page:
    """The content of a comparison: the verdict of each generator, a table for each metric, and notes.

    Args:
        comparison: The comparison.
        title: Heading of the page.

    Returns:
        The page, for `table.render` or `markdown.render`.
    """
    first = comparison.reports[0]
    facts = [*fall_facts(comparison), ("real", side_text(first.real))]
    if first.held_out is not None:
        facts.append(("held out", side_text(first.held_out)))
    grids = [_verdicts(comparison), *(_grid(ranking, comparison) for ranking in comparison.ranking)]
    return Page(title, tuple(facts), tuple(grids), tuple(_notes(comparison)))


def fall_text(fall: Fall) -> str:
    """A fall of diversity in one sentence.

    Example:
        >>> fall_text(Fall("recall@features", 300, 200, 0.41, 0.7, 0.0002))
        'recall@features fell from 0.7000 (step 200) to 0.4100 at step 300 and stayed low (p 0.0002)'
    """
    end = "stayed low" if fall.recovered is None else f"recovered by step {fall.recovered}"
    values = f"from {number(fall.best_value)} (step {fall.best}) to {number(fall.value)} at step {fall.step}"
    if fall.value > fall.best_value:
        return f"{fall.key} rose {values} and {end.replace('low', 'high')} (p {p_value(fall.p_adjusted)})"
    return f"{fall.key} fell {values} and {end} (p {p_value(fall.p_adjusted)})"


def fall_facts(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Where collapse set in, and other falls, for checkpoints."""
    if comparison.steps is None:
        return
    collapse = comparison.collapse
    if collapse is not None:
        together = [fall for fall in comparison.falls if fall.step == collapse.step and fall.recovered is None]
        yield "collapse", f"diversity is lost from step {collapse.step} on: {'; '.join(map(fall_text, together))}."
    elif any(ranking.role == "diversity" for ranking in comparison.ranking):
        yield "collapse", f"no step loses diversity for good at a false-alarm rate of {comparison.alpha:g}."
    else:
        yield "collapse", "not looked for: no metric here measures diversity; add recall or another (-m)."
    for fall in comparison.falls:
        if fall.recovered is not None or (collapse is not None and fall.step != collapse.step):
            yield "fall", f"{fall_text(fall)}."


def _verdicts(comparison: Comparison) -> Grid:
    """The verdict of each generator."""
    rows = []
    for name, report in comparison.by_name.items():
        state, text = _verdict(report)
        rows.append((name, side_text(report.fake), state, text))
    marked = frozenset(place for place, row in enumerate(rows) if row[2] == "collapsed")
    each = "step" if comparison.steps else "generator"
    title = f"the verdict of each {each}" if any(report.verdict for report in comparison.reports) else f"the {each}s"
    return Grid(title, ("name", "samples", "verdict", "why"), tuple(rows), marked).without_empty_columns()


def _verdict(report: Report) -> tuple[str, str]:
    """State and reason of the verdict of a report."""
    if report.verdict is None:
        return "", ""
    findings = [printable(finding.text) for finding in report.verdict.findings[:FINDINGS_SHOWN]]
    total = len(report.verdict.findings)
    if findings:
        rest = [f"Findings in all: {total}."] if total > len(findings) else []
        return report.verdict.state, " ".join([*findings, *rest])
    text = printable(report.verdict.text)
    return report.verdict.state, text.partition(": ")[2] or text


def _grid(ranking: Ranking, comparison: Comparison) -> Grid:
    """The table of one metric: generators by rank, or checkpoints by step."""
    title = f"{ranking.key}, {ranking.better} is better"
    if comparison.steps is not None:
        return _steps_grid(ranking, comparison, title)
    best = next((place for place in ranking.places if place.value is not None), None)
    rows = []
    for place in ranking.places:
        difference = None if best is None or place is best else ranking.difference(place.name, best.name)
        rows.append(
            (
                place.name,
                "" if place.rank is None else str(place.rank),
                "".join(place.groups),
                number(place.value),
                interval(place.ci),
                difference_text(difference),
                "" if difference is None else p_value(difference.p_adjusted),
            )
        )
    columns = ("name", "rank", "group", "value", f"{level_text(comparison)}interval", "to the best", "p")
    marked = frozenset(number for number, place in enumerate(ranking.places) if (place.rank or 1) > 1)
    return Grid(title, columns, tuple(rows), marked).without_empty_columns()


def _steps_grid(ranking: Ranking, comparison: Comparison, title: str) -> Grid:
    """The checkpoints in the order of their steps, each with its interval drawn."""
    places = {place.name: place for place in ranking.places}
    ends = [end for place in places.values() for end in (place.value, *(place.ci or ())) if end is not None]
    low, high = min(ends, default=0.0), max(ends, default=0.0)
    rows: list[tuple[str, ...]] = []
    marked: set[int] = set()
    steps = dict(zip(comparison.names, comparison.steps or (), strict=True))
    falls = {fall.step: fall for fall in comparison.falls if fall.key == ranking.key}
    for name, step in steps.items():
        place = places[name]
        fall = falls.get(step)
        note = "" if fall is None else f"worse than step {fall.best}, p {p_value(fall.p_adjusted)}"
        if any(other.step <= step < (other.recovered or inf) for other in falls.values()):
            marked.add(len(rows))
        letters = "".join(place.groups)
        rows.append((str(step), number(place.value), interval(place.ci), _drawn(place, low, high), letters, note))
    columns = ("name", "value", f"{level_text(comparison)}interval", "curve", "group", "note")
    return Grid(f"{title}, by step", columns, tuple(rows), frozenset(marked)).without_empty_columns()


def _drawn(place: Place, low: float, high: float) -> str:
    """Value and interval of a place on a line from `low` to `high`."""
    if place.value is None or not isfinite(high - low) or high <= low:
        return ""

    def at(value: float) -> int:
        return min(CURVE - 1, max(0, round((value - low) / (high - low) * (CURVE - 1))))

    line = ["·"] * CURVE
    if place.ci is not None:
        line[at(place.ci[0]) : at(place.ci[1]) + 1] = "─" * (at(place.ci[1]) - at(place.ci[0]) + 1)
    line[at(place.value)] = "●"
    return "".join(line)


def level_text(comparison: Comparison) -> str:
    """The level of the intervals before the word, where there is one: `95 % `."""
    levels = {result.ci_level for report in comparison.reports for result in report.metrics.values() if result.ci_level}
    return f"{100 * levels.pop():g} % " if len(levels) == 1 else ""


def difference_text(difference: Difference | None) -> str:
    """Difference to the best with its interval."""
    if difference is None:
        return ""
    sign = "+" if difference.value > 0 else ""
    return f"{sign}{number(difference.value, digits=3)} {interval(difference.ci)}".rstrip()


def _notes(comparison: Comparison) -> Iterator[str]:
    """How to read the tables, and what readers must know."""
    if any(ranking.differences for ranking in comparison.ranking):
        yield (
            "Generators that share a letter in the column group cannot be told apart (alpha "
            f"{comparison.alpha:g} for all pairs and metrics together, Holm); rank: 1 + the number of those that are "
            "significantly better. p and intervals of differences: half-samples; all generators share the real ones."
        )
    else:
        yield "Differences are not tested without intervals (--ci-level), so there are no ranks."
    yield from comparison.notes
    for name, report in comparison.by_name.items():
        if report.fake.skipped:
            yield f"{name}: {len(report.fake.skipped)} samples could not be read."
    for ranking in comparison.ranking:
        yield from (f"{ranking.key}: {warning}." for warning in ranking.warnings)
        lacking = [place.name for place in ranking.places if place.value is None]
        if lacking:
            reasons = comparison.by_name[lacking[0]].metrics[ranking.key].warnings[:1]
            yield f"{ranking.key} has no value for {', '.join(lacking)}: {' '.join(reasons) or 'no reason given'}"
    seconds = comparison.meta.get("seconds") or {}
    taken = f"total {seconds['total']:.1f} s, " if isinstance(seconds.get("total"), (int, float)) else ""
    yield f"seed {comparison.meta.get('seed', '-')}, {taken}divmetrics {comparison.version}."
