"""`comparison_page_of`: the page of a comparison: verdicts, rankings with intervals, curves of checkpoints."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from divmetrics.records.comparison import Comparison, Place, Ranking
from divmetrics.records.exhibits import Curve, Pictures, Series, Shown
from divmetrics.records.printing import printable
from divmetrics.records.results import Result
from divmetrics.report import compared
from divmetrics.report.html.answer import Answer, FindingCard, answer_of, finding_cards
from divmetrics.report.html.axes import Axis, Strip, bounds_of, strip_of
from divmetrics.report.html.comparison_modes import shared_modes
from divmetrics.report.html.drawings import Chart, chart_of
from divmetrics.report.html.links import docs_link
from divmetrics.report.html.render import render
from divmetrics.report.page import interval, is_worse, number, p_value, side_text

KEEP = (
    "This comparison holds no exhibits, so the page cannot show samples. Compare again with --html PAGE.html, or with "
    "--exhibits --json COMPARISON.json to write the page later; in Python, compare(..., exhibits=True)."
)
"""What a page without exhibits says of them."""


@dataclass(frozen=True)
class GeneratorCard:
    """One generator with its verdict."""

    id: str
    name: str
    samples: str
    answer: Answer | None
    findings: tuple[FindingCard, ...]
    digest: str
    drawn: Mapping[str, tuple[Shown, ...]]
    """Side -> samples that were drawn by the seed; none where there is no picture of any."""
    pictures: Mapping[tuple[str, int], str]


@dataclass(frozen=True)
class PlaceRow:
    """One generator in the ranking of a metric."""

    name: str
    rank: str
    ranks: str
    """The ranks that it may have, where there are several: `1 to 2`."""
    group: str
    value: str
    interval: str
    strip: Strip | None
    difference: str
    p: str
    behind: bool
    """Whether some generator is significantly better."""


@dataclass(frozen=True)
class RankingTable:
    """The ranking of one metric."""

    id: str
    title: str
    better: str
    link: str | None
    rows: tuple[PlaceRow, ...]
    warnings: tuple[str, ...]
    pairs: tuple[tuple[str, ...], ...]
    """Each difference: names, value, interval, p, adjusted p, half-samples."""


@dataclass(frozen=True)
class Headline:
    """What a run of checkpoints did."""

    state: str
    word: str
    texts: tuple[str, ...]


def comparison_page_of(
    comparison: Comparison, pictures: Sequence[Pictures] = (), *, beside: bool = False
) -> tuple[str, Mapping[str, bytes]]:
    """The page of a comparison.

    Args:
        comparison: The comparison.
        pictures: For each generator the pictures of samples that its exhibits show; without them samples are named.
        beside: Whether style, script and pictures are files beside the page; else they stand in it.

    Returns:
        HTML, and the files beside it: relative path -> content.
    """
    first = comparison.reports[0]
    page = compared.comparison_page(comparison)
    pictures = pictures or [Pictures()] * len(comparison.reports)
    cards = tuple(_cards(comparison, pictures))
    return render(
        "comparison.html",
        beside=beside,
        comparison=comparison,
        title=f"{len(comparison.names)} generators against {first.real.source}",
        real=side_text(first.real),
        real_source=first.real.source,
        headline=_headline(comparison),
        cards=cards,
        found=any(card.findings for card in cards),
        drawn=any(any(card.drawn.values()) for card in cards),
        modes=shared_modes(comparison),
        exhibit_notes=tuple(_exhibit_notes(comparison, pictures)),
        tables=tuple(_table(place, ranking, comparison) for place, ranking in enumerate(comparison.ranking, start=1)),
        charts=tuple(_charts(comparison)),
        level=compared.level_text(comparison),
        notes=page.notes,
        command=_command(comparison),
        signatures=tuple(str(first.metrics[ranking.key].signature) for ranking in comparison.ranking),
    )


def _headline(comparison: Comparison) -> Headline | None:
    """Whether and where the diversity of checkpoints is lost; None for generators that are no checkpoints."""
    if comparison.steps is None:
        return None
    texts = tuple(text[:1].upper() + text[1:] for _, text in compared.fall_facts(comparison))
    if comparison.collapse is not None:
        return Headline("collapsed", f"Collapse from step {comparison.collapse.step} on", texts)
    looked = any(ranking.role == "diversity" for ranking in comparison.ranking)
    return Headline("inconclusive", "No collapse found" if looked else "Not looked for", texts)


def _cards(comparison: Comparison, pictures: Sequence[Pictures]) -> Iterator[GeneratorCard]:
    """The generators in their order."""
    ids = {ranking.key: f"ranking-{place}" for place, ranking in enumerate(comparison.ranking, start=1)}
    for place, (name, report) in enumerate(comparison.by_name.items(), start=1):
        uris = pictures[place - 1].uris
        galleries = report.exhibits.galleries if report.exhibits is not None else ()
        grid = next((gallery.rows[0] for gallery in galleries if gallery.kind == "grid" and gallery.rows), None)
        yield GeneratorCard(
            f"generator-{place}",
            name,
            side_text(report.fake),
            answer_of(report),
            finding_cards(report, ids, f"generator-{place}-finding"),
            report.fake.digest or "",
            {side: _pictured(() if grid is None else getattr(grid, side), uris) for side in ("real", "fake")},
            uris,
        )


def _pictured(shown: tuple[Shown, ...], uris: Mapping[tuple[str, int], str]) -> tuple[Shown, ...]:
    """Samples of which some have a picture; else none."""
    return shown if any((one.side, one.index) in uris for one in shown) else ()


def _exhibit_notes(comparison: Comparison, pictures: Sequence[Pictures]) -> Iterator[str]:
    """What cannot be shown of the samples, and why."""
    if all(report.exhibits is None for report in comparison.reports):
        yield KEEP
    about: dict[str, list[str]] = {}
    for (name, report), made in zip(comparison.by_name.items(), pictures, strict=True):
        for note in (*(report.exhibits.notes if report.exhibits is not None else ()), *made.notes):
            about.setdefault(note, []).append(name)
    for note, names in about.items():
        yield note if len(names) == len(comparison.names) else f"{', '.join(names)}: {note}"


def _table(place: int, ranking: Ranking, comparison: Comparison) -> RankingTable:
    """The ranking of one metric with its drawings, all of which have one axis."""
    results = {name: report.metrics[ranking.key] for name, report in comparison.by_name.items()}
    axis = _axis(list(results.values()))
    best = next((one for one in ranking.places if one.value is not None), None)
    rows = tuple(_row(one, best, ranking, results[one.name], axis) for one in ranking.places)
    pairs = tuple(
        (
            f"{found.first} less {found.second}",
            number(found.value),
            interval(found.ci),
            p_value(found.p),
            p_value(found.p_adjusted),
            "yes" if found.told_apart else "no",
            str(found.draws),
        )
        for found in ranking.differences
    )
    link = docs_link(f"metrics/{ranking.metric}") if ranking.metric.isidentifier() else None
    return RankingTable(f"ranking-{place}", ranking.key, ranking.better, link, rows, ranking.warnings, pairs)


def _axis(results: list[Result]) -> Axis:
    """The range that holds values, intervals and null bands of all generators."""
    numbers: list[float | None] = []
    for result in results:
        numbers += [result.value, *(result.ci or ())]
        numbers += [result.null.low, result.null.high] if result.null is not None else []
    return Axis.around(numbers, bounds=bounds_of(results[0]))


def _row(place: Place, best: Place | None, ranking: Ranking, result: Result, axis: Axis) -> PlaceRow:
    """One generator in the ranking of a metric."""
    difference = None if best is None or place is best else ranking.difference(place.name, best.name)
    ranks = "" if place.ranks is None or place.ranks[0] == place.ranks[1] else f"{place.ranks[0]} to {place.ranks[1]}"
    return PlaceRow(
        place.name,
        "" if place.rank is None else str(place.rank),
        ranks,
        "".join(place.groups),
        number(place.value),
        interval(place.ci),
        strip_of(result, worse=is_worse(result), axis=axis),
        compared.difference_text(difference),
        "" if difference is None else p_value(difference.p_adjusted),
        (place.rank or 1) > 1,
    )


def _charts(comparison: Comparison) -> Iterator[Chart]:
    """A curve over the steps for each metric, with the step from which diversity is lost."""
    if comparison.steps is None:
        return
    for ranking in comparison.ranking:
        steps = sorted(zip(comparison.steps, comparison.names, strict=True))
        at = [(float(step), ranking[name]) for step, name in steps if ranking[name].value is not None]
        if not at:
            continue
        ends = [place.ci for _, place in at]
        whole = all(end is not None for end in ends)
        series = Series(
            name=ranking.key,
            x=tuple(step for step, _ in at),
            y=tuple(place.value for _, place in at),
            low=tuple(end[0] for end in ends if end is not None) if whole else (),
            high=tuple(end[1] for end in ends if end is not None) if whole else (),
        )
        band = f"With {compared.level_text(comparison)}intervals." if whole else ""
        curve = Curve(
            name="steps",
            title=f"{ranking.key}, {ranking.better} is better",
            x_label="step",
            y_label=ranking.metric,
            log_x=False,
            series=(series,),
            text=band,
        )
        falls = [fall for fall in comparison.falls if fall.key == ranking.key]
        marks = [(float(fall.step), "lost" if fall.recovered is None else "fell") for fall in falls]
        yield chart_of(curve, marks=marks)


def _command(comparison: Comparison) -> str:
    """The command that compares again; empty where it was not made on the command line."""
    argv = comparison.meta.get("argv")
    if isinstance(argv, (list, tuple)) and argv and all(isinstance(word, str) for word in argv):
        return shlex.join(printable(word) for word in argv)
    return ""
