"""A page as text for a terminal, fitted to its width."""

from __future__ import annotations

import io

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from divmetrics.report.page import Grid, Page

_STYLES = {"pass": "green", "passed": "bold green", "fail": "red", "failed": "bold red", "warn": "yellow"}
_NUMBERS = {"value", "reals score", "found"}
"""Columns that are aligned to the right."""
_UNBROKEN = {"metric", "rule", "name", "value", "found", "better", "status", "reals score", "p"}
"""Columns whose cells are never wrapped; those that end in `interval` are not, either."""
_BELOW, _GAP = "parameters", 2
"""Column that moves below a table that is too wide, and the space between columns."""
_LEAST = 8
"""Least width of the columns that may be wrapped."""


def render(page: Page, width: int = 100, *, colour: bool = False) -> str:
    """A page as text.

    Args:
        page: What is shown.
        width: Most characters in a line.
        colour: Whether the text has ANSI colours.

    Returns:
        Lines, each with a line break.
    """
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=colour, highlight=False)
    console.print(Text(page.title, style=_STYLES.get(page.title.split()[-1], "bold")))
    if page.facts:
        console.print(_facts(page))
    for grid in page.grids:
        fitted, below = _fitted(grid, width)
        console.print(Text(f"\n{grid.title}\n" if grid.title else ""), _table(fitted), sep="\n")
        if below:
            console.print(Text("\n".join(below)))
    if page.notes:
        console.print(Text("\n" + "\n".join(page.notes)))
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _facts(page: Page) -> Table:
    """The facts of a page as two columns."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True, style="dim")
    facts.add_column(overflow="fold")
    for name, fact in page.facts:
        facts.add_row(name, Text(fact))
    return facts


def _fitted(grid: Grid, width: int) -> tuple[Grid, list[str]]:
    """`grid`, and the lines below it: the parameters with the rows that have them, where the table is too wide."""
    widest = [max(len(row[place]) for row in [grid.columns, *grid.rows]) for place in range(len(grid.columns))]
    if _BELOW not in grid.columns or sum(widest) + _GAP * (len(widest) - 1) <= width:
        return grid, []
    place = grid.columns.index(_BELOW)
    names: dict[str, list[str]] = {}
    for row in grid.rows:
        names.setdefault(row[place], []).append(row[0])
    columns, *rows = ((*row[:place], *row[place + 1 :]) for row in [grid.columns, *grid.rows])
    return Grid(grid.title, columns, tuple(rows)), [
        f"{', '.join(rows_with)}: {text}" for text, rows_with in names.items() if text
    ]


def _table(grid: Grid) -> Table:
    """`grid` as a table of rich."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for place, column in enumerate(grid.columns):
        justify: JustifyMethod = "right" if column in _NUMBERS else "left"
        whole = column in _UNBROKEN or column.endswith("interval")
        least = None if whole else min(_LEAST, max(len(row[place]) for row in [grid.columns, *grid.rows]))
        table.add_column(column, justify=justify, no_wrap=whole, min_width=least, overflow="fold")
    for row in grid.rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    return table
