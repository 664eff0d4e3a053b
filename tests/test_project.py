"""What the files around the code say: one version, one date, how many metrics, workflows that can be read."""

import datetime
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import divmetrics
from divmetrics.records.metric import METRICS

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / ".ci" / "check_release.py"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_release", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check_release = load_script()
SECTIONS = check_release.changelog_sections(ROOT)


@pytest.mark.parametrize(
    ("file", "pattern"),
    [("README.md", r"(\d+) metrics of the field"), ("CHANGELOG.md", r"Metrics, (\d+) of them")],
)
def test_the_metrics_are_counted_right(file: str, pattern: str) -> None:
    (count,) = re.findall(pattern, (ROOT / file).read_text())
    assert int(count) == len(list(METRICS))


def test_the_readme_shows_a_picture_of_the_page() -> None:
    (place,) = re.findall(r"!\[The page of the demo[^]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert (ROOT / place).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md"])
def test_links_of_pages_outside_of_the_docs_lead_somewhere(page: str) -> None:
    """Those of the docs are checked where the site is built."""
    for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text()):
        if not link.startswith("https://"):
            assert ((ROOT / page).parent / link.partition("#")[0]).exists(), link


def test_the_changelog_has_dated_sections_below_what_is_unreleased() -> None:
    assert [name for name, _, _ in SECTIONS][:2] == ["Unreleased", divmetrics.__version__]
    assert len(SECTIONS) == len(re.findall("^## ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE))
    dates = [datetime.date.fromisoformat(date) for _, date, _ in SECTIONS[1:]]
    assert dates == sorted(dates, reverse=True)
    assert SECTIONS[0][1] is None


def test_the_citation_names_the_newest_version_of_the_changelog() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"title", "message", "authors"} <= citation.keys()
    assert (citation["version"], citation["date-released"]) == SECTIONS[1][:2]


def test_the_version_is_written_once() -> None:
    assert check_release.version_of(ROOT) == divmetrics.__version__
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert 'dynamic = ["version"]' in pyproject
    assert 'path = "divmetrics/_version.py"' in pyproject


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A project that may be released as v1.2.3."""
    (tmp_path / "divmetrics").mkdir()
    (tmp_path / "divmetrics" / "_version.py").write_text('"""The version."""\n\n__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2030-01-02\n\n- New.\n")
    (tmp_path / "CITATION.cff").write_text('version: 1.2.3\ndate-released: "2030-01-02"\n')
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nHomepage = "https://example.org/"\n')
    return tmp_path


def test_a_release_that_is_ready(ready: Path) -> None:
    assert check_release.missing("v1.2.3", ready) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("divmetrics/_version.py", "1.2.3", "1.2.4", "The tag is v1.2.3 and divmetrics/_version.py says 1.2.4"),
        ("CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n\n- More.\n", "has unreleased changes"),
        ("CHANGELOG.md", "## [Unreleased]\n", "", "does not begin with [Unreleased]"),
        ("CHANGELOG.md", "## [1.2.3] - 2030-01-02", "## [1.2.3]", "is not [1.2.3] - YEAR-MONTH-DAY"),
        ("CHANGELOG.md", "## [1.2.3] -", "## [1.2.2] -", "is not [1.2.3] - YEAR-MONTH-DAY"),
        ("CITATION.cff", "version: 1.2.3", "version: 1.2.2", "CITATION.cff must say version 1.2.3"),
        ("CITATION.cff", "2030-01-02", "2030-01-03", "date-released 2030-01-02"),
        ("pyproject.toml", "example.org", "divmetrics.invalid", "[project.urls] in pyproject.toml are placeholders"),
    ],
)
def test_a_release_that_is_not(ready: Path, file: str, old: str, new: str, message: str) -> None:
    text = (ready / file).read_text()
    assert old in text
    (ready / file).write_text(text.replace(old, new))
    assert message in " ".join(check_release.missing("v1.2.3", ready))


def test_the_script_ends_with_an_exit_code(ready: Path) -> None:
    (ready / ".ci").mkdir()
    shutil.copy(SCRIPT, ready / ".ci")
    command = [sys.executable, str(ready / ".ci" / SCRIPT.name)]
    assert subprocess.run([*command, "v1.2.3"], check=False).returncode == 0  # noqa: S603
    done = subprocess.run([*command, "v1.2.4"], check=False, capture_output=True, text=True)  # noqa: S603
    assert (done.returncode, done.stderr) == (
        1,
        "The tag is v1.2.4 and divmetrics/_version.py says 1.2.3; tag v1.2.3.\n",
    )


def workflow(name: str) -> dict:
    found = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return {"on" if key is True else key: value for key, value in found.items()}  # `on` is a boolean in YAML 1.1


def commands(job: dict) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_hosted_ci_runs_the_script_on_both_versions_of_python() -> None:
    ci = workflow("ci.yml")
    assert {"push", "pull_request"} <= ci["on"].keys()
    (job,) = ci["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert commands(job) == ["bash .ci/run"]


def test_a_tag_is_checked_built_and_published_without_a_password() -> None:
    release = workflow("release.yml")
    assert release["on"]["push"]["tags"] == ["v*"]
    build, publish = release["jobs"]["build"], release["jobs"]["publish"]
    assert commands(build)[0] == 'python .ci/check_release.py "$GITHUB_REF_NAME"'
    assert publish["needs"] == "build"
    assert publish["permissions"] == {"id-token": "write"}
    assert "secrets" not in (ROOT / ".github" / "workflows" / "release.yml").read_text()


def test_the_hooks_are_local_and_call_the_tools_of_the_environment() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (local,) = config["repos"]
    assert local["repo"] == "local"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    assert [hook["entry"].split()[0] for hook in local["hooks"]] == ["ruff", "ruff", "mypy"]
