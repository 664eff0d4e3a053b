"""A page as text for a terminal, fitted to its width."""

from __future__ import annotations

import io

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from divmetrics.report.layout import Layout, fitted, is_unbroken, named_rows, stacked
from divmetrics.report.page import Page

_STYLES = {"pass": "green", "passed": "bold green", "fail": "red", "failed": "bold red", "warn": "yellow"}
_NUMBERS = {"value", "reals score", "found"}
"""Columns that are aligned to the right."""
LEAST_WIDTH = 40
"""Narrower terminals get lines of this width."""


def render(page: Page, width: int = 100, *, colour: bool = False) -> str:
    """A page as text.

    Args:
        page: What is shown.
        width: Most characters in a line.
        colour: Whether the text has ANSI colours.

    Returns:
        Lines, each with a line break.
    """
    text, width = io.StringIO(), max(width, LEAST_WIDTH)
    console = Console(file=text, width=width, force_terminal=colour, highlight=False)
    console.print(Text(page.title, style=_STYLES.get(page.title.split()[-1], "bold")))
    if page.facts:
        console.print(_facts(page))
    for grid in page.grids:
        console.print(Text(f"\n{grid.title}\n" if grid.title else ""))
        if (layout := fitted(grid, width)) is None:
            console.print(Text("\n".join(stacked(grid, width))))
            continue
        console.print(_table(layout))
        if layout.below:
            console.print(Text("\n".join(layout.below)))
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


def _table(layout: Layout) -> Table:
    """A fitted grid as a table of rich."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    grid = named_rows(layout.grid)
    for column, width in zip(grid.columns, layout.widths, strict=True):
        justify: JustifyMethod = "right" if column in _NUMBERS else "left"
        table.add_column(column, justify=justify, width=width, no_wrap=is_unbroken(column), overflow="fold")
    for place, row in enumerate(grid.rows):
        style = _STYLES["fail"] if place in grid.marked else ""
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row), style=style)
    return table
