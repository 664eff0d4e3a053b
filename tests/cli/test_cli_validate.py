"""`validate` from the command line: what it prints, what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from divmetrics.validation import suites


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = suites.Size("quick", 60, 3, 1, 1, ("grid-25-soft",), False, 60, 3, 1, 60, 2, "recall")
    monkeypatch.setattr(suites, "QUICK", tiny)
    monkeypatch.setattr(suites.ladders, "HEALTHY", 4)
    few = ("gaussian_std_difference", "scattered_collapse")
    monkeypatch.setattr(suites.sanity, "CHECKS", {name: suites.sanity.CHECKS[name] for name in few})
    knobs = suites.ladders.chosen(["grid-25-soft"])[:2]
    monkeypatch.setattr(suites.ladders, "chosen", lambda _, others: knobs)


def test_json_of_all_suites(call: Callable[..., object], tmp_path: Path) -> None:
    done = call("validate", "--quick", "-m", "recall", "--workers", 1, "--json", "-", "--cache", tmp_path, "--quiet")
    assert done.code == 0
    found = json.loads(done.out)
    assert found["schema"] == "divmetrics.validation/1"
    assert set(found["suites"]) == {"sanity", "ladders", "calibration"}
    assert {"check", "metric", "role", "bounds", "property"} <= found["suites"]["sanity"][0].keys()
    wanted = {"ladder", "metric", "kendall_tau", "linearity", "smallest_detectable", "false_reaction"}
    assert wanted <= found["suites"]["ladders"][0].keys()
    assert {"metric", "sees", "blind_to", "text"} <= found["cards"][0].keys()


def test_table_and_markdown_of_one_suite(call: Callable[..., object], tmp_path: Path) -> None:
    arguments = ("validate", "--quick", "--suite", "calibration", "--workers", 1, "--cache", tmp_path)
    done = call(*arguments, "--md", tmp_path / "card.md")
    assert "a third as many fakes" in done.out
    assert "### divmetrics validate" in (tmp_path / "card.md").read_text()


def test_a_fresh_run_keeps_both_parts_of_the_sanity_suite(call: Callable[..., object], tmp_path: Path) -> None:
    arguments = ("validate", "--quick", "--suite", "sanity", "-m", "recall,fid", "--workers", 1, "--cache", tmp_path)
    for again in ((), ("--fresh",)):
        found = json.loads(call(*arguments, *again, "--json", "-", "--quiet").out)["suites"]["sanity"]
        assert {row["metric"] for row in found} == {"recall", "fid"}


def test_levels_are_as_many_as_asked_for(call: Callable[..., object], tmp_path: Path) -> None:
    arguments = ("validate", "--quick", "--suite", "sanity", "-m", "recall", "--workers", 1, "--cache", tmp_path)
    for levels in (3, 5):
        found = json.loads(call(*arguments, "--levels", levels, "--json", "-", "--quiet").out)
        assert found["meta"]["sanity"]["levels"] == levels
        (file,) = tmp_path.rglob("sanity-*.jsonl")
        cells = [json.loads(line)[0] for line in file.read_text().splitlines() if line]
        assert len({cell[3] for cell in cells if cell[0] == "gaussian_std_difference"}) == levels


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--suite", "sanety"], "unknown suite 'sanety'. Did you mean 'sanity'?"),
        (["-m", "recal"], "Did you mean 'recall'?"),
        (["-m", "recall:k=3"], "write recall without options"),
        (["--json", "/nowhere/x.json"], "does not exist"),
        (
            ["--levels", "4"],
            "levels: got 4. The ends and the middle of each sanity case are always read",
        ),
        (["--levels", "1"], "levels: got 1."),
        (["--levels", "-5"], "levels: got -5."),
        (["--levels", "few"], "'few' is not a valid integer"),
        (["--suite", ""], "unknown suite ''. Known: all, calibration, ladders, sanity."),
        (["-m", ""], "no metric was named"),
        (["--suite", "ladders", "--levels", "5"], "levels are those of the suite sanity, and only ladders runs"),
        (["--suite", "calibration", "-m", "vendi"], "calibration measures p-values, and vendi has none"),
        (
            ["--suite", "sanity", "-m", "fld"],
            "sanity has no check for copies of training data, which",
        ),
    ],
)
def test_what_is_refused(arguments: list[str], sentence: str, call: Callable[..., object]) -> None:
    done = call("validate", "--quick", *arguments)
    assert done.code == 2
    assert sentence in done.err
