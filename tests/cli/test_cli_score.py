"""`score` and `extract`: each option is passed on, each output is written, and wrong outputs fail first."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from divmetrics.records.results import Report

UNASKED = {"progress": True, "samples": False}
"""What a command passes on where no option was given: all defaults are those of `score`."""


def test_defaults_are_left_to_score(call: Callable[..., object], engine: object) -> None:
    assert call("score", "real", "fake").code == 0
    assert engine.asked == [(("real", "fake"), UNASKED)]


@pytest.mark.parametrize(
    ("given", "keyword"),
    [
        (["-e", "pixels"], {"extractor": "pixels"}),
        (["--num", "7"], {"num": 7}),
        (["--seed", "3"], {"seed": 3}),
        (["--device", "cuda:1"], {"device": "cuda:1"}),
        (["--batch-size", "8"], {"batch_size": 8}),
        (["--workers", "0"], {"workers": 0}),
        (["--labels", "l.csv"], {"labels": "l.csv"}),
        (["--weights", "w.pth"], {"weights": "w.pth"}),
        (["--max-skipped", "0.5"], {"max_skipped": 0.5}),
        (["--quiet"], {"progress": False}),
        (["--precision", "fast"], {"precision": "fast"}),
        (["--jpeg", "device"], {"jpeg": "device"}),
        (["--cache", "kept"], {"cache": "kept"}),
        (["--no-cache"], {"cache": False}),
    ],
)
def test_each_option_reaches_the_engine(
    given: list[str], keyword: dict[str, object], call: Callable[..., object], engine: object
) -> None:
    call("score", "a", "b", *given)
    call("extract", "a", "-o", "b.dms", *given)
    call("gate", "a", "b", "--config", "nothing.toml", *given)
    assert [asked for _, asked in engine.asked] == [
        {**UNASKED, **keyword},
        {"progress": True, **keyword},
    ]


@pytest.mark.parametrize(
    ("given", "keyword"),
    [
        (["--ci-level", "0.9"], {"ci_level": 0.9}),
        (["--ci-level", "0"], {"ci_level": 0}),
        (["--no-null"], {"null": False}),
        (["--null"], {"null": True}),
        (["--modes", "12"], {"modes": 12}),
        (["--modes", "auto"], {}),
        (["--held-out", "test/"], {"held_out": "test/"}),
        (["--confusion", "c.csv"], {"confusion": "c.csv"}),
        (["--samples", "{folder}/s.csv"], {"samples": True}),
    ],
)
def test_each_option_of_a_comparison_reaches_the_engine(
    given: list[str], keyword: dict[str, object], call: Callable[..., object], engine: object, tmp_path: Path
) -> None:
    engine.report = replace(engine.report, samples={"fake": {"path": ["x.png"], "inside": [True]}})
    call("score", "a", "b", *(text.format(folder=tmp_path) for text in given))
    assert engine.asked[0][1] == {**UNASKED, **keyword}


def test_metrics_reach_the_engine(call: Callable[..., object], engine: object) -> None:
    call("score", "a", "b", "-m", "fid,recall:k=3")
    assert engine.asked[0][1]["metrics"] == "fid,recall:k=3"


def test_table_goes_to_stdout_and_files_are_written(
    call: Callable[..., object], engine: object, tmp_path: Path
) -> None:
    samples = {"fake": {"path": ["x.png"], "inside": [True]}}
    engine.report = replace(engine.report, samples=samples)
    paths = [tmp_path / name for name in ("r.json", "r.md", "s.csv")]
    done = call("score", "a", "b", "--json", paths[0], "--md", paths[1], "--samples", paths[2])
    assert (done.code, done.err) == (0, "")
    assert "recall" in done.out
    saved = Report.load(paths[0])
    assert saved["recall"].value == 0.41
    assert saved.meta["argv"][:4] == ["divmetrics", "score", "a", "b"]
    assert "| `recall` | 0.4100 |" in paths[1].read_text()
    assert list(csv.reader(paths[2].read_text().splitlines())) == [
        ["path", "side", "inside"],
        ["x.png", "fake", "True"],
    ]


def test_json_to_stdout_is_json_and_nothing_else(call: Callable[..., object], engine: object) -> None:
    done = call("score", "a", "b", "--json", "-")
    assert json.loads(done.out)["schema"] == "divmetrics.report/1"
    assert done.err == ""


@pytest.mark.filterwarnings("default")
def test_samples_without_any_column_are_told(call: Callable[..., object], engine: object, tmp_path: Path) -> None:
    done = call("score", "a", "b", "--samples", tmp_path / "s.csv")
    assert done.code == 0
    assert "warning: no metric here has per-sample values" in done.err


@pytest.mark.parametrize("option", ["--json", "--md", "--samples"])
@pytest.mark.parametrize("place", ["no/such/r", "."])
def test_outputs_are_checked_before_the_work(
    option: str, place: str, call: Callable[..., object], engine: object, tmp_path: Path
) -> None:
    done = call("score", "a", "b", option, tmp_path / place)
    assert done.code == 2
    assert "cannot write" in done.err
    assert engine.asked == []


@pytest.mark.parametrize("option", ["--md", "--samples"])
def test_only_json_goes_to_stdout(option: str, call: Callable[..., object], engine: object) -> None:
    assert call("score", "a", "b", option, "-").code == 2
    assert engine.asked == []


def test_extract(call: Callable[..., object], engine: object, tmp_path: Path) -> None:
    done = call("extract", "fake/", "-o", tmp_path / "f.dms")
    assert done.out == f"{tmp_path / 'f.dms'}: 9 samples of fake/.\n"
    assert call("extract", "fake/").code == 2
    assert "cannot write" in call("extract", "fake/", "-o", tmp_path / "no" / "f.dms").err


@pytest.fixture
def arrays(tmp_path: Path) -> tuple[Path, Path]:
    """Wide reals and a tight cluster of fakes inside them."""
    draw = np.random.RandomState(0)
    np.save(tmp_path / "real.npy", draw.randn(60, 4))
    np.save(tmp_path / "fake.npy", draw.randn(60, 4) * 0.05)
    return tmp_path / "real.npy", tmp_path / "fake.npy"


def test_a_collapse_from_arrays_to_the_table(
    arrays: tuple[Path, Path], call: Callable[..., object], tmp_path: Path
) -> None:
    done = call(
        "score", *arrays, "-m", "precision,recall,fid", "--json", tmp_path / "r.json", "--samples", tmp_path / "s"
    )
    assert done.code == 0, done.err
    report = Report.load(tmp_path / "r.json")
    assert report["precision"].value == 1
    assert report["recall"].value is not None
    assert report["recall"].value < 0.3
    assert "measured on the features as given" in done.out
    assert "n 60" in done.out
    assert "not comparable with published FID" in done.out
    header, *lines = csv.reader((tmp_path / "s").read_text().splitlines())
    assert header[:2] == ["path", "side"]
    assert {line[1] for line in lines} == {"real", "fake"}
    assert len(lines) == 120


@pytest.mark.parametrize(
    ("name", "code"), [("missing.npy", 3), ("empty", 3), ("text.npy", 3)], ids=["missing", "empty folder", "no array"]
)
def test_sources_that_cannot_be_measured_exit_3(
    name: str, code: int, arrays: tuple[Path, Path], call: Callable[..., object], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.npy").write_text("no array")
    done = call("score", arrays[0], tmp_path / name, "-m", "fid")
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error: ")
    assert "bug" not in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("command", ["score", "gate"])
def test_a_full_disk_costs_the_file_that_is_named_and_not_the_table(
    command: str,
    call: Callable[..., object],
    engine: object,
    rules: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = Path.write_text

    def full(self: Path, text: str, **options: str) -> int:
        if ".out.json." in self.name:
            raise OSError(28, "No space left on device")
        return write(self, text, **options)

    config = ["--config", rules("[gate.rules.recall]\nmin = 0.1\n")] if command == "gate" else []
    monkeypatch.setattr(Path, "write_text", full)
    outputs = ["--json", tmp_path / "out.json", "--md", tmp_path / "out.md"]
    done = call(command, "real", "fake", *config, *outputs)
    assert (done.code, done.err) == (3, f"error: {tmp_path}/out.json: cannot be written: No space left on device.\n")
    assert "recall" in done.out
    assert (tmp_path / "out.md").exists()


def test_shares_may_be_given_in_per_cent(call: Callable[..., Any], engine: Any) -> None:
    assert call("score", "real", "fake", "--tolerance", "15%", "--alpha", "2%", "--max-skipped", "5%").code == 0
    ((_, asked),) = engine.asked
    assert (asked["tolerance"], asked["alpha"], asked["max_skipped"]) == (0.15, 0.02, 0.05)
    assert call("score", "real", "fake", "--tolerance", "150%").code == 2
    assert call("score", "real", "fake", "--tolerance", "%").code == 2
