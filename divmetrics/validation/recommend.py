"""Which few metrics see everything: the smallest set that answers for each column of the matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from math import inf

from divmetrics.records.metric import METRICS, Metric
from divmetrics.validation.ladders import CLEAR, COLUMNS
from divmetrics.validation.records import LadderRow

ANSWERS = {"diversity": "ABCD", "fidelity": "EFH", "copies": "G", "distance": ""}
"""Role -> columns that it may answer for. A distance sees much and cannot say what it saw; diversity that falls with
noise says nothing of noise."""
MOST = 6
"""Members at most."""


def seen(rows: Sequence[LadderRow]) -> dict[str, dict[str, float]]:
    """Metric -> column -> mean smallest detectable severity, for the columns on most of whose ladders it reacts."""
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
    """Whether it can be measured on any two sets of samples: from features, no classes, no third side."""
    return metric.held_out is None and all("pooled" in need.layers for need in metric.needs.values())


def smallest(
    rows: Sequence[LadderRow], allowed: Callable[[Metric], bool] = everywhere, keep: Sequence[str] = ()
) -> tuple[str, ...]:
    """The fewest metrics, `keep` among them, so that each column is seen by one whose role answers for it.

    Of several such sets the one whose members least often take the worse for the better; then the one that detects the
    mildest faults. Columns that no allowed metric sees are left out of the demand; `uncovered` names them.
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
    """Metrics that want classes or a third side and detect a milder fault than `base`: the fewest that are the best.

    The best of each column, that is; several may be. They cost a preset nothing where what they want is not there.
    """
    table = seen(rows)
    best: list[set[str]] = []
    for letter in COLUMNS:
        able = {name: columns[letter] for name, columns in table.items() if letter in _answers(name, columns)}
        least = min((able[name] for name in base if name in able), default=inf)
        extra = {n: v for n, v in able.items() if not everywhere(METRICS[n]) and not _wants_pixels(n) and v < least}
        if extra:
            best.append({name for name, value in extra.items() if value == min(extra.values())})
    names = sorted(set().union(*best))
    sizes = (chosen for size in range(len(best) + 1) for chosen in combinations(names, size))
    return next(chosen for chosen in sizes if all(ties & set(chosen) for ties in best))


def _wants_pixels(name: str) -> bool:
    return METRICS[name].fake.layers == ("pixels",)


def uncovered(rows: Sequence[LadderRow], names: Sequence[str]) -> tuple[str, ...]:
    """Columns among the ladders that none of `names` answers for."""
    table = seen(rows)
    there = [letter for letter in COLUMNS if any(row.column == letter for row in rows)]
    answered = set().union(*(_answers(name, table.get(name, {})) for name in names)) if names else set()
    return tuple(letter for letter in there if letter not in answered)


def _answers(name: str, columns: dict[str, float]) -> set[str]:
    return set(columns) & set(ANSWERS[METRICS[name].role])


def _misled(rows: Sequence[LadderRow]) -> dict[str, int]:
    """Metric -> number of columns on most of whose ladders it gets better."""
    found: dict[str, int] = {}
    for metric in dict.fromkeys(row.metric for row in rows):
        for letter in COLUMNS:
            own = [row.reaction for row in rows if row.metric == metric and row.column == letter]
            found[metric] = found.get(metric, 0) + bool(own and own.count("misled") / len(own) > CLEAR)
    return found


def _mildest(names: Iterable[str], answers: dict[str, set[str]], table: dict[str, dict[str, float]]) -> float:
    """Sum over the columns of the least severity that a member detects."""
    names = list(names)
    letters = set().union(*(answers.get(name, set()) for name in names))
    return sum(min(table[name][c] for name in names if c in answers.get(name, ())) for c in sorted(letters))
