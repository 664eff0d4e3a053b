"""Streams that are closed, broken or full: the exit code is that of the work, and no file is written into by chance."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import divmetrics
from divmetrics.records.results import Report

HERE = {**os.environ, "PYTHONPATH": str(Path(divmetrics.__file__).parents[1])}


pytestmark = pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a device that is always full")


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a command line of bash in which D is divmetrics."""
    python = shlex.quote(sys.executable)
    script = f'D() {{ {python} -m divmetrics "$@"; }}\n{command}'
    return subprocess.run(["bash", "-c", script], cwd=folder, env=HERE, capture_output=True)  # noqa: S603, S607


@pytest.fixture
def folder(tmp_path: Path, make_report: Callable[..., Report]) -> Path:
    """A report, rules that it passes and rules that it fails."""
    make_report().save(tmp_path / "r.json")
    (tmp_path / "pass.toml").write_text("[gate.rules.recall]\nmin = 0.4\n")
    (tmp_path / "fail.toml").write_text("[gate.rules.recall]\nmin = 0.9\n")
    return tmp_path


@pytest.mark.parametrize("streams", ["2>&-", "<&- >&- 2>&-", "2>/dev/full", ">/dev/full", "> >(true) 2> >(true)"])
def test_exit_codes_hold_whatever_the_streams_are(streams: str, folder: Path) -> None:
    commands = {
        "D gate r.json --config pass.toml --json out.json": 0,
        "D gate r.json --config fail.toml": 1,
        "D gate none.json --config pass.toml --debug": 2,
        "D --help": 0,
    }
    lines = [f"{command} {streams}; echo $? >> codes" for command in commands]
    shell("\n".join(lines), folder)
    assert [int(code) for code in (folder / "codes").read_text().split()] == list(commands.values())
    assert (folder / "out.json").read_bytes().startswith(b"{")
    assert (folder / "out.json").read_bytes().endswith(b"}\n")


def test_a_result_that_was_lost_is_told_and_one_that_nobody_wanted_is_not(folder: Path) -> None:
    lost = shell("D gate r.json --config pass.toml --json - > /dev/full", folder)
    assert lost.stderr == b"warning: standard output could not be written: No space left on device.\n"
    assert shell("D gate r.json --config pass.toml | true; exit ${PIPESTATUS[0]}", folder).stderr == b""


def test_process_substitution_and_devices_are_outputs(folder: Path) -> None:
    done = shell("D gate r.json --config pass.toml --json >(cat > a.json) --md /dev/stderr; wait; sleep 0.2", folder)
    assert (folder / "a.json").read_bytes().startswith(b"{")
    assert done.stderr.startswith(b"### gate passed")
    assert done.stdout.startswith(b"gate passed")


END = """
import sys, types
from divmetrics.cli._main import run
def score(*_, **__):
    raise ERROR
sys.modules["divmetrics.scoring.score"] = types.SimpleNamespace(score=score)
sys.exit(run(["score", "a", "b"]))
"""
"""A stand-in for the module, so that torch is not loaded."""


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        ("EOFError('Ran out of input')", 3, "error: a file ends too early (Ran out of input)"),
        ("BrokenPipeError(32, 'Broken pipe', 'out.json')", 3, "error: out.json: Broken pipe."),
        ("KeyboardInterrupt", 130, "error: interrupted."),
    ],
)
def test_errors_that_click_takes_for_others(error: str, code: int, words: str, tmp_path: Path) -> None:
    script = END.replace("ERROR", error)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=HERE, cwd=tmp_path)  # noqa: S603
    assert done.returncode == code
    assert done.stderr.strip().startswith(words)
