"""An extractor from another distribution: found by its entry point, listed, scored with; a broken one is named."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
TEMPLATE = (ROOT / "docs" / "plugins.md").read_text()


def code_of(heading: str) -> str:
    """The first block of code below a heading of docs/plugins.md: what the page teaches is what is tested."""
    return TEMPLATE.split(heading)[1].split("```")[1].partition("\n")[2]


def install(folder: Path, name: str, module: str, code: str) -> None:
    """What `pip install` leaves of a distribution: a module, and its metadata beside it."""
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[divmetrics]\n{module} = {module}\n")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return start(folder, "-m", "divmetrics", *arguments)


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Python, for which the distributions in `folder` are installed."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(  # noqa: S603
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def samples_in(folder: Path) -> Path:
    """Two plug-ins, and images for them."""
    install(folder, "divmetrics-thumbnail", "divmetrics_thumbnail", code_of("## An extractor"))
    install(folder, "divmetrics-mean-gap", "divmetrics_mean_gap", code_of("## A metric"))
    generator = np.random.default_rng(0)
    for name in ("real", "fake"):
        np.save(folder / f"{name}.npy", generator.integers(0, 256, (20, 16, 16, 3), dtype=np.uint8))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return samples_in(tmp_path)


COMMANDS = {
    "extractors": ["list", "extractors", "--json"],
    "metrics": ["list", "metrics", "--json"],
    "thumbnail": ["score", "real.npy", "fake.npy", "-e", "thumbnail", "-m", "fid", "--no-null", "--json", "-"],
    "thumbnail?size=2": [
        "score", "real.npy", "fake.npy", "-e", "thumbnail?size=2", "-m", "fid", "--no-null", "--json", "-",
    ],
    "mean_gap": ["score", "real.npy", "fake.npy", "-e", "thumbnail", "-m", "mean_gap:order=1", "--json", "-"],
}  # fmt: skip
RUN_ALL = """
import contextlib, io, json, sys
import divmetrics as dm
from divmetrics.cli._main import run

found = {}
for name, arguments in json.loads(sys.argv[1]).items():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run(arguments)
    found[name] = json.loads(out.getvalue()) if not code else code
found["called"] = dm.metrics.mean_gap([[0.0, 0.0]], [[3.0, 4.0]])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each of the commands printed, in one process."""
    done = start(samples_in(tmp_path_factory.mktemp("plugins")), "-c", RUN_ALL, json.dumps(COMMANDS))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_plugin_is_listed_and_scored_with(found: dict[str, Any]) -> None:
    listed = {entry["name"]: entry for entry in found["extractors"]}
    assert listed["thumbnail"]["options"] == {"size": 4}
    assert listed["thumbnail"]["text"].startswith("Mean colours")
    values = [found[spec]["metrics"][f"fid@{spec}"]["value"] for spec in ("thumbnail", "thumbnail?size=2")]
    assert values[0] != values[1]


def test_a_metric_is_listed_scored_and_called(found: dict[str, Any]) -> None:
    listed = {entry["name"]: entry for entry in found["metrics"]}
    assert listed["mean_gap"]["options"] == {"order": 2.0}
    result = found["mean_gap"]["metrics"]["mean_gap@thumbnail"]
    assert result["value"] > 0
    assert result["ci"] is not None
    assert result["null"] is not None
    assert found["called"] == 5


PUBLIC = {"divmetrics.plugins", "divmetrics.sources", "divmetrics.metrics.mean_gap"}


@pytest.mark.parametrize("page", ["plugins.md", "meter.md"])
def test_pages_name_public_modules_only(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    imported = re.findall(r"(?:from|import) (divmetrics[\w.]*)", text) + re.findall(r"`(divmetrics\.[\w.]+)", text)
    assert {name for name in imported if name != "divmetrics"} <= PUBLIC


def test_a_broken_plugin_is_a_warning_that_names_its_distribution(folder: Path) -> None:
    install(folder, "divmetrics-broken", "divmetrics_broken", "raise RuntimeError('half a plug-in')\n")
    taken = "from divmetrics.plugins import extractor\n"
    taken += "extractor('pixels', modality='image', provides=('pooled',), cite='')(lambda: None)\n"
    install(folder, "divmetrics-taken", "divmetrics_taken", taken)
    listed = run(folder, "list", "extractors", "--json")
    assert {"thumbnail", "pixels"} <= {entry["name"] for entry in json.loads(listed.stdout)}
    assert (
        "'divmetrics_broken' of divmetrics-broken was not loaded: its code raised RuntimeError: half a plug-in"
        in listed.stderr
    )
    assert "of divmetrics-taken was not loaded: two extractors are called 'pixels'" in listed.stderr


TEXTS = """
from divmetrics.plugins import extractor

@extractor("words", modality="text", provides=("pooled",), cite="")
def words(*, size: int = 4):
    \"\"\"Counts of words.\"\"\"
    raise AssertionError("loaded for images")
"""


def test_an_extractor_of_another_modality_is_refused_before_it_is_loaded(folder: Path) -> None:
    install(folder, "divmetrics-words", "divmetrics_words", TEXTS)
    refused = run(folder, "score", "real.npy", "fake.npy", "-e", "words", "-m", "fid")
    assert refused.returncode == 2
    assert "real.npy holds images, and the extractor words reads text" in refused.stderr
    assert "divmetrics list extractors" in refused.stderr
