"""A page as Markdown, for the comment of a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence

from divmetrics.report.page import MARK, Grid, Page

MOST_CHARACTERS = 65_535
"""Longest comment that GitHub takes."""
KEPT = (1000, 300, 100, 30, 10, 3)
"""Rows, facts and notes that are kept of a page that is too long, whichever fits first."""
LONGEST = 1000
"""Characters that are kept of a text of such a page."""


def render(page: Page) -> str:
    """A page as GitHub-flavoured Markdown, short enough for a comment.

    Args:
        page: What is shown.

    Returns:
        A heading, a list of facts, the tables, and the notes. Of a page that is too long, the rows that are bad are
        kept first, and a note says how much was left out.
    """
    text = _whole(page)
    for most in KEPT:
        if len(text) <= MOST_CHARACTERS:
            break
        text = _whole(_shortened(page, most))
    return text[:MOST_CHARACTERS]


def _shortened(page: Page, most: int) -> Page:
    """`page` with at most `most` facts, notes and rows of each table, of limited length."""
    grids = []
    for grid in page.grids:
        others = [place for place in range(len(grid.rows)) if place not in grid.marked]
        places = sorted([*sorted(grid.marked), *others][:most])
        rows = tuple(tuple(map(_clipped, grid.rows[place])) for place in places)
        marked = frozenset(new for new, place in enumerate(places) if place in grid.marked)
        grids.append(Grid(grid.title, grid.columns, rows, marked))
    lost = sum(max(0, len(things) - most) for things in (page.facts, page.notes, *(grid.rows for grid in page.grids)))
    left_out = f"This is too long for a comment: {lost} lines are left out and long texts are cut; see the JSON."
    facts = tuple((name, _clipped(text)) for name, text in page.facts[:most])
    return Page(page.title, facts, tuple(grids), (left_out, *map(_clipped, page.notes[:most])))


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _whole(page: Page) -> str:
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
    fence = "`" * (1 + max(map(len, re.findall("`+", name)), default=0))
    space = " " if "`" in name else ""
    return f"{fence}{space}{name}{space}{fence}".replace("|", "\\|")


def _escaped(text: str) -> str:
    """`text` with the characters escaped that Markdown would interpret; `@name` calls nobody on GitHub or GitLab."""
    plain = re.sub(r"([\\`*_<>|\[\]#])", r"\\\1", text)
    return re.sub(r"(?<!\w)@(?=\w)", "@<!-- -->", plain)
