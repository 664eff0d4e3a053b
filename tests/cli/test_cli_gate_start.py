"""`gate --init` and `gate --selftest` from the command line: what they print, write and refuse."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from divmetrics.records import files
from divmetrics.scoring import gate_start


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(["real", "fake", "new"]):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(seed).normal(size=(40, 2)))
    return tmp_path


def test_from_samples_to_a_gate(folder: Path, call: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_start, "RESPLITS", 2)
    measured = ["real.npy", "fake.npy", "-m", "recall", "--no-null"]
    done = call("gate", "--init", *measured, "--json", "start.json", "--md", "start.md")
    assert (done.code, done.err) == (0, "")
    assert "next: divmetrics gate real.npy fake.npy\n" in done.out
    assert "its rate of red: divmetrics gate --selftest real.npy fake.npy\n" in done.out
    start = json.loads((folder / "start.json").read_text())
    assert start["schema"] == "divmetrics.start/1"
    assert [rule["rule"] for rule in start["rules"]] == ["missing_modes", "thinned_modes", "recall"]
    assert "`recall`" in (folder / "start.md").read_text()
    kept = (folder / "divmetrics.toml").read_text()
    again = call("gate", "--init", *measured)
    assert (again.code, "divmetrics.toml exists; --force replaces" in again.err) == (2, True)
    assert (folder / "divmetrics.toml").read_text() == kept
    assert call("gate", "real.npy", "new.npy", "--no-null").code == 0
    tested = call("gate", "--selftest", "real.npy", "fake.npy", "--no-null", "--resplits", 2, "--json", "-")
    found = json.loads(tested.out)
    assert (found["schema"], found["resplits"], found["exit_code"]) == ("divmetrics.selftest/1", 2, tested.code)
    assert [rule["name"] for rule in found["rules"]] == ["missing_modes", "thinned_modes", "recall"]


@pytest.mark.parametrize("fails", [0, 1])
def test_rules_and_baseline_are_written_or_neither(
    fails: int, folder: Path, call: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_start, "RESPLITS", 2)
    put, calls = files._put_in_place, []

    def failing(temporary: Path, target: Path) -> bool:
        calls.append(target)
        if len(calls) == fails + 1:
            raise OSError(28, "No space left on device", str(target))
        return put(temporary, target)

    before = sorted(folder.iterdir())
    monkeypatch.setattr(files, "_put_in_place", failing)
    done = call("gate", "--init", "real.npy", "fake.npy", "-m", "recall", "--no-null")
    assert (done.code, done.out) == (3, "")
    assert ["divmetrics.toml", "baseline.json"][fails] in done.err
    assert "cannot be written: No space left on device" in done.err
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--init", "--selftest", "real.npy", "fake.npy"], "two steps"),
        (["--force", "real.npy", "fake.npy"], "--force belongs to gate --init"),
        (["--resplits", 5, "real.npy", "fake.npy"], "--resplits belongs to gate --selftest"),
        (["--selftest", "--resplits", 0, "real.npy", "fake.npy"], "--resplits is 0; give a whole number from 1"),
        (["--init", "--quarantine", "real.npy", "fake.npy"], "--quarantine has no effect with --init"),
        (["--init", "--junit", "g.xml", "real.npy", "fake.npy"], "--junit has no effect with --init"),
        (["--init", "--html", "g.html", "real.npy", "fake.npy"], "--html has no effect with --init"),
        (["--selftest", "--samples", "s.csv", "real.npy", "fake.npy"], "--samples has no effect with --selftest"),
        (["--init", "report.json"], "gate --init takes REAL and FAKE, got 1 argument."),
        (["--selftest", "a", "b", "c"], "gate --selftest takes REAL and FAKE, got 3 arguments."),
        (["--selftest", "real.npy", "fake.npy"], "there are no rules here"),
        (["--init", "real.npy", "fake.npy", "--config", "pyproject.toml"], "a file of its own"),
        (["--init", "real.npy", "fake.npy", "--config", "no/g.toml"], "the folder"),
        (["--init", "real.npy", "fake.npy", "--config", "real.npy", "--force"], "would overwrite"),
        (["--init", "real.npy", "fake.npy", "--json", "divmetrics.toml"], "both name"),
        (["--init", "real.npy", "fake.npy", "--ci-level", "0"], "leave --ci-level 0 out"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    given: list[object], message: str, folder: Path, call: Callable[..., object]
) -> None:
    before = sorted(folder.iterdir())
    done = call("gate", *given, "--md", "g.md")
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    asked = {folder / name for name in ("g.md", "g.xml") if name == "g.md" or name in given}
    assert sorted(folder.iterdir()) == sorted({*before, *asked}), "the outputs say why"
    assert message in (folder / "g.md").read_text().replace("\\", "")
