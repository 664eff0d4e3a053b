"""How a table is fitted to a width: columns share it, move below the table, or all rows are stacked.

A cell is broken between words alone, and a word only where it is longer than the whole line, so that no digit of a
number is ever cut off.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from divmetrics.report.page import MARK, Grid

GAP = 2
"""Space between columns."""
MOVABLE = ("parameters", "better", "note")
"""Columns that may be lines below the table, in this order."""
UNBROKEN = {"metric", "rule", "name", "value", "found", "better", "status", "reals score", "p"}
"""Columns whose cells stay on one line; those that end in `interval` do, too."""
LONG = 24
"""Words longer than this are paths or lists, which may be broken in a column."""
SHARE = 0.35
"""Least part of the width of its text that a broken column keeps: below, it would be a tall ribbon."""


@dataclass(frozen=True)
class Layout:
    """A table that fits: the grid, the width of each column, and the lines below."""

    grid: Grid
    widths: tuple[int, ...]
    below: tuple[str, ...]


def fitted(grid: Grid, width: int) -> Layout | None:
    """`grid` as a table of at most `width` characters a line; None where its rows must be stacked.

    Args:
        grid: The table.
        width: Most characters in a line.

    Example:
        >>> grid = Grid("", ("metric", "value", "parameters"), (("fid", "1.25", "pooled"),))
        >>> fitted(grid, 40).widths, fitted(grid, 14).below
        ((6, 5, 10), ('fid: pooled',))
        >>> fitted(grid, 10) is None
        True
    """
    below: list[str] = []
    for column in (None, *MOVABLE):
        if column in grid.columns:
            grid, lines = _moved(grid, str(column))
            below += lines
        squeezed = MOVABLE[0] not in grid.columns  # parameters are easier to read below than broken
        if (widths := _widths(grid, width, squeezed=squeezed)) is not None:
            return Layout(grid, widths, tuple(below))
    return None


def stacked(grid: Grid, width: int) -> list[str]:
    """The rows of `grid` below one another, each as its name and lines of "column cell"."""
    lines = []
    for place, row in enumerate(grid.rows):
        mark = f"{MARK} " if place in grid.marked else ""
        lines += textwrap.wrap(mark + row[0], width, break_on_hyphens=False, subsequent_indent="  ")
        parts = [f"{column} {cell}" for column, cell in zip(grid.columns[1:], row[1:], strict=True) if cell]
        lines += _filled(parts, width)
    return lines


def named_rows(grid: Grid) -> Grid:
    """`grid` with its marks before the names of the rows."""
    if not grid.marked:
        return grid
    rows = tuple((f"{MARK if place in grid.marked else ' '} {row[0]}", *row[1:]) for place, row in enumerate(grid.rows))
    return Grid(grid.title, (f"  {grid.columns[0]}", *grid.columns[1:]), rows, grid.marked)


def is_unbroken(column: str) -> bool:
    """Whether the cells of a column stay on one line."""
    return column.strip() in UNBROKEN or column.endswith("interval")


def _filled(parts: Sequence[str], width: int) -> list[str]:
    """`parts`, joined by commas into indented lines; a part is broken only where it is longer than a line."""
    lines: list[str] = []
    for place, part in enumerate(parts):
        text = part + ("," if place + 1 < len(parts) else "")
        if lines and cell_len(f"{lines[-1]} {text}") <= width:
            lines[-1] += f" {text}"
        else:
            lines += textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return lines


def _moved(grid: Grid, column: str) -> tuple[Grid, list[str]]:
    """`grid` without `column`, and a line for each of its texts with the rows that have it."""
    place = grid.columns.index(column)
    names: dict[str, list[str]] = {}
    for row in grid.rows:
        names.setdefault(row[place], []).append(row[0])
    columns, *rows = ((*row[:place], *row[place + 1 :]) for row in [grid.columns, *grid.rows])
    lines = [f"{', '.join(having)}: {text}" for text, having in names.items() if text]
    if column == "better":
        lines = [f"{text} is better: {', '.join(having)}" for text, having in names.items() if text]
    return Grid(grid.title, columns, tuple(rows), grid.marked), lines


def _widths(grid: Grid, width: int, *, squeezed: bool) -> tuple[int, ...] | None:
    """Width of each column, together at most `width`; None where that is too little, even `squeezed`."""
    cells = [[column, *(row[place] for row in grid.rows)] for place, column in enumerate(grid.columns)]
    if grid.marked:
        cells[0] = [f"  {cell}" for cell in cells[0]]
    natural = [max(map(cell_len, column)) for column in cells]
    space = width - GAP * (len(natural) - 1)
    if sum(natural) <= space:
        return tuple(natural)
    if not squeezed:
        return None
    least = [
        wide if is_unbroken(column) else max(_longest_word(texts), round(SHARE * min(wide, width)))
        for column, texts, wide in zip(grid.columns, cells, natural, strict=True)
    ]
    if sum(least) > space:
        return None
    # What is left goes to the columns in proportion to what they lack
    lacking = [wide - few for wide, few in zip(natural, least, strict=True)]
    left = space - sum(least)
    return tuple(few + left * lack // sum(lacking) for few, lack in zip(least, lacking, strict=True))


def _longest_word(texts: Sequence[str]) -> int:
    """Length of the longest word that must not be broken."""
    return max((min(cell_len(word), LONG) for text in texts for word in text.split()), default=0)
