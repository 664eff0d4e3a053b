"""The content of a report as plain text in tables, which become a table in a terminal or Markdown in a comment.

Every number is shown with what its signature holds: extractor with digest, preprocessing, layer, parameters, n, seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from divmetrics.records.null_band import NullBand
from divmetrics.records.printing import listed, printable
from divmetrics.records.results import Mode, Report, Result, Side
from divmetrics.records.signature import Signature, params_text

PUBLISHED = {"fid": "FID", "kid": "KID", "inception_score": "Inception Score"}
"""Metrics whose published numbers follow one protocol, so that readers may be tempted to compare."""

MARK = "!"
"""Stands before the rows of a table that are bad."""
WORSE = 0.01
"""p-value up to which a result may be called worse than real samples."""

MODES_SHOWN, SKIPPED_SHOWN, EXEMPLARS_SHOWN, FINDING_SAMPLES_SHOWN = 20, 3, 2, 3
"""Most modes, skipped files, exemplars of a mode, and samples of a finding that are listed."""


@dataclass(frozen=True)
class Grid:
    """A table: column names and rows of cells, with the row's name in the first column."""

    title: str
    """Heading; empty for none."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()
    """Numbers of the rows that are bad, which get a `MARK`."""

    def __post_init__(self) -> None:
        """Make all of it printable, wherever its texts come from."""
        for name in ("title", "columns", "rows"):
            object.__setattr__(self, name, _printable(getattr(self, name)))

    def without_empty_columns(self) -> Grid:
        """The same table without the columns that are empty in every row."""
        filled = [any(row[column] for row in self.rows) for column in range(len(self.columns))]
        rows = tuple(tuple(compress(row, filled)) for row in self.rows)
        return Grid(self.title, tuple(compress(self.columns, filled)), rows, self.marked)


@dataclass(frozen=True)
class Page:
    """A title, facts as (name, text), tables, and closing notes."""

    title: str
    facts: tuple[tuple[str, str], ...]
    grids: tuple[Grid, ...]
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Make all of it printable, wherever its texts come from."""
        for name in ("title", "facts", "notes"):
            object.__setattr__(self, name, _printable(getattr(self, name)))


def _printable(content: Any) -> Any:
    """A text, or tuples of texts, with control characters escaped."""
    return printable(content) if isinstance(content, str) else tuple(map(_printable, content))


def report_page(report: Report, title: str = "divmetrics score") -> Page:
    """The content of a report: one table for each extractor, then warnings, verdict, modes and provenance.

    Args:
        report: The report.
        title: Heading of the page.

    Returns:
        The page, for `table.render` or `markdown.render`.
    """
    facts = [*_verdict(report), ("fake", side_text(report.fake)), ("real", side_text(report.real))]
    if report.held_out is not None:
        facts.append(("held out", side_text(report.held_out)))
    facts += [("fact", printable(fact.text)) for fact in report.facts]
    return Page(title, tuple(facts), _grids(report), _notes(report))


def number(value: float | None, digits: int = 4) -> str:
    """A number as text.

    Args:
        value: The number; None is shown as `-`.
        digits: Significant digits; integers are shown whole.

    Returns:
        Fixed-point notation between 1e-4 and 1e9, else scientific notation.

    Example:
        >>> number(0.123456), number(12.0), number(None)
        ('0.1235', '12', '-')
    """
    if value is None:
        return "-"
    if value == round(value) and abs(value) < 1e9:
        return str(round(value))  # a count, or exactly 0 or 1
    scientific = f"{value:.{digits - 1}e}"
    exponent = int(scientific.partition("e")[2])  # of the rounded value, since 9.9999 is shown as 10.00
    return f"{value:.{max(0, digits - 1 - exponent)}f}" if -5 < exponent < 9 else scientific


def interval(ends: Sequence[float | None] | None) -> str:
    """An interval as text, `[0.381, 0.440]`; empty for None."""
    return "" if ends is None else f"[{', '.join('∞' if end is None else number(end, digits=3) for end in ends)}]"


def side_text(side: Side) -> str:
    """Source, sample size, classes and skipped samples of one side."""
    parts = [printable(side.source), f"n {side.n or 'unknown'}"]
    if side.labels is not None:
        parts.append(f"{len(side.labels)} classes")
    if side.skipped:
        parts.append(f"{len(side.skipped)} skipped")
    return ", ".join(parts)


def _grids(report: Report) -> tuple[Grid, ...]:
    """One table for each pair of extractor and preprocessing, in the order of the report."""
    return tuple(_grid(title, members, report) for title, members in grouped(report).items())


def grouped(report: Report) -> dict[str, list[tuple[str, Result]]]:
    """What was measured on (a sentence) -> the results, (key, result) each, in the order of the report."""
    groups: dict[str, list[tuple[str, Result]]] = {}
    for key, result in report.metrics.items():
        title = measured_on(result.signature)
        groups.setdefault(title, []).append((key, result))
    return groups


def measured_on(signature: Signature) -> str:
    """What a number was measured on, in words."""
    if signature.extractor == "features":
        return "measured on the features as given"
    if signature.extractor == "labels":
        return "measured on the labels of the samples"
    return f"measured with {signature.extractor.removesuffix('#')}, preprocessing {signature.preprocessing}"


def _grid(title: str, members: Sequence[tuple[str, Result]], report: Report) -> Grid:
    """The results `members`, (key, result) each, as a table."""
    warnings = all_warnings(report)
    columns: dict[str, Callable[[Result], str]] = {
        "value": lambda result: number(result.value),
        interval_heading(members): lambda result: interval(result.ci),
        "reals score": real_score,
        "p": p_text,
        "better": lambda result: result.better,
        "parameters": lambda result: parameters(result, report.meta),
        "note": lambda result: _note(result, warnings),
    }
    rows = tuple((metric_name(key, result), *(cell(result) for cell in columns.values())) for key, result in members)
    bad = frozenset(place for place, (_, result) in enumerate(members) if is_worse(result))
    return Grid(title, ("metric", *columns), rows, bad).without_empty_columns()


def metric_name(key: str, result: Result) -> str:
    """Key of a result without its extractor."""
    return key.removesuffix(f"@{result.extractor}")


def interval_heading(members: Sequence[tuple[str, Result]]) -> str:
    """Heading of the intervals, with their level where it is the same for all."""
    levels = {result.ci_level for _, result in members if result.ci_level is not None}
    return f"{100 * levels.pop():g} % interval" if len(levels) == 1 else "interval"


def real_score(result: Result) -> str:
    """What real samples score: the band of two disjoint sets, or the value of one set for one-sample metrics."""
    null = result.null
    if null is not None:
        known = null.draws is not None or null.low is not None or null.high is not None
        return interval((null.low, null.high)) if known else ""
    return number(result.extras["real"]) if "real" in result.extras else ""


def p_text(result: Result) -> str:
    """p-value: probability of a value at least as bad if both sides came from one distribution."""
    return "" if result.null is None else p_value(result.null.p)


def p_value(p: float | None) -> str:
    """A p-value as text; empty for None.

    Example:
        >>> p_value(0.0123), p_value(1e-9), p_value(None)
        ('0.012', '<0.0001', '')
    """
    return "" if p is None else "<0.0001" if p < 1e-4 else f"{p:.2g}"


def parameters(result: Result, meta: Mapping[str, Any]) -> str:
    """Layer, options, and a seed that differs from the report's."""
    layer = [] if result.signature.layer == "none" else [result.signature.layer]
    own_seed = [f"seed:{result.signature.seed}"] if result.signature.seed != str(meta.get("seed", "")) else []
    return " ".join([*layer, *filter(None, params_text(result.params).split("|")), *own_seed])


def _note(result: Result, warnings: Sequence[str]) -> str:
    """Total of a count, standard deviation over subsets, and numbers of the warnings below the tables."""
    total = [f"of {result.extras['modes_total']}"] if "modes_total" in result.extras else []
    spread = [f"std {number(result.extras['std'])}"] if "std" in result.extras else []
    marks = [f"[{warnings.index(text) + 1}]" for text in warning_texts(result)]
    return " ".join([*total, *spread, *marks])


def warning_texts(result: Result) -> list[str]:
    """The warnings of a result without the metric's name, so that equal ones are listed once."""
    return [printable(text.removeprefix(result.metric).lstrip(": ")) for text in result.warnings]


def all_warnings(report: Report) -> list[str]:
    """The different warnings of a report, in order."""
    return list(dict.fromkeys(text for result in report.metrics.values() for text in warning_texts(result)))


def _notes(report: Report) -> tuple[str, ...]:
    """The closing notes of a page."""
    notes = (
        *worse_note(report),
        *real_score_notes(report),
        *warning_notes(report),
        *filter(None, [printable(class_note(report))]),
        *_missing_modes(report),
        *_skipped(report),
        *not_comparable_notes(report),
    )
    return (*notes, provenance(report))


def is_worse(result: Result) -> bool:
    """Whether a value is worse than real samples are: beyond what they score, and with p <= 1 %.

    Where the band holds at other sizes than those of the samples, the fakes' own mean at its sizes is compared.

    Args:
        result: A result.

    Example:
        >>> from types import SimpleNamespace
        >>> null = SimpleNamespace(low=0.8, high=0.9, p=0.005, fakes=None)
        >>> [is_worse(SimpleNamespace(value=value, better="higher", null=null)) for value in (0.7, 0.85)]
        [True, False]
    """
    null = result.null
    if null is None or null.p is None or result.value is None or null.p > WORSE:
        return False
    value = result.value if null.fakes is None else null.fakes
    end = null.low if result.better == "higher" else null.high
    return end is None or (value < end if result.better == "higher" else value > end)


def worse_note(report: Report) -> Iterator[str]:
    """What the mark of bad rows means, where there are any."""
    if any(map(is_worse, report.metrics.values())):
        yield f"{MARK} worse than real samples: beyond what they score, and p <= {WORSE:g}."


def real_score_notes(report: Report) -> Iterator[str]:
    """Where the bands of "reals score" come from, at which sizes they hold, and what the fakes have at these."""
    groups: dict[tuple[str, str], list[tuple[str, Result, NullBand]]] = {}
    for key, result in report.metrics.items():
        null = result.null
        if null is not None and null.split is not None:
            sizes = f"{null.n_real} against {null.n_fake}"
            if list(null.split) != [null.n_real, null.n_fake]:
                sizes = f"{null.split[0]} against {null.split[1]}, carried to {sizes}"
            groups.setdefault((null.method or "", sizes), []).append((key, result, null))
    for (samples, sizes), members in groups.items():
        names = [metric_name(key, result) for key, result, _ in members]
        beside = [
            f"{name} {number(null.fakes)}"
            for name, (_, _, null) in zip(names, members, strict=True)
            if null.fakes is not None
        ]
        which = f" of {', '.join(names)}" if len(groups) > 1 and not beside else ""
        at_these = f" The fakes at these sizes: {', '.join(beside)}." if beside else ""
        yield f"Reals score{which}: disjoint sets of the {samples}, {sizes}.{at_these}"


def warning_notes(report: Report) -> Iterator[str]:
    """Each warning with its number and the metrics that it concerns."""
    for mark, text in enumerate(all_warnings(report), start=1):
        names = [metric_name(key, result) for key, result in report.metrics.items() if text in warning_texts(result)]
        yield f"[{mark}] {', '.join(names)}: {text}"


def class_note(report: Report) -> str:
    """Where the classes come from, where that needs saying; else empty."""
    about = report.meta.get("classes")
    return str(about.get("text") or "") if isinstance(about, dict) else ""


def _verdict(report: Report) -> Iterator[tuple[str, str]]:
    """The verdict, then its findings with the samples that show them."""
    if report.verdict is None:
        return
    yield "verdict", printable(report.verdict.text or report.verdict.state)
    for finding in report.verdict.findings:
        samples = [printable(sample) for sample in finding.samples[:FINDING_SAMPLES_SHOWN]]
        shown = f" See {', '.join(samples)}." if samples else ""
        yield "finding", f"{printable(finding.text)}{shown} (p {finding.p:.2g})"


def _missing_modes(report: Report) -> Iterator[str]:
    """Modes that are significantly missing or thinned, the largest first, with exemplars."""
    for state in ("missing", "thinned"):
        found = sorted((mode for mode in report.modes if mode.state == state), key=lambda mode: -mode.real_share)
        if found:
            names = [_mode_text(mode) for mode in found]
            yield f"{state.capitalize()} modes, {len(found)} of {len(report.modes)}: {listed(names, MODES_SHOWN)}."


def mode_shares(mode: Mode) -> str:
    """The shares of a mode, in words."""
    generated = f", {100 * mode.fake_share:.2g} % of the generated" if mode.fake_share else ""
    return f"{100 * mode.real_share:.2g} % of the real samples{generated}"


def _mode_text(mode: Mode) -> str:
    """A mode with its shares and exemplars."""
    like = f", like {', '.join(map(printable, mode.exemplars[:EXEMPLARS_SHOWN]))}" if mode.exemplars else ""
    return f"{printable(mode.name)} ({mode_shares(mode)}{like})"


def _skipped(report: Report) -> Iterator[str]:
    """Samples of each side that could not be decoded."""
    for name, side in (("fake", report.fake), ("real", report.real), ("held-out", report.held_out)):
        if side is not None and side.skipped:
            found = [f"{printable(sample.path)} ({printable(sample.reason)})" for sample in side.skipped]
            yield f"Skipped in {name}, {len(found)}: {listed(found, SKIPPED_SHOWN)}."


def not_comparable_notes(report: Report) -> Iterator[str]:
    """Which numbers must not be compared with published ones."""
    ours = {r.metric for r in report.metrics.values() if not r.literature and r.value is not None}
    names = [name for name in PUBLISHED if name in ours]
    if names:
        papers = ", ".join(PUBLISHED[name] for name in names)
        yield f"{', '.join(names)}: not comparable with published {papers}, measured with the 2015 Inception weights."


def provenance(report: Report) -> str:
    """Seed, device, engine, seconds and version."""
    meta = report.meta
    seconds = meta.get("seconds") or {}
    parts = [f"{name} {meta[name]}" for name in ("seed", "device", "engine") if meta.get(name) is not None]
    parts += [f"{name} {taken:.1f} s" for name, taken in seconds.items() if isinstance(taken, (int, float))]
    return ", ".join([*parts, f"divmetrics {report.version}"]) + "."
