"""Examples of README and docs, run as they stand: Python with stand-ins for what the reader brings, commands in a
folder of small images. A new example is run by being written, and says in `LEFT_BEHIND` what it is to have done.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import divmetrics as dm
from divmetrics.cli._main import run
from divmetrics.records.metric import METRICS
from divmetrics.sources import open_source

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = {
    "plugins.md": "tests/test_plugins.py runs its files",
    "training.md": "tests/integrations/test_training_page.py runs its blocks with the libraries",
}
RANKS = ("init_process_group", "accelerator")
"""Examples for several processes, of which tests/scoring/test_distributed.py runs the like."""
LEFT_BEHIND: Mapping[str, Callable[[Any], Any]] = {
    'metrics=["fid", "recall", "vendi"]': lambda its: (
        [key.partition("@")[0] for key in its.report.metrics] == ["fid", "recall", "vendi"]
        and 0 <= its.report["recall"].value <= 1
        and its.meter.collected("real").side.n == 24
    ),
    'dm.compare("real/", {"a"': lambda its: (
        its.found.names == ("a", "b") and [ranking.metric for ranking in its.found.ranking] == ["recall", "fid"]
    ),
    'dm.compare("real/", {100': lambda its: its.found.steps == (100, 200) and its.found.collapse is None,
    'dm.gate("real/", "fake/"': lambda its: (
        its.judged.outcomes[-1].name == "recall"
        and its.judged.passed == all(outcome.status != "fail" for outcome in its.judged.outcomes)
    ),
    "for images, _ in real_loader": lambda its: (its.report.real.n, its.report.fake.n) == (24, 600),
    'meter.take("real", dm.Collected.load': lambda its: its.meter.collected("real").side.n == 24,
    "dm.metrics.vendi(features, order=2)": lambda its: 1 < its.dm.metrics.vendi(its.features, order=2) <= 60,
    "exhibits=True": lambda its: its.report.exhibits.maps and Path("page.html").stat().st_size > 50_000,
    "def test_the_generator_is_diverse": lambda its: callable(its.test_the_generator_is_diverse),
    "import assert_diverse": lambda its: its.assert_diverse.__module__ == "divmetrics.pytest_plugin",
    'matrix("permutations"': lambda its: its.both.shape == (2, 199) and np.isfinite(its.both).all(),
}
"""Words of an example -> what must be so of the names that it leaves behind."""
NOT_HERE = ("weights fetch", "zoo train", "zoo check", "checkpoint=", "-e inception", "validate", "demo", "pip install")
"""Commands that need a network, take minutes, or have tests of their own."""


def blocks(kind: str) -> list[tuple[str, str]]:
    """Page and line, and text, of each block of code of a kind; unnamed blocks are commands."""
    found = []
    for page in PAGES:
        if not page.exists() or page.name in ELSEWHERE:
            continue
        text = page.read_text()
        found += [
            (f"{page.name}:{text[: match.start()].count(chr(10)) + 1}", match[2])
            for match in re.finditer(r"```(\w*)\n(.*?)```", text, re.DOTALL)
            if match[1] == kind
        ]
    return found


PYTHON = [block for block in blocks("python") if not any(word in block[1] for word in RANKS)]
COMMANDS = [
    pytest.param(line.partition("divmetrics ")[2].partition(" #")[0], id=f"{where} {line[:60].strip()}")
    for where, text in blocks("")
    for line in text.splitlines()
    if line.startswith("divmetrics ") and "REAL FAKE" not in line and not any(word in line for word in NOT_HERE)
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small images under every name that the pages use."""
    rng = np.random.default_rng(0)
    for name in (
        "real",
        "fake",
        "train",
        "test",
        "data/real",
        "samples",
        "a",
        "b",
        "run/step_000100",
        "run/step_000200",
    ):
        (tmp_path / name).mkdir(parents=True)
        for number in range(24):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    (tmp_path / "divmetrics.toml").write_text("[gate.rules.recall]\nmin = 0.0\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("where", "text"), blocks("python"), ids=[where for where, _ in blocks("python")])
def test_python_reads_metrics_that_were_measured(where: str, text: str) -> None:
    """The names in `report[...]` are those of the preset or of the metrics of the block; all of it compiles."""
    compile(text, where, "exec")
    measured = set(re.findall(r'"(\w+)"', " ".join(re.findall(r"metrics=(\S.*?)[\]\)]", text))))
    if "quick" in measured:
        measured |= {metric.name for metric in METRICS if "quick" in metric.presets}
    assert set(re.findall(r'report\["(\w+)"\]', text)) <= measured, where


@pytest.mark.slow
@pytest.mark.parametrize(("where", "text"), PYTHON, ids=[where for where, _ in PYTHON])
def test_python_leaves_behind_what_the_page_promises(where: str, text: str, folder: Path) -> None:
    images = torch.from_numpy(np.random.default_rng(0).random((24, 3, 32, 32), dtype=np.float32))
    features = np.random.default_rng(1).normal(size=(2, 60, 8))
    dm.score("real/", "fake/", metrics=["recall", "fid"], ci_level=0, null=False).save("report.json")
    dm.extract("real/", "real.dms")
    meter = dm.Meter(metrics="quick")
    meter.add("fake", images)
    brought = {
        "dm": dm, "torch": torch, "meter": meter, "images": images, "source": open_source("fake/"),
        "real_loader": [(images, torch.zeros(24))], "generator": lambda z: z, "noise": lambda: 2 * images[:12] - 1,
        "real_features": features[0], "fake_features": features[1], "features": features[0],
    }  # fmt: skip
    (left_behind,) = [check for words, check in LEFT_BEHIND.items() if words in text]
    exec(compile(text.replace('"cuda"', '"cpu"'), where, "exec"), brought)  # noqa: S102
    assert left_behind(SimpleNamespace(**brought))


@pytest.mark.slow
@pytest.mark.parametrize("line", COMMANDS)
def test_command(line: str, folder: Path) -> None:
    run(shlex.split("score real/ fake/ --json report.json --ci-level 0 --no-null --quiet"))
    if "--init" in line:  # which writes it
        Path("divmetrics.toml").unlink()
    assert run(shlex.split(line)) in (0, 1), line  # 1: these images do not pass every rule
