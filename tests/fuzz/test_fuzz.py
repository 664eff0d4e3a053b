"""Ten thousand damaged inputs: no hang, no traceback, no claim of a bug, no number that changed in silence."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree.ElementTree import ElementTree, fromstring

import pytest

HERE = Path(__file__).parent
TARGETS = re.findall(r'^    "([\w.-]+)": Target\(', (HERE / "targets.py").read_text(), re.MULTILINE)
INPUTS = 640
SEED = 20_261


def fuzz(*arguments: str) -> tuple[str, dict[str, object]]:
    """Output of `run.py`, and the counts in its last line."""
    command = [sys.executable, str(HERE / "run.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)  # noqa: S603
    assert done.stdout, done.stderr
    return done.stdout, json.loads(done.stdout.splitlines()[-1])


def test_there_are_ten_thousand_inputs() -> None:
    assert len(TARGETS) * INPUTS > 10_000


def test_a_skipped_test_is_no_try(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    faults = importlib.import_module("faults")
    found = """<testsuites><testsuite><testcase name="a"/><testcase name="b"><skipped message="no device"/></testcase>
    <testcase name="c"><failure/></testcase></testsuite></testsuites>"""
    count = faults._counted(ElementTree(fromstring(found)))  # noqa: S314  written here
    assert (count.tries, count.faults, count.skipped) == (2, ["c"], ["b: no device"])
    monkeypatch.setattr(faults, "KINDS", {"streams": lambda *_: count})
    assert faults.run(None, None, 0) == 1
    out = capsys.readouterr().out
    assert "skipped, not tried: streams, b: no device" in out
    assert "| streams | 2 |  | 1 | 1 |" in out


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_damaged_input_is_refused_or_changes_nothing(target: str) -> None:
    out, counts = fuzz("--target", target, "--inputs", str(INPUTS), "--seed", str(SEED))
    assert counts["faults"] == 0, out
    assert counts["inputs"] == INPUTS


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "tries"), [("disk", 120), ("threads", 10)])
def test_faults_of_the_machine_end_in_a_sentence_or_change_nothing(kind: str, tries: int) -> None:
    command = [sys.executable, str(HERE / "faults.py"), "--kind", kind, "--tries", str(tries), "--seed", str(SEED)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"| {kind} | {tries} |" in done.stdout
