"""Functions of arrays are local unless a collective run is asked for, whatever process group exists."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed as td

import divmetrics as dm
from divmetrics.arrays import dist
from divmetrics.arrays.pairs import _distances

METRICS = ("kid", "rke", "mmd_rbf", "sliced_wasserstein", "ndb", "precision")


def values(seed: int) -> dict[str, float]:
    """Each metric on arrays drawn by `seed`."""
    generator = torch.Generator().manual_seed(seed)
    real, fake = (torch.randn(150, 8, generator=generator) for _ in range(2))
    fake = fake * (1 + seed / 2) + seed / 2
    metrics = {name: getattr(dm.metrics, name) for name in METRICS}
    return {name: metric(fake) if name == "rke" else metric(real, fake) for name, metric in metrics.items()}


def rank(number: int, folder: str) -> None:
    """What one of two processes computes, written to a file of its own."""
    td.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=2)
    _distances.BLOCK = 64  # several blocks a rank
    found: dict[str, Any] = {"world alone": dist.world(), "own arrays": values(1 + number)}
    if number == 0:  # the other rank calls nothing, and none waits for it
        found["on one rank"] = values(3)
    with dist.collective():
        with dist.collective():
            found["one set together"] = values(0)
        found["world"] = dist.world()
        found["shards"] = dist.gather(list(dist.shard(5)))
    found["group size"] = dist.group_size()
    torch.save(found, f"{folder}/{number}.pt")
    td.destroy_process_group()


def test_own_arrays_give_each_rank_its_own_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_distances, "BLOCK", 64)
    processes = [subprocess.Popen([sys.executable, __file__, str(number), str(tmp_path)]) for number in range(2)]  # noqa: S603
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    first, second = (torch.load(tmp_path / f"{number}.pt") for number in range(2))
    assert first["own arrays"] == values(1)
    assert second["own arrays"] == values(2)
    assert first["on one rank"] == values(3)
    assert all(first["own arrays"][name] != second["own arrays"][name] for name in METRICS)
    assert first["one set together"] == second["one set together"]
    assert first["one set together"] == values(0)
    assert (first["world alone"], second["world alone"]) == ((0, 1), (0, 1))
    assert (first["world"], second["world"]) == ((0, 2), (1, 2))
    assert first["shards"] == second["shards"] == [[0, 1], [2, 3, 4]]
    assert first["group size"] == second["group size"] == 2


def test_without_a_job_each_function_is_the_identity() -> None:
    for context in (dist.collective(), torch.no_grad()):
        with context:
            assert dist.world() == (0, 1)
            assert dist.group_size() == 1
            assert dist.shard(5) == range(5)
            assert dist.first_of_rank() == 0
            assert dist.gather("value") == ["value"]
            assert dist.fold(None) is None
            assert dist.spread(3, lambda rows: torch.tensor(list(rows))).tolist() == [0, 1, 2]


def test_a_collective_run_ends_with_its_context_even_after_an_error() -> None:
    with dist.collective():
        try:
            with dist.collective():
                raise ValueError
        except ValueError:
            pass
        assert dist._in_collective.get()
    assert not dist._in_collective.get()


if __name__ == "__main__":
    rank(int(sys.argv[1]), sys.argv[2])
