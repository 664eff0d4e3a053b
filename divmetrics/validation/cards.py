"""Report cards: which faults each metric detects, which it misses, and a sentence that sums it up."""

from __future__ import annotations

from collections.abc import Sequence

from divmetrics.records.metric import METRICS, Metric
from divmetrics.validation.checks import CHECKS
from divmetrics.validation.ladders import CLEAR, COLUMNS, CONTROLS
from divmetrics.validation.records import CalibrationRow, Card, LadderRow, SanityRow

DUTIES = {"diversity": "AC", "fidelity": "EF", "distance": "ABC", "copies": "G"}
"""Role -> kinds of fault that a metric of this role must detect."""
COUNTED = "A"
"""The same for a diversity metric that reads classes only."""
Columns = dict[str, list[str]]


def report_cards(
    metrics: Sequence[str],
    sanity: Sequence[SanityRow],
    ladders: Sequence[LadderRow],
    calibration: Sequence[CalibrationRow],
) -> tuple[Card, ...]:
    """A card for each metric that any suite measured."""
    made = []
    for name in metrics:
        own = [row for row in sanity if row.metric == name]
        steps = [row for row in ladders if row.metric == name]
        nulls = [row for row in calibration if row.metric == name]
        if own or steps or nulls:
            made.append(_card(name, own, steps, nulls))
    return tuple(made)


def _card(name: str, own: list[SanityRow], steps: list[LadderRow], nulls: list[CalibrationRow]) -> Card:
    role, reactions = METRICS[name].role, _reactions(steps)
    flags = (*_failed_duties(METRICS[name], reactions), *_faults(own), *_loose_nulls(nulls))
    decided = [row for row in own if row.property is not None]
    passed = [row for row in decided if row.property != "fail" and row.bounds is not False]
    return Card(
        metric=name,
        role=role,
        sees=_words(reactions["sees"]),
        partly=_words(reactions["partly"]),
        blind_to=_words(reactions["blind"]),
        misled_by=_words(reactions["misled"]),
        flags=flags,
        sanity=(len(passed), len(decided)) if decided else None,
        text=_sentence(role, reactions, steps, flags),
    )


def _reactions(steps: Sequence[LadderRow]) -> Columns:
    """Reaction -> kinds of fault, by the reaction on most ladders of a kind; `partly` where only some are detected."""
    found: Columns = {"sees": [], "partly": [], "blind": [], "misled": []}
    for letter in COLUMNS:
        kinds = [row.reaction for row in steps if row.column == letter]
        if kinds:
            shares = {kind: kinds.count(kind) / len(kinds) for kind in ("sees", "misled")}
            most = next((kind for kind, share in shares.items() if share > CLEAR), None)
            found[most or ("partly" if shares["sees"] else "blind")].append(letter)
    return found


def _words(letters: Sequence[str]) -> tuple[str, ...]:
    return tuple(COLUMNS[letter] for letter in letters)


def _failed_duties(metric: Metric, reactions: Columns) -> list[str]:
    role = metric.role
    duties = COUNTED if role == "diversity" and "pooled" not in metric.fake.layers else DUTIES[role]
    failed = [letter for letter in duties if letter in reactions["blind"] + reactions["misled"]]
    return [f"for {role}, and does not see {_listed(_words(failed))}"] if failed else []


def _faults(own: Sequence[SanityRow]) -> list[str]:
    faults = {row.check: CHECKS[row.check].fault for row in own if row.property == "fail"}
    return [fault for fault in faults.values() if fault]


def _loose_nulls(nulls: Sequence[CalibrationRow]) -> list[str]:
    return [
        f"its null raises {row.at_1:.0%} and {row.at_5:.0%} false alarms in place of 1 % and 5 % at {row.case}"
        for row in nulls
        if not row.holds
    ]


def _sentence(role: str, reactions: Columns, steps: Sequence[LadderRow], flags: Sequence[str]) -> str:
    """`trust it for ..., do not trust it for ...`, from what was measured only."""
    if not steps:
        return f"beware: {_listed(flags)}." if flags else "no ladder was run."
    trusted = [f"{COLUMNS[letter]}{_from(letter, steps)}" for letter in reactions["sees"]]
    not_for = [COLUMNS[letter] for letter in reactions["blind"]]
    not_for += [f"{COLUMNS[letter]} (not on every target)" for letter in reactions["partly"]]
    not_for += [f"{COLUMNS[letter]} (it takes that for an improvement)" for letter in reactions["misled"]]
    trust = f"trust it for {_listed(trusted)}" if trusted else "trust it for nothing that was tried"
    text = f"{trust}, do not trust it for {_listed(not_for)}" if not_for else trust
    confused = [COLUMNS[letter] for letter in reactions["sees"] if letter in CONTROLS]
    if role == "diversity" and confused:
        text += f"; it falls with {_listed(confused)} too, where nothing is lost"
    return f"{text}; beware: {_listed(flags)}." if flags else f"{text}."


def _from(letter: str, steps: Sequence[LadderRow]) -> str:
    """The mean severity from which on a fault is detected, where severity is a share."""
    found = [r.smallest_detectable for r in steps if r.column == letter and r.smallest_detectable is not None]
    return f" (from {sum(found) / len(found):.2f})" if found and letter not in CONTROLS else ""


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
