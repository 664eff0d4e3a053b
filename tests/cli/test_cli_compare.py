"""`compare` on files of features: outputs, exit codes, and that nothing is half-written."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import divmetrics as dm

RNG = np.random.default_rng(0)
FAST = ("-m", "recall,precision", "--no-null", "--quiet")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    for name, rows in {
        "real": RNG.normal(size=(120, 2)),
        "a": RNG.normal(size=(120, 2)),
        "narrow": RNG.normal(size=(120, 2)) / 4,
        "wide": np.ones((9, 3)),
    }.items():
        np.save(f"{name}.npy", rows)
    for step, scale in ((5, 1), (50, 0.9), (500, 0.2)):
        np.save(f"run/step_{step:06d}.npy", scale * RNG.normal(size=(120, 2)))
    return tmp_path


def test_table_json_and_markdown(call: Callable[..., object], files: Path) -> None:
    done = call(
        "compare", "real.npy", "a.npy", "narrow.npy", *FAST, "--json", "c.json", "--md", "c.md", "--samples", "c.csv"
    )
    assert (done.code, done.err) == (0, "")
    assert "recall@features, higher is better" in done.out
    found = dm.Comparison.load("c.json")
    assert {place.name: place.rank for place in found["recall"].places} == {"a": 1, "narrow": 2}
    assert found.meta["argv"][:2] == ["divmetrics", "compare"]
    assert "| `a` | 1 | a |" in Path("c.md").read_text()
    with Path("c.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["generator"] for line in lines] == ["a"] * 240 + ["narrow"] * 240
    assert {line["side"] for line in lines if line["inside"]} == {"fake"}
    only = call("compare", "real.npy", "a.npy", "narrow.npy", *FAST, "--json", "-")
    assert json.loads(only.out)["schema"] == "divmetrics.comparison/1"


def test_a_pattern_of_steps(call: Callable[..., object], files: Path) -> None:
    done = call("compare", "real.npy", "run/step_*.npy", "--steps", *FAST, "--json", "c.json")
    assert (done.code, done.err) == (0, "")
    assert "diversity is lost from step 500 on" in done.out
    assert dm.Comparison.load("c.json").steps == (5, 50, 500)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["a.npy"], 2, "at least two generators, got 1"),
        ([], 2, "A B"),
        (["a.npy", "a.npy"], 2, "a.npy is given twice"),
        (["a.npy", "nothing.npy"], 3, "nothing: there is no file or folder"),
        (["a.npy", "wide.npy"], 3, "wide: its features have 3 columns, those of real have 2"),
        (["a.npy", "narrow.npy", "--steps"], 2, "no step in the name"),
        (["a.npy", "narrow.npy", "-m", "recal"], 2, "Did you mean 'recall'?"),
        (["a.npy", "narrow.npy", "--json", "run"], 2, "it is a folder"),
        (["run/*.npy", "--steps", "--md", "run/step_000005.npy"], 2, "would overwrite"),
        (["a.npy", "narrow.npy", "--step"], 2, "--steps"),
    ],
)
def test_errors_write_nothing(
    arguments: list[str], code: int, words: str, call: Callable[..., object], files: Path
) -> None:
    before = {path: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    output = [] if "--json" in arguments else ["--json", "c.json"]
    done = call("compare", "real.npy", *arguments, *(FAST[2:] if "-m" in arguments else FAST), *output)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert {path: path.read_bytes() for path in files.rglob("*") if path.is_file()} == before


def test_a_saved_comparison_is_shown_again(call: Callable[..., object], files: Path) -> None:
    first = call("compare", "real.npy", "run/*.npy", "--steps", *FAST, "--json", "c.json", "--html", "c.html")
    again = call("report", "c.json", "--html", "again.html", "--md", "c.md")
    assert (first.code, again.code) == (0, 0)
    assert again.out.splitlines()[1:] == first.out.splitlines()[1:]
    assert Path("again.html").read_text() == Path("c.html").read_text()
    Path("c.json").write_text(Path("c.json").read_text().replace('"alpha": 0.01', '"alpha": "x"'))
    assert "c.json is damaged: expected `float`" in call("report", "c.json").err
