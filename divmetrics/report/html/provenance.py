"""Where the numbers of a report come from: sources, settings, versions, and the command that makes them again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from divmetrics.records.printing import printable
from divmetrics.records.results import Report, Side, Skipped
from divmetrics.report.page import number, side_text

SKIPPED_LISTED = 200
"""Most skipped samples of a side that are listed."""


@dataclass(frozen=True)
class SideCard:
    """One of the sets of samples."""

    name: str
    """`real`, `fake` or `held out`."""
    source: str
    text: str
    digest: str
    skipped: tuple[Skipped, ...]
    """Those that are listed."""
    more: int
    """Those that are not."""


@dataclass(frozen=True)
class Provenance:
    """What a reader needs to measure it again."""

    sides: tuple[SideCard, ...]
    entries: tuple[tuple[str, str], ...]
    """(name, value)."""
    command: str
    """What to run; one line, or a few of Python."""


def provenance_of(report: Report) -> Provenance:
    """Sources, settings, versions and command of a report."""
    given = (("fake", report.fake), ("real", report.real), ("held out", report.held_out))
    sides = tuple(_side(name, side) for name, side in given if side is not None)
    return Provenance(sides, tuple(_entries(report)), command_of(report))


def command_of(report: Report) -> str:
    """The command that measures a report again; a call in Python where it was not made on the command line."""
    argv = report.meta.get("argv")
    if isinstance(argv, (list, tuple)) and argv and all(isinstance(word, str) for word in argv):
        return shlex.join(printable(word) for word in argv)
    metrics = {_spec(result.metric, result.params): None for result in report.metrics.values()}
    extractors = {r.extractor: None for r in report.metrics.values() if r.extractor not in ("features", "labels")}
    lines = [f"    {_given(report.real.source, 'real')},", f"    {_given(report.fake.source, 'fake')},"]
    lines += [f"    held_out={_given(report.held_out.source, 'held_out')},"] if report.held_out is not None else []
    lines += [f"    metrics=[{', '.join(map(_quoted, metrics))}],"]
    lines += [f"    extractor=[{', '.join(map(_quoted, extractors))}],"] if extractors else []
    lines += [f"    seed={report.meta['seed']},"] if isinstance(report.meta.get("seed"), int) else []
    return "\n".join(["dm.score(", *lines, ")"])


def _given(source: str, side: str) -> str:
    """A source as an argument: the path; the name of the side for an object or batches, which have none."""
    is_object = re.fullmatch(r"batches|list|tuple|[A-Za-z_]\w*\[[\d, ]*\]", source) is not None
    return side if is_object and not Path(source).exists() else _quoted(source)


def _quoted(text: str) -> str:
    return json.dumps(printable(text), ensure_ascii=False)


def _spec(metric: str, params: Any) -> str:
    """The metric as `metrics=` takes it; `classes` says by what rule samples were counted, and is no option."""
    options = {k: v for k, v in params.items() if isinstance(v, (str, int, float)) and k != "classes"}
    return ":".join([metric, *(f"{name}={value}" for name, value in options.items())])


def _side(name: str, side: Side) -> SideCard:
    listed = side.skipped[:SKIPPED_LISTED]
    return SideCard(name, side.source, side_text(side), side.digest or "", listed, len(side.skipped) - len(listed))


def _entries(report: Report) -> Iterator[tuple[str, str]]:
    meta = report.meta
    yield "measured", report.created.replace("T", " ").removesuffix("Z") + " UTC"
    yield "divmetrics", report.version
    for name in ("seed", "device", "engine"):
        if meta.get(name) is not None:
            yield name, str(meta[name])
    if isinstance(meta.get("world_size"), int) and meta["world_size"] > 1:
        yield "processes", str(meta["world_size"])
    for name, about in _mapping(meta.get("extractors")):
        parts = [f"{key} {value}" for key, value in _mapping(about) if value not in (None, "") and key != "engine"]
        yield f"extractor {name}", ", ".join(parts)
    versions = ", ".join(f"{name} {version}" for name, version in _mapping(meta.get("versions")))
    if versions:
        yield "libraries", versions
    seconds = [(name, s) for name, s in _mapping(meta.get("seconds")) if isinstance(s, (int, float))]
    if seconds:
        yield "seconds", ", ".join(f"{name} {number(float(taken), 3)}" for name, taken in seconds)


def _mapping(value: Any) -> list[tuple[str, Any]]:
    """The entries of what should be a mapping; none where a report holds something else there."""
    return [(str(key), entry) for key, entry in value.items()] if isinstance(value, dict) else []
