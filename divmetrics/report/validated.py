"""The report card of the metrics as a page, from the JSON of `divmetrics validate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from divmetrics.report.page import Grid, Page, number

Row = Mapping[str, Any]
"""One object of the JSON."""


def validation_page(text: str) -> Page:
    """A validation as a page.

    Args:
        text: JSON text, schema `divmetrics.validation/1`.

    Returns:
        The page, for `table.render` or `markdown.render`.
    """
    whole = json.loads(text)
    suites = whole["suites"]
    grids = [
        _cards(whole["cards"]),
        _sanity(suites["sanity"]),
        _ladders(suites["ladders"]),
        _calibration(suites["calibration"]),
    ]
    notes = [f"{card['metric']}: {card['text']}" for card in whole["cards"]]
    if whole["recommended"]:
        notes.append(f"The smallest set that sees every fault seen at all: {', '.join(whole['recommended'])}.")
    facts = tuple((name, _facts(entry)) for name, entry in whole["meta"].items() if isinstance(entry, Mapping))
    return Page("divmetrics validate", facts, tuple(grid for grid in grids if grid.rows), tuple(notes))


def _facts(entry: Mapping[str, Any]) -> str:
    """Settings as one line of names and values."""
    parts = {name: ", ".join(value) if isinstance(value, list) else value for name, value in entry.items()}
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value is not None)


def _cards(cards: list[Row]) -> Grid:
    """The report cards: what each metric sees and misses."""
    rows = [
        (
            card["metric"],
            card["role"],
            "" if card["sanity"] is None else f"{card['sanity'][0]} of {card['sanity'][1]}",
            ", ".join(card["sees"]),
            ", ".join([*card["partly"], *card["blind_to"]]),
            ", ".join(card["misled_by"]),
            "beware" if card["flags"] else "",
        )
        for card in cards
    ]
    columns = ("metric", "role", "checks", "sees", "blind, or not always", "misled by", "note")
    return Grid("report card", columns, tuple(rows)).without_empty_columns()


def _sanity(rows: list[Row]) -> Grid:
    """The failed sanity checks; the number of passed ones is on the card."""
    failed: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        kind = "shape" if row["property"] == "fail" else "bounds" if row["bounds"] is False else None
        if kind:
            failed.setdefault((row["metric"], row["role"]), []).append(f"{row['check']} ({kind})")
    cells = tuple((metric, role, ", ".join(checks)) for (metric, role), checks in failed.items())
    return Grid("sanity checks that failed", ("metric", "as", "checks"), cells)


def _ladders(rows: list[Row]) -> Grid:
    """Reaction of each metric to each ladder."""
    cells = tuple(
        (
            row["metric"],
            row["ladder"],
            number(row["kendall_tau"], 2),
            number(row["linearity"], 2),
            number(row["smallest_detectable"], 2),
            number(row["false_reaction"], 2),
            row["reaction"],
        )
        for row in rows
    )
    columns = ("metric", "ladder", "tau", "linearity", "detected from", "false reaction", "reaction")
    return Grid("ladders", columns, cells)


def _calibration(rows: list[Row]) -> Grid:
    """False-alarm rates of the null bands."""
    cells = tuple(
        (
            row["metric"],
            row["case"],
            str(row["draws"]),
            f"{row['at_1']:.1%}",
            f"{row['at_5']:.1%}",
            "" if row["holds"] else "too many",
        )
        for row in rows
    )
    columns = ("metric", "fakes and reals alike", "draws", "p <= 1 %", "p <= 5 %", "note")
    return Grid("false alarms of nulls", columns, cells).without_empty_columns()
