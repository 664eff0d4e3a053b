"""Outputs that would overwrite inputs or each other, and hostile names in whatever is shown or written."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from divmetrics.records.results import Report

HOSTILE = "a\x1b[31m\n\u202eb\x07"


@pytest.fixture
def saved(tmp_path: Path, make_report: Callable[..., Report]) -> Path:
    make_report().save(tmp_path / "report.json")
    return tmp_path / "report.json"


OUTPUTS = (
    ("report", "r.json", "--html", "{}"),
    ("report", "r.json", "--html", "{}/"),
    ("report", "r.json", "--md", "{}"),
    ("gate", "r.json", "--junit", "{}"),
    ("gate", "--init", "a", "b", "--config", "{}"),
    ("gate", "--init", "a", "b", "--config", "{}/x.toml"),
    ("score", "a", "b", "--json", "{}"),
    ("compare", "a", "b", "c", "--samples", "{}"),
    ("extract", "a", "-o", "{}"),
    ("demo", "-o", "{}"),
)
"""Commands with an output; `{}` is its path, or the folder that it is in."""
NO_NAMES = {
    "x" * 300: r"File name too long; choose a shorter one\.",
    "": r"whose path is empty; name a file\.|it is a folder; name a file inside it",
}
"""Names that no output can have -> what is said of them."""


@pytest.mark.parametrize(
    ("arguments", "name"),
    [(arguments, name) for arguments in OUTPUTS for name in NO_NAMES if name or not arguments[-1].startswith("{}/")],
)
def test_a_name_that_no_output_can_have_is_a_wrong_request(
    arguments: tuple[str, ...],
    name: str,
    call: Callable[..., object],
    make_report: Callable[..., Report],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a name, a page went into the current folder, rules and the demo to their usual places."""
    monkeypatch.chdir(tmp_path)
    make_report().save("r.json")
    done = call(*(argument.format(name) for argument in arguments))
    assert (done.code, done.out) == (2, "")
    assert re.search(NO_NAMES[name], done.err)
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_score_and_extract_overwrite_no_input(call: Callable[..., object], engine: object, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    for name in ("real/0.png", "labels.csv", "x.dms"):
        (tmp_path / name).write_bytes(b"kept")
    real, labels = tmp_path / "real", tmp_path / "labels.csv"
    for arguments in (
        ("score", real, "fake", "--json", real / "0.png"),
        ("score", real, "fake", "--labels", labels, "--samples", labels),
        ("score", "real", f"y.dms+{tmp_path / 'x.dms'}", "--md", tmp_path / "x.dms"),
        ("score", "real", "fake", "--json", tmp_path / "o", "--md", tmp_path / "real" / ".." / "o"),
        ("extract", tmp_path / "x.dms", "-o", tmp_path / "x.dms"),
    ):
        done = call(*arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert "overwrite" in done.err or "both name" in done.err
    assert {path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == {b"kept"}


@pytest.mark.parametrize("victim", ["report.json", "divmetrics.toml", "baseline.json"])
@pytest.mark.parametrize("option", ["--json", "--md", "--junit"])
def test_the_gate_overwrites_nothing_that_it_reads(
    option: str, victim: str, saved: Path, call: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither with a result nor, where it ends with an error, with that."""
    monkeypatch.chdir(saved.parent)
    Path("baseline.json").write_bytes(saved.read_bytes())
    Path("divmetrics.toml").write_text("[gate]\nbaseline = 'baseline.json'\nrules.recall.max_regression = '5%'\n")
    before = Path(victim).read_bytes()
    for extra in ([], ["--unknown"]):
        done = call("gate", "report.json", option, victim, *extra)
        assert done.code == 2
        assert Path(victim).read_bytes() == before
    assert call("gate", "report.json", option, "new").code == 0


def test_hostile_names_are_defused_everywhere(
    call: Callable[..., object], make_report: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = json.dumps(make_report().to_dict()).replace("#12345678", "#\\u001b]0;x\\u0007\\n\\u009b31m")
    whole = json.loads(text.replace("k:5", "k:5\\u001b[2J"))
    whole["meta"] |= {"seed": HOSTILE, "device": HOSTILE}
    whole["fake"]["source"] = whole["fake"]["labels"] = None
    whole["fake"] |= {"source": HOSTILE, "labels": {HOSTILE: 9}, "skipped": [{"path": HOSTILE, "reason": HOSTILE}]}
    whole["metrics"]["recall@pixels"]["warnings"] = [HOSTILE]
    whole["modes"] = [{"id": 0, "name": HOSTILE, "real_share": 1, "fake_share": 0, "p": 0, "state": "missing"}]
    whole["facts"] = [{"kind": "x", "side": "fake", "count": 1, "text": HOSTILE}]
    Path("r.json").write_text(json.dumps(whole))
    Path("divmetrics.toml").write_text('[gate.rules."recall@pixels"]\nmin = 0.9\n')
    report = Report.load("r.json")
    done = call("gate", "r.json", "--md", "o.md", "--junit", "o.xml")
    assert done.code == 1
    ElementTree.fromstring(Path("o.xml").read_text())  # noqa: S314  our own
    shown = [done.out, done.err, Path("o.md").read_text(), Path("o.xml").read_text(), str(report), repr(report)]
    for page in shown:
        assert all(char.isprintable() or char == "\n" for char in page), page
    assert "\nb" not in str(report)


def test_hostile_file_names_reach_stderr_defused(call: Callable[..., object], tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    for i in range(3):
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(real / f"{i}.png")
    (real / f"{HOSTILE}.png").write_bytes(b"no image")
    run = ["-e", "pixels", "-m", "fid", "--no-null", "--ci-level", "0", "--no-cache"]
    for arguments in (
        ("score", real, real, *run),
        ("score", real, real, *run, "--max-skipped", "0.5"),
        ("score", tmp_path / HOSTILE, real),
        ("score", real, real, "-m", HOSTILE),
        ("extract", real, "-o", tmp_path / f"{HOSTILE}.dms", "-e", "pixels", "--max-skipped", "0.5"),
        ("score", real, real, "--debug", "-m", HOSTILE),
        (HOSTILE,),
    ):
        done = call(*arguments)
        for text in (done.out, done.err):
            assert all(char.isprintable() or char == "\n" for char in text), text
        if "--debug" not in arguments:
            assert done.err.count("\n") <= 1
