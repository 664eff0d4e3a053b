"""A page as Markdown, for the comment of a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence

from divmetrics.report.page import MARK, Grid, Page


def render(page: Page) -> str:
    """A page as GitHub-flavoured Markdown.

    Args:
        page: What is shown.

    Returns:
        A heading, a list of facts, the tables, and the notes.
    """
    facts = "\n".join(f"- **{name}**: {_escaped(fact)}" for name, fact in page.facts)
    notes = "\n\n".join(_escaped(note) for note in page.notes)
    parts = [f"### {_escaped(page.title)}", facts, *map(_grid, page.grids), notes]
    return "\n\n".join(filter(None, parts)) + "\n"


def _grid(grid: Grid) -> str:
    """A table with its heading."""
    names = [f"**{MARK}** " * (place in grid.marked) + _code(row[0]) for place, row in enumerate(grid.rows)]
    cells = [[name, *map(_escaped, row[1:])] for name, row in zip(names, grid.rows, strict=True)]
    rows = [_line(["---"] * len(grid.columns)), *map(_line, cells)]
    heading = f"{_escaped(grid.title)}\n\n" if grid.title else ""
    return heading + "\n".join([_line(grid.columns), *rows])


def _line(cells: Sequence[str]) -> str:
    """One row of a table."""
    return f"| {' | '.join(cells)} |"


def _code(name: str) -> str:
    """A name in backticks, since `recall@inception` would mention a user."""
    return "`" + name.replace("|", "\\|") + "`"


def _escaped(text: str) -> str:
    """`text` with the characters escaped that Markdown would interpret."""
    return re.sub(r"([\\`*_<>|\[\]#])", r"\\\1", text)
