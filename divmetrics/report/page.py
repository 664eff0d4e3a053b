"""What a report says, as plain text in cells: the same page becomes a table in a terminal and Markdown in a comment.

Every number stands with what its signature holds: extractor with digest, preprocessing, layer, parameters, n, seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from divmetrics.records.results import Mode, Report, Result, Side, params_text

PUBLISHED = {"fid": "FID", "kid": "KID", "inception_score": "Inception Score"}
"""Metrics whose numbers in papers follow one protocol, so that ours invite a comparison."""

MODES_SHOWN, SKIPPED_SHOWN, EXEMPLARS_SHOWN = 20, 3, 2


@dataclass(frozen=True)
class Grid:
    """A table: column names, and rows of cells with the row's name first and a number second."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def without_empty_columns(self) -> Grid:
        """The same grid, columns left out in which no row has anything."""
        filled = [any(row[place] for row in self.rows) for place in range(len(self.columns))]
        rows = tuple(tuple(compress(row, filled)) for row in self.rows)
        return Grid(self.title, tuple(compress(self.columns, filled)), rows)


@dataclass(frozen=True)
class Page:
    """A title, facts as (name, text), grids, and closing sentences."""

    title: str
    facts: tuple[tuple[str, str], ...]
    grids: tuple[Grid, ...]
    notes: tuple[str, ...]


def of_report(report: Report, title: str = "divmetrics score") -> Page:
    """The page of one comparison."""
    facts = [("fake", _side(report.fake)), ("real", _side(report.real))]
    if report.held_out is not None:
        facts.append(("held out", _side(report.held_out)))
    return Page(title, tuple(facts), _grids(report), _notes(report))


def number(value: float | None, digits: int = 4) -> str:
    """`digits` significant digits, no exponent where it can be helped; whole numbers whole; `-` for None."""
    if value is None:
        return "-"
    if value == round(value) and abs(value) < 1e9:
        return str(round(value))  # a count, or exactly 0 or 1
    scientific = f"{value:.{digits - 1}e}"
    exponent = int(scientific.partition("e")[2])  # of the rounded value: 9.9999 is 10.00
    return f"{value:.{max(0, digits - 1 - exponent)}f}" if -5 < exponent < 9 else scientific


def interval(ends: Sequence[float | None] | None) -> str:
    """`[0.381, 0.440]`; empty where there is none."""
    return "" if ends is None else f"[{', '.join('∞' if end is None else number(end, digits=3) for end in ends)}]"


def printable(text: str) -> str:
    """`text` with control characters written out: a file's name must not steer a terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _side(side: Side) -> str:
    parts = [printable(side.source), f"n {side.n or 'unknown'}"]
    if side.labels is not None:
        parts.append(f"{len(side.labels)} classes")
    if side.skipped:
        parts.append(f"{len(side.skipped)} skipped")
    return ", ".join(parts)


def _grids(report: Report) -> tuple[Grid, ...]:
    """One grid for each extractor with its preprocessing, in the order of the report."""
    groups: dict[tuple[str, str], list[tuple[str, Result]]] = {}
    for key, result in report.metrics.items():
        groups.setdefault((result.signature.extractor, result.signature.preprocessing), []).append((key, result))
    return tuple(_grid(_measured_on(*group), members, report) for group, members in groups.items())


def _measured_on(extractor: str, preprocessing: str) -> str:
    if extractor == "features":
        return "measured on the features as given"
    if extractor == "labels":
        return "measured on the labels of the samples"
    return f"measured with {extractor}, preprocessing {preprocessing}"


def _grid(title: str, members: Sequence[tuple[str, Result]], report: Report) -> Grid:
    reasons = _all_reasons(report)
    columns: dict[str, Callable[[Result], str]] = {
        "value": lambda result: number(result.value),
        _interval_heading(members): lambda result: interval(result.ci),
        "reals score": _reference,
        "p": _chance,
        "better": lambda result: result.better,
        "parameters": lambda result: _parameters(result, report.meta),
        "note": lambda result: _note(result, reasons),
    }
    rows = tuple((_name(key, result), *(cell(result) for cell in columns.values())) for key, result in members)
    return Grid(title, ("metric", *columns), rows).without_empty_columns()


def _name(key: str, result: Result) -> str:
    return key.removesuffix(f"@{result.extractor}")


def _interval_heading(members: Sequence[tuple[str, Result]]) -> str:
    levels = {result.ci_level for _, result in members if result.ci_level is not None}
    return f"{100 * levels.pop():g} % interval" if len(levels) == 1 else "interval"


def _reference(result: Result) -> str:
    """What the reals score themselves: one set of them where the metric looks at one, else two disjoint sets."""
    if result.null is not None:
        return interval((result.null.low, result.null.high))
    return number(result.extras["real"]) if "real" in result.extras else ""


def _chance(result: Result) -> str:
    """Chance of a value as bad as this if fakes and reals were alike."""
    if result.null is None or result.null.p is None:
        return ""
    return "<0.0001" if result.null.p < 1e-4 else f"{result.null.p:.2g}"


def _parameters(result: Result, meta: Mapping[str, Any]) -> str:
    layer = [] if result.signature.layer == "none" else [result.signature.layer]
    own_seed = [f"seed:{result.signature.seed}"] if result.signature.seed != str(meta.get("seed", "")) else []
    return " ".join([*layer, *filter(None, params_text(result.params).split("|")), *own_seed])


def _note(result: Result, reasons: Sequence[str]) -> str:
    """What a count is out of, the spread over subsets, and the numbers of the warnings below the grids."""
    total = [f"of {result.extras['modes_total']}"] if "modes_total" in result.extras else []
    spread = [f"std {number(result.extras['std'])}"] if "std" in result.extras else []
    marks = [f"[{reasons.index(reason) + 1}]" for reason in _reasons(result)]
    return " ".join([*total, *spread, *marks])


def _reasons(result: Result) -> list[str]:
    """The warnings of a result without its name, so that those of several metrics are one."""
    return [printable(text.removeprefix(result.metric).lstrip(": ")) for text in result.warnings]


def _all_reasons(report: Report) -> list[str]:
    return list(dict.fromkeys(reason for result in report.metrics.values() for reason in _reasons(result)))


def _notes(report: Report) -> tuple[str, ...]:
    told = (*_warnings(report), *_verdict(report), *_missing_modes(report), *_skipped(report), *_not_comparable(report))
    return (*told, _provenance(report))


def _warnings(report: Report) -> Iterator[str]:
    for mark, reason in enumerate(_all_reasons(report), start=1):
        names = [_name(key, result) for key, result in report.metrics.items() if reason in _reasons(result)]
        yield f"[{mark}] {', '.join(names)}: {reason}"


def _verdict(report: Report) -> Iterator[str]:
    if report.verdict is not None:
        yield f"Verdict: {report.verdict.state} (false-alarm rate {report.verdict.alpha:g})."
        yield from (str(finding["text"]) for finding in report.verdict.findings if "text" in finding)


def _missing_modes(report: Report) -> Iterator[str]:
    """The modes that are missing or thinned beyond chance, the largest first, with samples that show what they are."""
    for state in ("missing", "thinned"):
        found = sorted((mode for mode in report.modes if mode.state == state), key=lambda mode: -mode.real_share)
        if found:
            names = [_described(mode) for mode in found]
            yield f"{state.capitalize()} modes, {len(found)} of {len(report.modes)}: {_shortened(names, MODES_SHOWN)}."


def _described(mode: Mode) -> str:
    shares = f"{100 * mode.real_share:.2g} % of the reals"
    if mode.fake_share:
        shares += f", {100 * mode.fake_share:.2g} % of the fakes"
    like = f", like {', '.join(map(printable, mode.exemplars[:EXEMPLARS_SHOWN]))}" if mode.exemplars else ""
    return f"{printable(mode.name)} ({shares}{like})"


def _skipped(report: Report) -> Iterator[str]:
    for name, side in (("fake", report.fake), ("real", report.real), ("held-out", report.held_out)):
        if side is not None and side.skipped:
            found = [f"{printable(sample.path)} ({printable(sample.reason)})" for sample in side.skipped]
            yield f"Skipped in {name}, {len(found)}: {_shortened(found, SKIPPED_SHOWN)}."


def _shortened(items: Sequence[str], shown: int) -> str:
    more = [f"and {len(items) - shown} more"] if len(items) > shown else []
    return ", ".join([*items[:shown], *more])


def _not_comparable(report: Report) -> Iterator[str]:
    ours = {r.metric for r in report.metrics.values() if not r.literature and r.value is not None}
    names = [name for name in PUBLISHED if name in ours]
    if names:
        papers = ", ".join(PUBLISHED[name] for name in names)
        yield f"{', '.join(names)}: not comparable with published {papers}, measured with the 2015 Inception weights."


def _provenance(report: Report) -> str:
    """Seed, machine, seconds and version: the rest of what makes a number repeatable."""
    meta = report.meta
    seconds = meta.get("seconds") or {}
    parts = [f"{name} {meta[name]}" for name in ("seed", "device", "engine") if meta.get(name) is not None]
    parts += [f"{name} {taken:.1f} s" for name, taken in seconds.items() if isinstance(taken, (int, float))]
    return ", ".join([*parts, f"divmetrics {report.version}"]) + "."
