import json

import pytest

from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.comparison import Comparison, Difference, Fall, Place, Ranking
from divmetrics.records.results import Report, Result, Side
from divmetrics.records.signature import Signature


def report(value: float) -> Report:
    signature = Signature("recall", "features", "pooled", "none", "k:5", "9/9", "0", "0.1.0")
    result = Result("recall", "features", value, "higher", (0.0, 1.0), {"k": 5}, 9, 9, signature)
    sides = Side("real/", 9, None), Side("fake/", 9, None)
    return Report("0.1.0", "2026-01-31T12:00:00Z", *sides, {"recall@features": result})


def comparison() -> Comparison:
    places = Place("b", 0.9, (0.8, 0.95), 1, (1, 1), ("a",)), Place("a", 0.4, None, 2, (2, 2), ("b",))
    differences = (Difference("a", "b", -0.5, (-0.6, -0.4), 1e-5, 2e-5, told_apart=True, draws=100),)
    ranking = Ranking("recall@features", "recall", "higher", "diversity", places, differences)
    falls = Fall("recall@features", 200, 100, 0.4, 0.9, 2e-5, 300), Fall("recall@features", 400, 100, 0.3, 0.9, 0.001)
    return Comparison(
        "0.1.0", "2026-01-31T12:00:00Z", ("a", "b"), (report(0.4), report(0.9)), (ranking,), 0.01, (200, 100), falls
    )


def test_json_and_back(tmp_path) -> None:
    there = comparison()
    whole = json.loads(there.to_json())
    assert whole["schema"] == "divmetrics.comparison/1"
    assert [entry["schema"] for entry in whole["reports"]] == ["divmetrics.report/1"] * 2
    assert Comparison.from_json(there.to_json()) == there
    there.save(tmp_path / "c.json")
    assert Comparison.load(tmp_path / "c.json") == there
    assert Report.from_json(json.dumps(whole["reports"][1])) == there.reports[1]


def test_what_is_asked_of_it() -> None:
    found = comparison()
    assert found["recall"]["a"].rank == 2
    assert found.by_name["b"]["recall"].value == 0.9
    assert found.collapse == found.falls[1]
    assert found.ranking[0].difference("b", "a").value == 0.5
    assert found.ranking[0].difference("b", "a").ci == (0.4, 0.6)
    assert found.ranking[0].difference("a", "c") is None
    assert found.scalars() == {"a/recall/features": 0.4, "b/recall/features": 0.9}
    for ask in (lambda: found["recal"], lambda: found["recall"]["c"]):
        with pytest.raises(UnknownName):
            ask()


def test_a_data_frame() -> None:
    pytest.importorskip("pandas")
    frame = comparison().to_frame()
    assert frame[["name", "step", "rank", "groups"]].values.tolist() == [["b", 100, 1, "a"], ["a", 200, 2, "b"]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "divmetrics.report/1"}, "schema 'divmetrics.report/1', wanted 'divmetrics.comparison/1'"),
        ({"schema": "divmetrics.comparison/2"}, "schema 'divmetrics.comparison/2' of a newer divmetrics.* upgrade it"),
        ({"reports": 3}, "reports is no list"),
        ({"names": ["a", "a"]}, "2 names for 2 reports"),
        ({"names": ["a", "c"]}, "has other names"),
        ({"steps": [1]}, "1 steps for 2 names"),
        ({"alpha": "x"}, "expected `float`, got `str` - at `.alpha`"),
        ({"ranking": [{"key": 1}]}, r"at `.ranking\[0\].key`"),
    ],
)
def test_damage_is_named(change: dict, words: str) -> None:
    whole = {**json.loads(comparison().to_json()), **change}
    with pytest.raises(UsageError, match=words):
        Comparison.from_json(json.dumps(whole))


def test_damage_of_a_report_is_named() -> None:
    whole = json.loads(comparison().to_json())
    whole["reports"][1]["metrics"]["recall@features"]["value"] = "x"
    with pytest.raises(UsageError, match=r"c.json is damaged: reports\[1\]: metrics\['recall@features'\]"):
        Comparison.from_json(json.dumps(whole), "c.json")
    with pytest.raises(UsageError, match=r"cannot read the comparison nothing\.json"):
        Comparison.load("nothing.json")
