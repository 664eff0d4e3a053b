"""`page_of`: the page of a report."""

from __future__ import annotations

from collections.abc import Mapping

from divmetrics.records.exhibits import Exhibits, Gallery
from divmetrics.records.results import Report
from divmetrics.report.html.answer import answer_of, finding_cards
from divmetrics.report.html.drawings import atlas_of, chart_of
from divmetrics.report.html.gate_section import GateSection
from divmetrics.report.html.modes import mode_table
from divmetrics.report.html.numbers import metric_ids, metric_tables
from divmetrics.report.html.provenance import provenance_of
from divmetrics.report.html.render import Pictures, render
from divmetrics.report.page import class_note, not_comparable_notes, real_score_notes, warning_notes, worse_note

KEEP = (
    "This report holds no exhibits, so the page cannot draw galleries of samples, maps of both sides, curves over the "
    "number of samples, or the modes one by one. Measure again with --html PAGE.html, or with --exhibits --json "
    "REPORT.json to write the page later; in Python, score(..., exhibits=True)."
)
"""What a page without exhibits says of them."""


def page_of(
    report: Report,
    pictures: Pictures | None = None,
    *,
    beside: bool = False,
    notes: tuple[str, ...] = (),
    gate: GateSection | None = None,
) -> tuple[str, Mapping[str, bytes]]:
    """The page of a report.

    Args:
        report: The report.
        pictures: Pictures of samples that its exhibits show; the others are named.
        beside: Whether style, script and pictures are files beside the page; else they stand in it.
        notes: Further sentences about the pictures, such as which could not be read.
        gate: The judgement of a gate, which then stands first.

    Returns:
        HTML, and the files beside it: relative path -> content.
    """
    ids, tables = metric_ids(report), metric_tables(report)
    exhibits = report.exhibits or Exhibits()
    named = {finding.kind for finding in report.verdict.findings} if report.verdict is not None else set()
    return render(
        "report.html",
        beside=beside,
        pictures=pictures or {},
        report=report,
        gate=gate,
        title=f"{report.fake.source} against {report.real.source}",
        answer=answer_of(report),
        findings=finding_cards(report, ids),
        tables=tables,
        drawn=any("strip" in table.columns for table in tables),
        table_notes=(*worse_note(report), *real_score_notes(report), *not_comparable_notes(report)),
        warnings=tuple(warning_notes(report)),
        modes=mode_table(report),
        classes=class_note(report),
        galleries=[g for g in exhibits.galleries if g.kind not in named and not _says_nothing(g, pictures)],
        atlas=atlas_of(exhibits) if exhibits.maps else None,
        charts=[chart_of(curve) for curve in exhibits.curves],
        counted=_counted(report),
        exhibit_notes=(*((KEEP,) if report.exhibits is None else _of_features(report)), *exhibits.notes, *notes),
        provenance=provenance_of(report),
    )


def _says_nothing(gallery: Gallery, pictures: Pictures | None) -> bool:
    """Whether it is samples that nobody chose, without a picture of any."""
    shown = [one for row in gallery.rows for one in (*row.real, *row.fake)]
    return gallery.kind == "grid" and not any((one.side, one.index) in (pictures or {}) for one in shown)


def _of_features(report: Report) -> tuple[str, ...]:
    """What the samples shown are, where they are features."""
    features = {result.extractor for result in report.metrics.values()} <= {"features", "labels"}
    if not features or report.exhibits is None or not any(report.exhibits.shown().values()):
        return ()
    return ("The samples are features and have no pictures: #17 is row 17 of the set, counted from 0.",)


def _counted(report: Report) -> str:
    """The numbers of samples of both sides."""
    fake, real = report.fake.n, report.real.n
    if fake is None and real is None:
        return "An unknown number of fake and of real samples"
    counts = [f"{n:,} {side}" if n else f"an unknown number of {side}" for n, side in ((fake, "fake"), (real, "real"))]
    text = f"{' and '.join(counts)} samples"
    return text[:1].upper() + text[1:]
