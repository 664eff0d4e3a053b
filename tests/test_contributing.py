"""The worked examples of CONTRIBUTING.md: each file is put where the page says, and each command of the page is run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # a copy of the package, and every command of the page in it
ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
FILES = dict(re.findall(r"as `((?:divmetrics|tests)/\S+\.py)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [shlex.split(line, comments=True) for line in PAGE.partition("## Add a metric")[2].splitlines()
            if line.startswith(".venv/bin/")]  # fmt: skip
TOOL = [command[1:] for command in COMMANDS if command[0] == ".venv/bin/divmetrics"]
PYTEST = [command[1:] for command in COMMANDS if command[0] == ".venv/bin/pytest"]
RUN_ALL = """
import contextlib, io, json, sys
from divmetrics.cli._main import run

for arguments in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run(arguments)
    print(json.dumps([arguments, code, out.getvalue()]))
"""


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in `folder`, whose copy of the package is the one that is imported."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "250"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and of the tests with the files of the page in it."""
    folder = tmp_path_factory.mktemp("clone")
    for part in ("divmetrics", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / path, folder / path)
    for path, code in FILES.items():
        assert not (folder / path).exists()
        (folder / path).write_text(code)
    return folder


@pytest.fixture(scope="module")
def printed(clone: Path) -> dict[str, str]:
    """Command of the page -> what it printed; all of them ended well."""
    done = start(clone, "-c", RUN_ALL, json.dumps(TOOL))
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert {shlex.join(arguments): code for arguments, code, _ in results if code} == {}, done.stderr
    return {shlex.join(arguments): out for arguments, _, out in results}


def row(table: str, name: str) -> str:
    """The line of a table that begins with `name`."""
    (line,) = [line for line in table.splitlines() if line.split()[:1] == [name]]
    return line


def test_the_page_has_a_file_and_commands_for_each_kind() -> None:
    folders = {path.rpartition("/")[0] for path in FILES}
    assert folders == {"divmetrics/metrics/moments", "divmetrics/encoders", "divmetrics/zoo/entries", "tests/encoders"}
    assert len(TOOL) == 8
    assert len(PYTEST) == 3


def test_the_parts_are_listed(printed: dict[str, str]) -> None:
    assert "Total standard deviation" in row(printed["list metrics"], "spread_ratio")
    assert "size=32" in row(printed["list extractors"], "edges")
    assert re.search(r"0\.\d\d, 2\d of 25", row(printed["zoo list"], "grid-25-ddim-steps"))


def test_the_parts_are_scored_with(printed: dict[str, str]) -> None:
    scores = [out for command, out in printed.items() if command.startswith("score")]
    assert [bool(re.search(r"^(?:! )? *(spread_ratio|fid) +[\d.]+ +\[", out, re.MULTILINE)) for out in scores] == [
        True
    ] * 3
    assert any("edges#" in out for out in scores)


def test_the_entry_of_the_zoo_is_recorded_and_gives_its_numbers_again(printed: dict[str, str]) -> None:
    assert printed["zoo check grid-25-ddim-steps --record"].startswith("new ")
    assert printed["zoo check grid-25-ddim-steps"].startswith("same ")


@pytest.mark.parametrize("arguments", PYTEST, ids=" ".join)
def test_the_tests_of_the_page_pass(arguments: list[str], clone: Path, printed: dict[str, str]) -> None:
    done = start(clone, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
    assert done.returncode == 0, done.stdout


def test_the_example_in_the_docstring_is_true(clone: Path) -> None:
    code = "import doctest, divmetrics as dm; record = dm.metrics.spread_ratio; "
    code += "doctest.run_docstring_examples(record.function, {}, name='spread_ratio')"
    done = start(clone, "-c", code)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_files_pass_the_linter(clone: Path) -> None:
    pytest.importorskip("ruff")
    for arguments in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = start(clone, "-m", "ruff", *arguments, *FILES)
        assert done.returncode == 0, done.stdout
