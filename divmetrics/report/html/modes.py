"""The modes of a report as a table: shares on both sides, and what was measured of each by itself."""

from __future__ import annotations

from dataclasses import dataclass

from divmetrics.records.exhibits import ModeDetail
from divmetrics.records.results import Mode, Report
from divmetrics.report.page import number, p_value

MOST_ROWS = 500
"""Most modes that are listed."""
_RANK = {"missing": 0, "thinned": 1, "unseen": 2, "invented": 3}
BAR = 100.0
"""Width of a drawn share, in the units of its drawing."""


@dataclass(frozen=True)
class ModeRow:
    """One class or cluster."""

    name: str
    real_share: str
    fake_share: str
    real_bar: float
    """Length of the bar of the real share, from 0 to `BAR`."""
    fake_bar: float
    p: str
    state: str
    n_real: str
    n_fake: str
    recall: str
    spread: str
    fid: str
    spacing: str
    exemplars: tuple[str, ...]
    order: tuple[float | None, ...]
    """Numbers to sort by: shares, p, recall, spread, fid, spacing."""


@dataclass(frozen=True)
class ModeTable:
    """The modes of a report, those at fault first."""

    rows: tuple[ModeRow, ...]
    total: int
    counts: tuple[tuple[str, int], ...]
    """State -> number of modes, where that is not zero."""
    columns: frozenset[str]
    """Which of the optional columns have content."""
    capped: str
    """A sentence where not all are listed; else empty."""


def mode_table(report: Report) -> ModeTable | None:
    """The table of modes; None where the report has none."""
    details = {detail.name: detail for detail in (report.exhibits.modes if report.exhibits is not None else ())}
    shares = {mode.name: mode for mode in report.modes}
    names = [*shares, *(name for name in details if name not in shares)]
    if not names:
        return None
    states = {name: shares[name].state if name in shares else details[name].state or "present" for name in names}
    sizes = {name: shares[name].real_share if name in shares else 0.0 for name in names}
    ranked = sorted(names, key=lambda name: (_RANK.get(states[name], 9), -sizes[name]))
    shown = ranked[:MOST_ROWS]
    n = (report.real.n or 0, report.fake.n or 0)
    most = max((max(m.real_share, m.fake_share) for m in report.modes), default=0.0) or 1.0
    rows = tuple(_row(name, states[name], shares.get(name), details.get(name), n, most) for name in shown)
    counts = dict.fromkeys((*_RANK, "present"), 0)
    for state in states.values():
        counts[state] = counts.get(state, 0) + 1
    columns = frozenset(
        column
        for column in ("p", "recall", "spread", "fid", "spacing", "exemplars")
        if any(getattr(row, column) for row in rows)
    )
    left = len(ranked) - len(shown)
    capped = (
        f"The {len(shown):,} of {len(ranked):,} modes that come first when those at fault precede the others and large "
        f"ones precede small ones; the JSON report lists the other {left:,} too."
        if left
        else ""
    )
    return ModeTable(rows, len(ranked), tuple((s, c) for s, c in counts.items() if c), columns, capped)


def _row(
    name: str, state: str, mode: Mode | None, detail: ModeDetail | None, n: tuple[int, int], most: float
) -> ModeRow:
    real = mode.real_share if mode is not None else (detail.n_real / n[0] if detail is not None and n[0] else 0.0)
    fake = mode.fake_share if mode is not None else (detail.n_fake / n[1] if detail is not None and n[1] else 0.0)
    p = mode.p if mode is not None else detail.p if detail is not None else None
    measured = (detail.recall, detail.spread, detail.fid, detail.spacing_ratio) if detail is not None else (None,) * 4
    texts = [number(value, 3) if value is not None else "" for value in measured]
    return ModeRow(
        name=name,
        real_share=per_cent(real),
        fake_share=per_cent(fake),
        real_bar=round(BAR * min(real / most, 1.0), 1),
        fake_bar=round(BAR * min(fake / most, 1.0), 1),
        p=p_value(p),
        state=state,
        n_real=f"{detail.n_real:,}" if detail is not None else "",
        n_fake=f"{detail.n_fake:,}" if detail is not None else "",
        recall=texts[0],
        spread=texts[1],
        fid=texts[2],
        spacing=texts[3],
        exemplars=mode.exemplars[:3] if mode is not None else (),
        order=(real, fake, p, *measured),
    )


def per_cent(share: float) -> str:
    """A share in per cent, with enough digits to tell small ones from 0."""
    return "0 %" if share == 0 else f"{100 * share:.1f} %" if share >= 0.001 else f"{100 * share:.2g} %"
