"""The judgement of a gate, as the page of its report shows it."""

from __future__ import annotations

from dataclasses import dataclass

from divmetrics.report.gate.outcomes import GateResult
from divmetrics.report.gated import gate_notes, gate_page


@dataclass(frozen=True)
class RuleTable:
    """The rules of one run."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class GateSection:
    """What became of a gate."""

    state: str
    """`passed`, `failed` or `unjudged`."""
    title: str
    entries: tuple[tuple[str, str], ...]
    """Where the rules come from: (name, value)."""
    tables: tuple[RuleTable, ...]
    notes: tuple[str, ...]


def gate_section(gated: GateResult) -> GateSection:
    """The judgement of a gate: a table of rules for each run, and notes."""
    page = gate_page(gated)
    return GateSection(
        "passed" if gated.passed else "failed" if gated.exit_code == 1 else "unjudged",
        page.title[:1].upper() + page.title[1:],
        tuple((name, value) for name, value in page.facts if name in ("rules", "baseline")),
        tuple(RuleTable(grid.title, grid.columns, grid.rows) for grid in page.grids),
        gate_notes(gated),
    )


def unjudged(sentence: str) -> GateSection:
    """A gate that ended with an error: no rule was judged."""
    return GateSection("unjudged", "Gate could not judge", (), (), (sentence,))
