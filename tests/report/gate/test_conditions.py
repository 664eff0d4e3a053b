"""Conditions as arguments: what they may say, and how they are judged."""

from dataclasses import replace

import pytest

from divmetrics.errors import MeasureError, UnknownName, UsageError
from divmetrics.records.results import Mode, Report, Result, Side
from divmetrics.records.signature import Signature
from divmetrics.records.verdict import Verdict
from divmetrics.report.gate.conditions import conditions_of

SIGNATURE = Signature.parse("recall|features|pooled|none|k:5|n:100/100|seed:0|divmetrics:0.1.0")


def report(value: float | None = 0.5, ci: tuple[float, float] | None = (0.4, 0.6), state: str | None = None) -> Report:
    recall = Result("recall", "features", value, "higher", (0.0, 1.0), {"k": 5}, 100, 100, SIGNATURE, ci=ci)
    side = Side("x.npy", 100, None)
    verdict = None if state is None else Verdict(state, 0.01, text=f"{state}, since")
    return Report("0.1.0", "2026-01-01T00:00:00Z", side, side, {"recall@features": recall}, verdict=verdict)


def broken(found: Report, **given: object) -> list[str]:
    return [result.name for result in conditions_of(given).judged(found) if result.status != "pass"]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (">= .4", True),
        (">= 0.41", False),  # the value is 0.5, the lower end of its interval 0.4
        ("<= 0.6", True),
        ("<=0.59", False),
        ("> 0.4", False),
        ("> 0.399", True),
        ("< 6e-1", False),
        ("< +1.", True),
        (" >= 0.3 , < 0.7 ", True),
        ("<= 0.7, >= 0.3", True),
        (">= 0.3, < 0.6", False),
        ("> 0.4, <= 0.9", False),
    ],
)
def test_the_end_of_the_interval_that_counts_against_the_generator_is_judged(condition: str, holds: bool) -> None:
    assert broken(report(), recall=condition) == ([] if holds else ["recall"])


def test_without_an_interval_the_value_is_judged() -> None:
    found = report(0.0, None)
    assert broken(found, recall=">= 0") == []
    (result,) = conditions_of({"recall": "> 0"}).judged(found)
    assert (result.status, result.expected, result.text) == ("fail", "> 0", "0 is not above 0")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"recall": 0.4}, 'recall=0.4 is no condition; say on which side of it the number must be, such as recall=">='),
        ({"recall": "0.4"}, "write >=, <=, > or < and a number"),
        ({"recall": "=> 0.4"}, "write >=, <=, > or < and a number"),
        ({"recall": "== 0.4"}, "write >=, <=, > or < and a number"),
        ({"recall": ">= nan"}, "write >=, <=, > or < and a number"),
        ({"recall": ">= 1_0"}, "write >=, <=, > or < and a number"),
        ({"recall": ">= 40%"}, "write >=, <=, > or < and a number"),
        ({"recall": ">= 0.4,"}, "or two of these with a comma between them"),
        ({"recall:k=3": ""}, 'such as "recall:k=3": ">= 0.4"'),
        ({"recall": None}, "is no condition"),
        ({"recall": ">= 0.4, > 0.3"}, "bounds one side twice"),
        ({"recall": ">= 0.4, < 0.4"}, "can hold for no number"),
        ({"recall": "<= 0.4, >= 0.5"}, "can hold for no number"),
        ({"recall": ">= 1e999"}, "write >=, <=, > or < and a number"),
        ({"recall": "> 1, < 0"}, "give an upper bound above the lower one"),
        ({"missing_modes": 0}, 'such as missing_modes="<= 0"'),
        ({"recall@": ">= 0.4"}, "'recall@' is no METRIC or METRIC@EXTRACTOR"),
        ({"verdict": ">= healthy"}, 'write verdict="healthy"'),
        ({"verdict": True}, 'write verdict="healthy"'),
        ({"verdict": ()}, 'write verdict="healthy"'),
    ],
)
def test_what_is_no_condition_is_refused(given: dict, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        conditions_of(given)
    assert words in str(refused.value)


def test_a_state_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'healthy'"):
        conditions_of({"verdict": "helthy"})


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({}, {"healthy", "poor_fidelity", "inconclusive"}),
        ({"verdict": "!= collapsed"}, {"healthy", "poor_fidelity", "inconclusive"}),
        ({"verdict": "healthy"}, {"healthy"}),
        ({"verdict": "==healthy"}, {"healthy"}),
        ({"verdict": ("healthy", "inconclusive")}, {"healthy", "inconclusive"}),
        ({"verdict": None}, {"healthy", "poor_fidelity", "inconclusive", "collapsed"}),
    ],
)
def test_states_of_the_verdict(given: dict, allowed: set[str]) -> None:
    states = ("healthy", "collapsed", "poor_fidelity", "inconclusive")
    assert {state for state in states if not broken(report(state=state), **given)} == allowed


MODES = [Mode(i, name, 0.25, 0.25 * (state == "present"), None, state) for i, (name, state) in enumerate(
    [("a", "present"), ("b", "missing"), ("c", "missing"), ("d", "unseen")])]  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "status"),
    [("<= 1", "fail"), ("< 2", "fail"), ("<= 2", "inconclusive"), ("< 3", "inconclusive"), ("<= 3", "pass")],
)
def test_a_number_of_modes(condition: str, status: str) -> None:
    found = replace(report(), modes=tuple(MODES))
    assert [result.status for result in conditions_of({"missing_modes": condition}).judged(found)] == [status]


@pytest.mark.parametrize("condition", [">= 1", "<= 0.5", "< 0", "<= -1", "<= 2, >= 1"])
def test_what_is_no_bound_on_a_number_of_modes(condition: str) -> None:
    with pytest.raises(UsageError, match='write missing_modes="<= 0"'):
        conditions_of({"missing_modes": condition})


def test_a_bound_that_no_value_can_pass_is_refused() -> None:
    with pytest.raises(UsageError, match=r"min 1\.5, and recall is at most 1, so no value can pass"):
        broken(report(), recall=">= 1.5")


def test_a_report_without_a_verdict_is_refused_where_one_is_asked_for() -> None:
    assert broken(report(), recall=">= 0.4") == []
    with pytest.raises(UsageError, match="has no verdict"):
        broken(report(), verdict="healthy")


def test_a_number_that_could_not_be_computed_is_an_error() -> None:
    with pytest.raises(MeasureError, match="could not be computed"):
        broken(report(None, None), recall=">= 0.4")


def test_a_name_that_fits_two_results_is_refused() -> None:
    one = report()
    result = one["recall"]
    both = replace(one, metrics={**one.metrics, "recall@pixels": replace(result, extractor="pixels")})
    with pytest.raises(UsageError, match="recall@pixels"):
        broken(both, recall=">= 0.4")
    assert broken(both, **{"recall@pixels": ">= 0.4"}) == []


@pytest.mark.parametrize(("condition", "limit"), [("> 1", "at most 1"), ("< 0", "at least 0")])
def test_an_end_of_the_range_is_neither_exceeded_nor_fallen_short_of(condition: str, limit: str) -> None:
    share = replace(report(), metrics={"recall@pixels": replace(report()["recall"], range=(0.0, 1.0))})
    with pytest.raises(UsageError, match=rf"recall='{condition}' can hold for no number, for it is {limit}; write"):
        conditions_of({"recall": condition}).judged(share)
    assert conditions_of({"recall": "< 1"}).judged(share)
    assert conditions_of({"recall": "> 0"}).judged(share)
