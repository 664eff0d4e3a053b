"""The recipes of docs/gate.md: YAML that parses, steps that are there, commands that the command line takes."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import divmetrics as dm
from divmetrics.cli._gate import gate
from divmetrics.report.gate.rules import KEYS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "gate.md").read_text()
RECIPES = {
    heading: yaml.safe_load(block)
    for heading, block in re.findall(r"^## ([^\n]*)\n(?:(?!^## ).)*?```yaml\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
}
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())


def texts(content: Any) -> Iterator[str]:
    """Every text in YAML."""
    for child in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from texts(child)
    if isinstance(content, str):
        yield content


def test_there_is_a_recipe_for_each_server() -> None:
    assert set(RECIPES) == {"In GitHub Actions", "In GitLab CI", "In pre-commit"}
    github = RECIPES["In GitHub Actions"]
    steps = github["jobs"]["gate"]["steps"]
    assert github[True] == "pull_request", "YAML 1.1 reads on as true"
    assert all({"uses", "run"} & set(step) for step in steps)
    assert all(step["if"] == "always()" for step in steps if "gate.md" in step.get("run", "") and "cat" in step["run"])
    assert RECIPES["In GitLab CI"]["gate"]["artifacts"]["reports"] == {"junit": "gate.xml"}
    assert RECIPES["In GitLab CI"]["gate"]["artifacts"]["when"] == "always"


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_runs_a_gate_that_the_command_line_takes(name: str) -> None:
    commands = [text for text in texts(RECIPES[name]) if text.startswith("divmetrics gate ")]
    assert commands
    for command in commands:
        given = gate.make_context("gate", shlex.split(command)[2:], resilient_parsing=False)
        assert given.params["sources"]


def test_the_hook_of_this_repository_is_that_of_the_recipe() -> None:
    (local,) = RECIPES["In pre-commit"]["repos"][0]["hooks"]
    (ours,) = HOOKS
    for key in ("id", "name", "language", "pass_filenames"):
        assert ours[key] == local[key]
    assert shlex.join([*shlex.split(ours["entry"]), *ours["args"]]) == local["entry"]
    for files in (ours["files"], local["files"]):
        assert [bool(re.search(files, path)) for path in ("report.json", "divmetrics.toml", "a.json")] == [1, 1, 0]


@pytest.mark.slow
def test_the_hook_in_pre_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe, with the divmetrics that is here in place of one that is installed from an index."""
    program = shutil.which("pre-commit", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None or shutil.which("git") is None:
        pytest.skip("pre-commit or git is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path.parent / "pre-commit"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603

    recipe = yaml.safe_load(yaml.safe_dump(RECIPES["In pre-commit"]))
    (hook,) = recipe["repos"][0]["hooks"]
    hook["entry"] = hook["entry"].replace("divmetrics", shlex.join([sys.executable, "-m", "divmetrics"]))
    hook["language"] = "system"
    del hook["additional_dependencies"]
    Path(".pre-commit-config.yaml").write_text(yaml.safe_dump(recipe))
    rows = np.eye(8)
    dm.score(rows, rows, metrics="recall", ci_level=0, null=False).save("report.json")
    Path("notes.txt").touch()
    run("git", "init", "-q")
    for bound, passes in (("min = 0.4", True), ("max = 0.5", False)):
        Path("divmetrics.toml").write_text(f"[gate.rules.recall]\n{bound}\n")
        run("git", "add", "-A")
        done = run(program, "run", "divmetrics-gate")
        assert (done.returncode == 0) == passes, done
        assert ("Passed" if passes else "1 is above 0.5") in done.stdout
    assert "Skipped" in run(program, "run", "divmetrics-gate", "--files", "notes.txt").stdout
    assert run(program, "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")).returncode == 0


def test_toml_in_the_page_has_known_keys() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    for block in blocks:
        assert set(tomllib.loads(block)["gate"]) <= set(KEYS)
