"""The smallest set of metrics that together detect every kind of fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from math import inf

from divmetrics.records.metric import METRICS, Metric
from divmetrics.validation.ladders import CLEAR, COLUMNS
from divmetrics.validation.records import LadderRow

ANSWERS = {"diversity": "ABCD", "fidelity": "EFH", "copies": "G", "distance": ""}
"""Role -> kinds of fault that a metric of this role counts for. A distance reacts to most faults and cannot tell them
apart; a diversity metric that falls with noise does not measure noise."""
MOST = 6
"""Metrics in a set at most."""


def seen(rows: Sequence[LadderRow]) -> dict[str, dict[str, float]]:
    """Metric -> kind of fault -> mean smallest detectable severity, for kinds that it detects on most ladders."""
    found: dict[str, dict[str, float]] = {}
    for metric in dict.fromkeys(row.metric for row in rows):
        for letter in COLUMNS:
            own = [row for row in rows if row.metric == metric and row.column == letter]
            good = [row.smallest_detectable for row in own if row.reaction == "sees"]
            if own and len(good) / len(own) > CLEAR:
                detected = [1.0 if value is None else value for value in good]
                found.setdefault(metric, {})[letter] = sum(detected) / len(detected)
    return found


def everywhere(metric: Metric) -> bool:
    """Whether the metric needs features only: no classes and no held-out samples."""
    return metric.held_out is None and all("pooled" in need.layers for need in metric.needs.values())


def smallest(
    rows: Sequence[LadderRow], allowed: Callable[[Metric], bool] = everywhere, keep: Sequence[str] = ()
) -> tuple[str, ...]:
    """The fewest metrics, `keep` among them, that together detect every kind of fault that any allowed metric detects.

    A metric counts for the kinds of its role only. Of several such sets the one is chosen whose members least often
    improve as the samples get worse; then the one that detects the mildest faults. `uncovered` names the kinds that no
    metric detects.
    """
    wrong = _misled(rows)
    table = {name: columns for name, columns in seen(rows).items() if allowed(METRICS[name])}
    answers = {name: _answers(name, columns) for name, columns in table.items()}
    wanted = set().union(*answers.values()) if answers else set()
    useful = [name for name in answers if answers[name] and name not in keep]
    for size in range(MOST + 1):
        fitting = [
            (*keep, *more)
            for more in combinations(useful, size)
            if wanted <= set().union(*(answers.get(name, set()) for name in (*keep, *more)))
        ]
        if fitting:
            best = min(
                fitting, key=lambda names: (sum(wrong.get(n, 0) for n in names), _mildest(names, answers, table))
            )
            return tuple(sorted(best))
    return tuple(sorted(useful))


def sharper(rows: Sequence[LadderRow], base: Sequence[str]) -> tuple[str, ...]:
    """The fewest metrics that need classes or held-out samples and detect milder faults than `base` does.

    For each kind of fault the best such metric is among them. In a preset they are skipped where classes or held-out
    samples are missing.
    """
    table = seen(rows)
    best: list[set[str]] = []
    for letter in COLUMNS:
        able = {name: columns[letter] for name, columns in table.items() if letter in _answers(name, columns)}
        least = min((able[name] for name in base if name in able), default=inf)
        extra = {n: v for n, v in able.items() if not everywhere(METRICS[n]) and not _needs_pixels(n) and v < least}
        if extra:
            best.append({name for name, value in extra.items() if value == min(extra.values())})
    names = sorted(set().union(*best))
    sizes = (chosen for size in range(len(best) + 1) for chosen in combinations(names, size))
    return next(chosen for chosen in sizes if all(ties & set(chosen) for ties in best))


def _needs_pixels(name: str) -> bool:
    """Whether the metric reads pixels only."""
    return METRICS[name].fake.layers == ("pixels",)


def uncovered(rows: Sequence[LadderRow], names: Sequence[str]) -> tuple[str, ...]:
    """Kinds of fault among the ladders that none of `names` detects."""
    table = seen(rows)
    there = [letter for letter in COLUMNS if any(row.column == letter for row in rows)]
    answered = set().union(*(_answers(name, table.get(name, {})) for name in names)) if names else set()
    return tuple(letter for letter in there if letter not in answered)


def _answers(name: str, columns: dict[str, float]) -> set[str]:
    """The kinds among `columns` that count for the metric's role."""
    return set(columns) & set(ANSWERS[METRICS[name].role])


def _misled(rows: Sequence[LadderRow]) -> dict[str, int]:
    """Metric -> number of kinds of fault under which it improves on most ladders."""
    found: dict[str, int] = {}
    for metric in dict.fromkeys(row.metric for row in rows):
        for letter in COLUMNS:
            own = [row.reaction for row in rows if row.metric == metric and row.column == letter]
            found[metric] = found.get(metric, 0) + bool(own and own.count("misled") / len(own) > CLEAR)
    return found


def _mildest(names: Iterable[str], answers: dict[str, set[str]], table: dict[str, dict[str, float]]) -> float:
    """Sum over the kinds of fault of the least severity that a member detects."""
    names = list(names)
    letters = set().union(*(answers.get(name, set()) for name in names))
    return sum(min(table[name][c] for name in names if c in answers.get(name, ())) for c in sorted(letters))
