"""torchmetrics, accelerate, Lightning and `Evaluator` on two ranks: all have the numbers of all samples, each once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import divmetrics as dm

RUNS = Path(__file__).with_name("ranks_runs.py")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two ranks found."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(RUNS)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "DIVMETRICS_CACHE": str(folder / "cache")}
    done = subprocess.run(  # noqa: S603
        [*command, str(folder)], env=env, cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def normal(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def test_torchmetrics_counts_each_sample_once(ranks: list[dict[str, Any]]) -> None:
    first, second = (found["torchmetrics"] for found in ranks)
    assert (first.pop("local"), second.pop("local")) == (6, 7)  # sync_on_compute=False
    assert first == second
    assert first["n"] == [30, 20]
    assert first["mean"] == 0.5  # torchmetrics exchanged its own metric
    alone = dm.score(normal(30, 0), normal(20, 1), metrics="recall:k=3,fid", ci_level=0, null=False).scalars()
    assert {name: first[name] for name in alone} == pytest.approx(alone, rel=1e-5)


def test_each_rank_draws_its_share(ranks: list[dict[str, Any]]) -> None:
    first, second = (found["evaluator"] for found in ranks)
    assert first == second
    assert (first["n"], first["copies"]) == (41, 0)  # other samples on each rank
    assert first["error"] == "on one rank"


def test_accelerate(ranks: list[dict[str, Any]]) -> None:
    pytest.importorskip("accelerate", reason="needs accelerate (extra integrations)")
    assert [found["accelerate"] for found in ranks] == [{"n": 41, "processes": 2}] * 2


def test_lightning(ranks: list[dict[str, Any]]) -> None:
    pytest.importorskip("lightning", reason="needs lightning (extra integrations)")
    first, second = (found["lightning"] for found in ranks)
    assert first == second
    assert (first["n"], first["undisturbed"]) == (41, True)
    assert first["logged"] == pytest.approx(first["values"])
