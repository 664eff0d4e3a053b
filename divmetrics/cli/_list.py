"""`divmetrics list metrics|extractors|zoo|presets [NAME]`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from divmetrics.cli._options import debug_option
from divmetrics.cli._output import say, show
from divmetrics.errors import UnknownName
from divmetrics.records.part import Part, range_text
from divmetrics.report.page import Grid, Page

if TYPE_CHECKING:
    from divmetrics.records.metric import Need
    from divmetrics.records.options import Option
    from divmetrics.records.registry import Registry

Entry = dict[str, Any]
P = TypeVar("P", bound=Part)


@click.command("list", short_help="Show metrics, extractors, the zoo or presets.")
@click.argument("kind", metavar="metrics|extractors|zoo|presets")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array and nothing else.")
@debug_option
def list_parts(kind: str, name: str | None, as_json: bool) -> None:
    """List metrics, extractors, generators of the zoo or presets, with their options.

    With a NAME, print the page of that one: what it computes, its arguments, range and source.
    """
    kinds: dict[str, Callable[[str | None], list[Entry]]] = {
        "metrics": _metrics,
        "extractors": _extractors,
        "zoo": zoo_entries,
        "presets": _presets,
    }
    if kind not in kinds:
        raise UnknownName.of("kind", kind, kinds)
    entries = kinds[kind](name)
    if name is None or as_json:
        show_entries(kind, entries, as_json=as_json)
    else:
        say(_page(kind, name, entries[0]))


def _page(kind: str, name: str, entry: Entry) -> str:
    """The page of one metric, extractor or zoo model as text; for a preset, the metrics in it."""
    from divmetrics.records.extractor import EXTRACTORS
    from divmetrics.records.generator import ZOO
    from divmetrics.records.metric import METRICS

    if kind == "presets":
        lines = [f"{metric}: {METRICS[metric].summary}" for metric in entry["metrics"]]
        return f"{name}\n\n" + "\n".join(lines) + "\n"
    registries: dict[str, Registry[Any]] = {"metrics": METRICS, "extractors": EXTRACTORS, "zoo": ZOO}
    oracle = entry.get("oracle")
    measured = "" if oracle is None else f"severity and modes found: {_cell(oracle)}\n"
    return f"{registries[kind][name].page}{measured}"


def _chosen(registry: Registry[P], name: str | None) -> list[P]:
    """All records, or the one called `name`. Raises UnknownName."""
    return list(registry) if name is None else [registry[name]]


_ONLY_IN_JSON = ("needs", "cite", "levels", "trained", "size", "untreated")
"""Fields that would make the table too wide."""


def show_entries(title: str, entries: list[Entry], *, as_json: bool) -> None:
    """Print entries of one kind as a table, or as a JSON array."""
    if as_json:
        say(json.dumps(entries, indent=1, allow_nan=False) + "\n")
    else:
        columns = [name for name in entries[0] if name not in _ONLY_IN_JSON]
        heads = tuple("severity, modes" if name == "oracle" else name for name in columns)
        rows = tuple(tuple(_cell(entry[column]) for column in columns) for entry in entries)
        show(Page(title, (), (Grid("", heads, rows).without_empty_columns(),), ()))


def zoo_entries(name: str | None = None) -> list[Entry]:
    """The generators of the zoo, or one, each with the recorded collapse of its samples, or None."""
    from divmetrics.records.generator import ZOO
    from divmetrics.zoo.record import recorded

    return [
        {
            "name": model.name,
            "family": model.family,
            "target": model.target,
            "knob": model.knob,
            "levels": list(model.levels),
            "options": _defaults(model.options),
            "trained": model.checkpoint is not None,
            "untreated": model.untreated or "",
            "size": None if model.checkpoint is None else model.checkpoint.stat().st_size,
            "oracle": recorded(model),
            "cite": model.cite,
        }
        for model in _chosen(ZOO, name)
    ]


def _metrics(name: str | None) -> list[Entry]:
    from divmetrics.records.metric import METRICS

    return [
        {
            "name": metric.name,
            "better": metric.better,
            "range": [_plain(end) if math.isfinite(end) else None for end in metric.range],
            "needs": {"real": _need(metric.real), "fake": _need(metric.fake), "held_out": _need(metric.held_out)},
            "options": _defaults(metric.options),
            "cite": metric.cite,
            "text": metric.summary,
        }
        for metric in _chosen(METRICS, name)
    ]


def _extractors(name: str | None) -> list[Entry]:
    from divmetrics.records.extractor import EXTRACTORS

    return [
        {
            "name": extractor.name,
            "modality": extractor.modality,
            "provides": list(extractor.provides),
            "options": _defaults(extractor.options),
            "cite": extractor.cite,
            "text": extractor.summary,
        }
        for extractor in _chosen(EXTRACTORS, name)
    ]


def _presets(name: str | None) -> list[Entry]:
    from divmetrics.records.metric import METRICS
    from divmetrics.scoring.plan import PRESETS

    if name is not None and name not in PRESETS:
        raise UnknownName.of("preset", name, PRESETS)
    members = {preset: [m.name for m in METRICS if preset == "full" or preset in m.presets] for preset in PRESETS}
    return [{"name": preset, "metrics": metrics} for preset, metrics in members.items() if name in (None, preset)]


def _need(need: Need | None) -> Entry | None:
    return None if need is None else {"summary": need.summary.__name__, "layers": list(need.layers)}


def _defaults(options: dict[str, Option]) -> Entry:
    return {name: _plain(option.default) for name, option in options.items()}


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: an infinity, as the order of an entropy may be, becomes text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Any) -> str:
    if isinstance(value, dict) and "severity" in value:
        return "{severity:.2f}, {modes_found} of {modes_total}".format_map(value)
    if isinstance(value, dict):
        return " ".join(f"{name}={default}" for name, default in value.items() if default is not None)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if isinstance(value, list):  # ends of a range
        return range_text(*value)
    if value is None:
        return ""
    return str(value).partition(";")[0]  # of a docstring the quantity: range and direction have columns of their own
