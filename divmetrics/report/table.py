"""A page as text for a terminal: fitted to the width, colours only where asked for."""

from __future__ import annotations

import io

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from divmetrics.report.page import Grid, Page

_STYLES = {"pass": "green", "passed": "bold green", "fail": "red", "failed": "bold red", "warn": "yellow"}
_NUMBERS = {"value", "reals", "found"}
_WHOLE = {"metric", "rule", "better", "status"}
"""Columns whose cells are not broken over lines, like the numbers."""


def render(page: Page, width: int = 100, *, colour: bool = False) -> str:
    """`page` as lines of at most `width` characters; plain text unless `colour`."""
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    console.print(Text(page.title, style=_STYLES.get(page.title.split()[-1], "bold")))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    for name, fact in page.facts:
        facts.add_row(Text(name, style="dim"), Text(fact))
    console.print(facts)
    for grid in page.grids:
        console.print(Text(f"\n{grid.title}", style="bold"), _table(grid), sep="\n")
    for note in page.notes:
        console.print(Text(note))
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _table(grid: Grid) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in grid.columns:
        whole = column in _WHOLE | _NUMBERS
        table.add_column(column, justify="right" if column in _NUMBERS else "left", no_wrap=whole, overflow="fold")
    for row in grid.rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    return table
