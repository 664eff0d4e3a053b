"""The modes of several generators side by side: which generator lacks which."""

from __future__ import annotations

from dataclasses import dataclass

from divmetrics.records.comparison import Comparison
from divmetrics.records.results import Mode
from divmetrics.report.html.modes import per_cent

ALL_UP_TO = 24
"""Number of modes up to which all are listed; of more, those that some generator lacks."""
MOST_ROWS = 100
"""Most modes that are listed."""
_RANK = {"missing": 0, "thinned": 1}


@dataclass(frozen=True)
class Share:
    """One mode in one generator."""

    text: str
    """Its share of the samples."""
    state: str
    """`present`, `missing`, `thinned` or `unseen`."""
    order: float


@dataclass(frozen=True)
class SharedMode:
    """One class or cluster in all generators."""

    name: str
    real: Share
    shares: tuple[Share, ...]
    """In the order of the generators."""
    exemplars: tuple[str, ...]


@dataclass(frozen=True)
class SharedModes:
    """The modes of a comparison, those first that most generators lack."""

    text: str
    """How many there are, and which are listed."""
    rows: tuple[SharedMode, ...]

    @property
    def exemplars(self) -> bool:
        """Whether modes are named by samples."""
        return any(row.exemplars for row in self.rows)


def shared_modes(comparison: Comparison) -> SharedModes | None:
    """The modes of all generators; None where the reports have none, or not the same ones."""
    tables = [{mode.name: mode for mode in report.modes} for report in comparison.reports]
    first = tables[0]
    if not first or any(table.keys() != first.keys() for table in tables) or not _same_clusters(tables):
        return None
    faults = {name: sorted(_RANK.get(table[name].state, 9) for table in tables) for name in first}
    ranked = sorted(first, key=lambda name: (faults[name], -first[name].real_share))
    lost = [name for name in ranked if faults[name][0] < 9]
    shown = ranked if len(ranked) <= ALL_UP_TO else lost[:MOST_ROWS]
    rows = tuple(_row(name, tables) for name in shown)
    are = "is" if len(lost) == 1 else "are"
    lack = f"{len(lost):,} {are} missing or thinned in some generator" if lost else "no generator lacks any of them"
    text = f"{len(ranked):,} mode{'s' * (len(ranked) != 1)}; {lack}."
    if 0 < len(shown) < len(lost):
        text += f" The first {len(shown)} of these are listed."
    return SharedModes(text, rows)


def _same_clusters(tables: list[dict[str, Mode]]) -> bool:
    """Whether clusters of one name are the same ones; classes are, whatever their shares."""
    return all(
        abs(table[name].real_share - mode.real_share) < 1e-9
        for name, mode in tables[0].items()
        if name == f"cluster {mode.id}"
        for table in tables
    )


def _row(name: str, tables: list[dict[str, Mode]]) -> SharedMode:
    mode = tables[0][name]
    shares = tuple(
        Share(per_cent(table[name].fake_share), table[name].state, table[name].fake_share) for table in tables
    )
    return SharedMode(name, Share(per_cent(mode.real_share), "present", mode.real_share), shares, mode.exemplars[:3])
