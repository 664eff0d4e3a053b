"""A page as text for a terminal: fitted to the width, colours only where asked for."""

from __future__ import annotations

import io

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from divmetrics.report.page import Grid, Page

_STYLES = {"pass": "green", "passed": "bold green", "fail": "red", "failed": "bold red", "warn": "yellow"}
_NUMBERS = {"value", "reals score", "found"}
_WHOLE = {"metric", "rule", "name", "value", "found", "better", "status", "reals score", "p"}
"""Columns whose cells are never broken over lines; intervals neither."""
_BELOW, _GAP = "parameters", 2
"""The column that stands below a table that is too wide, and the space between two columns."""
_LEAST = 8
"""Least width of all others where the terminal is narrow."""


def render(page: Page, width: int = 100, *, colour: bool = False) -> str:
    """`page` as lines of at most `width` characters; plain text unless `colour`."""
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=colour, highlight=False)
    console.print(Text(page.title, style=_STYLES.get(page.title.split()[-1], "bold")))
    if page.facts:
        console.print(_facts(page))
    for grid in page.grids:
        fitted, told = _fitted(grid, width)
        console.print(Text(f"\n{grid.title}\n" if grid.title else ""), _table(fitted), sep="\n")
        if told:
            console.print(Text("\n".join(told)))
    if page.notes:
        console.print(Text("\n" + "\n".join(page.notes)))
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _facts(page: Page) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True, style="dim")
    facts.add_column(overflow="fold")
    for name, fact in page.facts:
        facts.add_row(name, Text(fact))
    return facts


def _fitted(grid: Grid, width: int) -> tuple[Grid, list[str]]:
    """`grid`, and lines for below it: where it is too wide its parameters, each once with the names they go for."""
    widest = [max(len(row[place]) for row in [grid.columns, *grid.rows]) for place in range(len(grid.columns))]
    if _BELOW not in grid.columns or sum(widest) + _GAP * (len(widest) - 1) <= width:
        return grid, []
    place = grid.columns.index(_BELOW)
    names: dict[str, list[str]] = {}
    for row in grid.rows:
        names.setdefault(row[place], []).append(row[0])
    columns, *rows = ((*row[:place], *row[place + 1 :]) for row in [grid.columns, *grid.rows])
    return Grid(grid.title, columns, tuple(rows)), [f"{', '.join(who)}: {text}" for text, who in names.items() if text]


def _table(grid: Grid) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for place, column in enumerate(grid.columns):
        justify: JustifyMethod = "right" if column in _NUMBERS else "left"
        whole = column in _WHOLE or column.endswith("interval")
        least = None if whole else min(_LEAST, max(len(row[place]) for row in [grid.columns, *grid.rows]))
        table.add_column(column, justify=justify, no_wrap=whole, min_width=least, overflow="fold")
    for row in grid.rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    return table
