"""Ranks, and falls of diversity, from values whose uncertainty is known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from divmetrics.inference.paired import Scored
from divmetrics.inference.ranking import Compared, falls_of, rankings_of
from divmetrics.records.comparison import Ranking

NAMES = "abcdefgh"


def ranking(values: Sequence[float | None], better: str = "higher", role: str = "diversity") -> Ranking:
    """Values with a standard error of 0.1 for each difference."""
    draws = np.random.default_rng(1).normal(size=(len(values), 100))
    draws = (draws - draws.mean(1, keepdims=True)) / draws.std(1, keepdims=True) * 0.1 / 2**0.5
    scored = {
        name: None if value is None else Scored(value, None, None, value + draw)
        for name, value, draw in zip(NAMES, values, draws, strict=False)
    }
    return rankings_of([Compared("m@x", "m", better, role, scored)], 0.01, 0.95)[0]


def test_a_tie_shares_a_rank_and_ranks_are_intervals() -> None:
    found = ranking([0.7, 3.0, 0.95, 0.45, None])
    assert [(p.name, p.rank, p.ranks, "".join(p.groups)) for p in found.places] == [
        ("b", 1, (1, 1), "a"),
        ("c", 2, (2, 3), "b"),
        ("a", 2, (2, 4), "bc"),
        ("d", 3, (3, 4), "c"),
        ("e", None, None, ""),
    ]


def test_lower_may_be_better() -> None:
    assert [place.name for place in ranking([2.0, 1.0, 3.0], better="lower").places] == ["b", "a", "c"]


def test_p_is_adjusted_over_pairs_and_metrics() -> None:
    draws = np.random.default_rng(0).normal(size=(2, 40))
    scored = {name: Scored(value, None, None, draw) for name, value, draw in zip("ab", (0.0, 2.0), draws, strict=True)}
    one, two = (
        rankings_of([Compared(f"m{i}", "m", "higher", "diversity", scored) for i in range(count)], 0.01, 0.95)
        for count in (1, 2)
    )
    assert two[0].differences[0].p == one[0].differences[0].p
    assert two[1].differences[0].p_adjusted == pytest.approx(2 * one[0].differences[0].p_adjusted)


@pytest.mark.parametrize("kind", ["no level", "a warning", "no half-samples"])
def test_without_tests_there_are_values_and_no_ranks(kind: str) -> None:
    draws = np.zeros(0 if kind == "no half-samples" else 50)
    scored = {name: Scored(value, None, None, value + draws) for name, value in (("a", 1.0), ("b", 2.0))}
    compared = Compared("m", "m", "higher", "diversity", scored, ("other signatures",) if kind == "a warning" else ())
    found = rankings_of([compared], 0.01, 0 if kind == "no level" else 0.95)[0]
    assert [(place.name, place.value, place.rank) for place in found.places] == [("b", 2.0, None), ("a", 1.0, None)]
    assert found.differences == ()
    assert bool(found.warnings) == (kind != "no level")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 2.1, 2], []),
        ([2, 2.1, 1, 0.9], [(3, 2, None)]),
        ([2, 1, 2, 1], [(2, 1, 3), (4, 1, None)]),
        ([2, 1, 1.1, 2.05, 2], [(2, 1, 4)]),
        ([2, 1, None, 0.9], [(2, 1, None)]),
        ([2.05, 2, 1, 1.5], [(3, 1, None)]),
    ],
)
@pytest.mark.parametrize("better", ["higher", "lower"])
def test_a_fall_is_named_with_the_step_before_it_and_its_end(values: list, expected: list, better: str) -> None:
    sign = 1 if better == "higher" else -1
    found = ranking([None if value is None else sign * value for value in values], better)
    falls = falls_of([found], NAMES[: len(values)], range(1, len(values) + 1))
    assert [(fall.step, fall.best, fall.recovered) for fall in falls] == expected
    if expected:
        assert falls[0].value == sign * values[expected[0][0] - 1]
        assert falls[0].p_adjusted <= 0.01


def test_only_metrics_of_diversity_are_looked_at() -> None:
    assert falls_of([ranking([2, 1], role="fidelity")], "ab", (1, 2)) == ()


@pytest.mark.parametrize(("own", "p"), [(0.3, 0.3), (0.0, None)])
def test_a_test_of_the_metric_on_class_counts_counts_where_it_is_larger(own: float, p: float | None) -> None:
    draws = np.random.default_rng(2).normal(size=(2, 50)) / 100
    scored = {
        name: Scored(value, None, None, value + draw, np.array([1 + value]))
        for name, value, draw in zip("ab", (0.0, 1.0), draws, strict=True)
    }
    plain = Compared("m@x", "m", "higher", "diversity", scored)
    seen = []
    with_own = replace(plain, exchanged=lambda first, second: seen.append((first.item(), second.item())) or own)
    bare, found = (rankings_of([one], 0.01, 0.95)[0].differences[0] for one in (plain, with_own))
    assert seen == [(1.0, 2.0)]
    assert found.p == (bare.p if p is None else p)
    assert found.told_apart == (p is None)


def test_a_difference_is_no_larger_than_values_allow() -> None:
    draws = np.random.default_rng(2).normal(size=(2, 50)) / 5
    scored = {
        name: Scored(value, None, None, value + draw) for name, value, draw in zip("ab", (0.0, 0.9), draws, strict=True)
    }
    compared = Compared("m@x", "m", "higher", "diversity", scored)
    free, bound = (rankings_of([one], 0.01, 0.95)[0].differences[0] for one in (compared, replace(compared, span=1.0)))
    assert free.ci[0] < -1
    assert bound.ci == (-1.0, free.ci[1])
