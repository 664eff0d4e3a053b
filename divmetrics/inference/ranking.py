"""Rankings of several generators by each metric, and where the diversity of checkpoints fell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from divmetrics.inference.paired import PairedTest, Scored, groups_of, holm, paired_test
from divmetrics.records.comparison import Difference, Fall, Place, Ranking
from divmetrics.records.metric import Better

NO_HALF_SAMPLES = "not ranked: it cannot be computed on half of the samples"


@dataclass(frozen=True, eq=False)
class Compared:
    """One metric of all generators, in the order in which they were given."""

    key: str
    metric: str
    better: Better
    role: str
    scored: Mapping[str, Scored | None]
    """Name -> value and half-samples; None where there is no value."""
    warnings: tuple[str, ...] = ()
    """Why values must not be compared; they are listed without ranks then."""
    exchanged: Callable[[np.ndarray, np.ndarray], float] | None = None
    """The metric's own test of two generators on their class counts; its p-value counts where it is larger."""
    span: float | None = None
    """Greatest difference that two values can have; None where the metric is unbounded."""


@dataclass(frozen=True, eq=False)
class _Tested:
    compared: Compared
    tests: dict[tuple[str, str], PairedTest] = field(default_factory=dict)


def rankings_of(metrics: Sequence[Compared], alpha: float, level: float) -> tuple[Ranking, ...]:
    """A ranking for each metric, its p-values adjusted for all pairs of generators and all metrics together.

    Args:
        metrics: The values.
        alpha: Probability that any two equal generators are told apart in any metric.
        level: Level of the confidence intervals of differences; 0 for no tests and no ranks.

    Example:
        >>> import numpy as np
        >>> noise = np.random.default_rng(0).normal(size=(2, 100))
        >>> a, b = (Scored(value, None, None, value + 0.1 * draw) for value, draw in zip((0.2, 0.9), noise))
        >>> found = rankings_of([Compared("recall@x", "recall", "higher", "diversity", {"a": a, "b": b})], 0.01, 0.95)
        >>> [(place.name, place.rank, place.groups) for place in found[0].places]
        [('b', 1, ('a',)), ('a', 2, ('b',))]
    """
    tested = [_Tested(compared, _tests(compared) if level else {}) for compared in metrics]
    adjusted = iter(holm([test.p for one in tested for test in one.tests.values()]))
    return tuple(_ranking(one, adjusted, alpha, level) for one in tested)


def _tests(compared: Compared) -> dict[tuple[str, str], PairedTest]:
    """The tests of all pairs; none where one of the generators with a value cannot be tested."""
    if compared.warnings:
        return {}
    valued = {name: scored for name, scored in compared.scored.items() if scored is not None}
    found = {pair: _test(compared, valued[pair[0]], valued[pair[1]]) for pair in combinations(valued, 2)}
    kept = {pair: test for pair, test in found.items() if test is not None}
    return kept if len(kept) == len(found) else {}


def _test(compared: Compared, first: Scored, second: Scored) -> PairedTest | None:
    """The test of two generators; of two p-values the larger one."""
    found = paired_test(first, second)
    counts = first.class_counts, second.class_counts
    if found is None or compared.exchanged is None or counts[0] is None or counts[1] is None:
        return found
    return replace(found, p=max(found.p, compared.exchanged(counts[0], counts[1])))


def _ranking(one: _Tested, adjusted: Iterator[float], alpha: float, level: float) -> Ranking:
    """The ranking of one metric, which takes its adjusted p-values from the iterator."""
    compared, differences = one.compared, []
    for (first, second), test in one.tests.items():
        p = next(adjusted)
        ends = _within(compared.span, test.interval(level))
        differences.append(Difference(first, second, test.difference, ends, test.p, p, p <= alpha, test.freedom + 1))
    values = {name: None if scored is None else scored.value for name, scored in compared.scored.items()}
    sign = -1 if compared.better == "higher" else 1
    ordered = sorted(values, key=lambda name: (values[name] is None, sign * (values[name] or 0.0)))
    places = _places(ordered, compared, differences)
    warnings = compared.warnings
    if level and not differences and not warnings and sum(value is not None for value in values.values()) > 1:
        warnings = (NO_HALF_SAMPLES,)
    return Ranking(compared.key, compared.metric, compared.better, compared.role, places, tuple(differences), warnings)


def _within(span: float | None, ends: tuple[float, float]) -> tuple[float, float]:
    return ends if span is None else (max(ends[0], -span), min(ends[1], span))


def _places(ordered: Sequence[str], compared: Compared, differences: Sequence[Difference]) -> tuple[Place, ...]:
    """The places of `ordered` names, the best first, with ranks and letters where differences were tested."""
    valued = [name for name in ordered if compared.scored[name] is not None]
    better: dict[str, int] = dict.fromkeys(valued, 0)
    worse = dict(better)
    for difference in differences:
        if difference.told_apart:
            up = (difference.value > 0) == (compared.better == "higher")
            best, worst = (difference.first, difference.second) if up else (difference.second, difference.first)
            better[worst] += 1
            worse[best] += 1
    apart = {frozenset((found.first, found.second)) for found in differences if found.told_apart}
    letters = groups_of(valued, apart) if differences else {}
    places = []
    for name in ordered:
        scored = compared.scored[name]
        if scored is None or not differences:
            value, ci = (None, None) if scored is None else (scored.value, scored.ci)
            places.append(Place(name, value, ci, None, None))
            continue
        ranks = 1 + better[name], len(valued) - worse[name]
        places.append(Place(name, scored.value, scored.ci, ranks[0], ranks, letters[name]))
    return tuple(places)


def falls_of(rankings: Sequence[Ranking], names: Sequence[str], steps: Sequence[int]) -> tuple[Fall, ...]:
    """Where diversity fell significantly between checkpoints, in the order of the steps.

    A step is worse where a diversity metric is significantly worse than at the best step before it; the p-values are
    those of the rankings, adjusted for all pairs of steps, so the choice of the best step is paid for. A fall lasts
    until a step that is significantly better than the first worse one, and not significantly worse than that best step;
    from there on the search goes on.

    Args:
        rankings: Rankings of the checkpoints.
        names: Names of the checkpoints in the order of the steps.
        steps: Their steps.
    """
    number = dict(zip(names, steps, strict=True))
    found = [fall for ranking in rankings if ranking.role == "diversity" for fall in _falls(ranking, names, number)]
    return tuple(sorted(found, key=lambda fall: fall.step))


def _falls(ranking: Ranking, names: Sequence[str], number: Mapping[str, int]) -> Iterator[Fall]:
    sign = 1 if ranking.better == "higher" else -1
    value = {place.name: sign * place.value for place in ranking.places if place.value is not None}
    valued = [name for name in names if name in value]
    place = 1
    while place < len(valued):
        step, best = valued[place], max(valued[:place], key=lambda name: value[name])
        if not _is_worse(ranking, step, best, value):
            place += 1
            continue
        later = range(place + 1, len(valued))
        back = next((at for at in later if _is_back(ranking, valued[at], step, best, value)), None)
        difference = ranking.difference(step, best)
        assert difference is not None  # noqa: S101  it was found to be worse by it
        recovered = None if back is None else number[valued[back]]
        yield Fall(
            ranking.key,
            number[step],
            number[best],
            sign * value[step],
            sign * value[best],
            difference.p_adjusted,
            recovered,
        )
        if back is None:
            return
        place = back + 1


def _is_back(ranking: Ranking, name: str, step: str, best: str, value: Mapping[str, float]) -> bool:
    """Whether the fall from `best` to `step` is made up for at `name`."""
    return _is_worse(ranking, step, name, value) and not _is_worse(ranking, name, best, value)


def _is_worse(ranking: Ranking, name: str, other: str, value: Mapping[str, float]) -> bool:
    """Whether `name` is significantly worse than `other`; `value` is higher for the better one."""
    difference = ranking.difference(name, other)
    return difference is not None and difference.told_apart and value[name] < value[other]
