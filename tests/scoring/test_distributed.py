"""`score` and `Meter` on 1, 2 and 4 ranks: the same report on every rank, equal to the one of a process alone."""

import json
import os
import re
import runpy
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import divmetrics as dm
from divmetrics import errors
from divmetrics.arrays.pairs import _distances

RUNS = Path(__file__).with_name("distributed_runs.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Arrays of features, and class folders of images of which two cannot be read."""
    place, rng = tmp_path_factory.mktemp("ranks"), np.random.default_rng(0)
    for name, n in (("real", 60), ("fake", 50), ("held_out", 45)):
        np.save(place / f"{name}.npy", rng.normal(0.3 * (name == "fake"), 1, (n, 4)))
    for side, classes in (("real", "abc"), ("fake", "ab")):
        for shade, label in enumerate(classes):
            (place / side / label).mkdir(parents=True)
            for i in range(7):
                pixels = rng.integers(60 * shade, 60 * shade + 60, (176, 176, 3))
                Image.fromarray(pixels.astype(np.uint8)).save(place / side / label / f"{i}.png")
    for name in ("a/2.png", "b/6.png"):
        (place / "fake" / name).write_bytes(b"")
    return place


def run(ranks: int, folder: Path) -> list[dict[str, Any]]:
    """What each of `ranks` processes found."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "DIVMETRICS_CACHE": str(folder / f"cache-{ranks}")}
    processes = [
        subprocess.Popen([sys.executable, str(RUNS), str(rank), str(ranks), str(folder)], env=env)  # noqa: S603
        for rank in range(ranks)
    ]
    try:
        assert [process.wait(timeout=240) for process in processes] == [0] * ranks
    finally:
        for process in processes:
            process.kill()
    return [json.loads((folder / f"{rank}-of-{ranks}.json").read_text()) for rank in range(ranks)]


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, Any]:
    """What this process finds by itself."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of images that cannot be read
        patch.setenv("DIVMETRICS_CACHE", str(folder / "cache-1"))
        patch.setattr(_distances, "BLOCK", _distances.BLOCK)  # the runs set another one
        runpy.run_path(str(RUNS))["main"](0, 1, folder)
    return json.loads((folder / "0-of-1.json").read_text())


def same(found: Any, wanted: Any) -> bool:
    """Equal, floats up to round-off: sums of parts are added up in another order."""
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict) and found.keys() == wanted.keys() and all(same(found[k], wanted[k]) for k in wanted)
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(wanted, float) and isinstance(found, float):
        return found == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    return bool(found == wanted)


@pytest.mark.parametrize("ranks", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_all_ranks_report_what_one_process_reports(ranks: int, folder: Path, alone: dict[str, Any]) -> None:
    found = run(ranks, folder)
    for name, wanted in alone.items():
        for rank in range(ranks):
            assert same(found[rank][name], wanted), f"{name} on rank {rank}"
            assert found[rank][name] == found[0][name]
    refusals = found[0]["refusals"]
    assert all(other["refusals"] == refusals for other in found)
    assert all(other["alone"] for other in found)
    assert all(other["absent"][0] == "Unavailable" for other in found)
    assert all(other["absent"][1].startswith(f"rank {ranks - 1} has not come") for other in found)
    assert all(other["world size"] == [ranks, ranks] for other in found)
    for other in found:
        assert [text.partition(";")[0].partition(": the sampler")[0] for text in other["padded"]] == [
            f"{side}: the last {ranks - 1} of the {9 * ranks} samples of all ranks repeat the first"
            for side in ("fake", "real")
        ]
    last = ranks - 1
    for name, words in {
        "another metric": f"metrics is .*kid.* on rank 0 and .*fid.* on rank {last}",
        "another option": "'k': 4.*'k': 3",
        "another extractor": "extractor is .*pixels.* on rank 0 and .*pixels.size=8",
        "another seed": f"seed is 0 on rank 0 and 1 on rank {last}",
        "another level": "ci_level is 0.5 on rank 0 and 0.9",
        "another size": "samples is 40 on rank 0 and 41",
        "other samples": "digest is sha256",
        "a typing error": "unknown metric or preset 'recal'",
        "no such folder": "absent",
        "a row that is NaN": "real: 1 of .* rows hold NaN or Inf",
        "too many unreadable": "2 of 14 samples cannot be read",
        "too many unreadable without a cache": "2 of 14 samples cannot be read",
        "a level out of range": "level is 2.0",
        "an unknown keyword": "metrisc",
        "an unknown rule": "most",
        "an unknown keyword of load": "'n'",
        "too few samples": "recall with k=5 needs at least 6",
        "a refused batch": "real: 1 of .* rows hold NaN or Inf",
        "two refused batches, and all come": "real: 1 of .* rows hold NaN or Inf",
    }.items():
        kind, sentence = refusals[name]
        assert issubclass(getattr(errors, kind), errors.DivmetricsError)
        assert re.search(words, sentence), f"{name}: {sentence}"


def command(rank: int, port: int, *arguments: object) -> "subprocess.Popen[str]":
    """One of two ranks of the command, as torchrun starts them."""
    job = {"WORLD_SIZE": "2", "RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    line = [sys.executable, "-m", "divmetrics", *map(str, arguments)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", **job}
    return subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603


@pytest.mark.parametrize(("fake", "code"), [("fake", 0), pytest.param("absent", 3, marks=pytest.mark.slow)])
def test_a_launched_command_shares_the_work_and_prints_once(fake: str, code: int, folder: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = ["score", folder / "real.npy", folder / f"{fake}.npy", "-m", "fid", "--json", tmp_path / "report.json"]
    ranks = [command(rank, port, *given, "--no-null") for rank in range(2)]
    (out, err), (other_out, other_err) = (rank.communicate(timeout=240) for rank in ranks)
    assert [rank.returncode for rank in ranks] == [code, code], err + other_err
    assert (other_out, other_err) == ("", "")
    if code:
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return
    assert out.count("fid") > 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["meta"]["world_size"] == 2
    rows = [np.load(folder / f"{side}.npy") for side in ("real", "fake")]
    assert report["metrics"]["fid@features"]["value"] == pytest.approx(dm.metrics.fid(*rows), rel=1e-9)
