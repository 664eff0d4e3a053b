"""A metric on rows is the same on every number of ranks: each rank holds all rows and does a share of the pairs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RANK = """
import json, sys
import torch
from torch import distributed as td
from divmetrics.records.metric import METRICS
from divmetrics.arrays import dist
from divmetrics.arrays.pairs import _distances, nearest_rows
from divmetrics.arrays.summaries import Rows

rank, ranks, meeting = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
_distances.BLOCK = 64  # several blocks a rank
metrics = [
    metric for metric in METRICS
    if metric.real and all(need.summary is Rows and need.layers[0] == "pooled" for need in metric.needs.values())
]

def found():
    generator = torch.Generator().manual_seed(0)
    real, fake, held_out = (Rows.from_array(torch.randn(n, 200, generator=generator)) for n in (200, 130, 150))
    given = {"real": real, "fake": fake, "held_out": held_out}
    with dist.collective():
        found = {metric.name: str(metric(*(given[side] for side in metric.needs))) for metric in metrics}
        found["kid of subsets"] = METRICS["kid"](real, fake, subsets=3, subset_size=50)
        found["nearest"] = [part.tolist() for part in nearest_rows(fake.features, real.features)]
    return found

if not rank:
    print(json.dumps(found()))  # before there are others
td.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=ranks)
print(json.dumps(found()))
td.destroy_process_group()
"""


def start(ranks: int, folder: Path) -> list[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", RANK]
    return [
        subprocess.Popen([*command, str(rank), str(ranks), str(folder / "meeting")], stdout=subprocess.PIPE)  # noqa: S603
        for rank in range(ranks)
    ]


def results(processes: list[subprocess.Popen[bytes]]) -> list[list[dict[str, object]]]:
    """What each process found: together with the others, and the first one alone before."""
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [[json.loads(line) for line in output.splitlines() if line.startswith(b"{")] for output in outputs]


@pytest.mark.parametrize("ranks", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_all_ranks_find_what_one_finds(ranks: int, tmp_path: Path) -> None:
    (alone, together), *others = results(start(ranks, tmp_path))
    assert {"precision", "recall", "density", "coverage", "kid"} <= alone.keys()
    assert [[together], *others] == [[alone]] * ranks
