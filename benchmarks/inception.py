"""Folders to FID on Inception, command against command: divmetrics, torch-fidelity, pytorch-fid; the network alone.

    python benchmarks/inception.py                 2 x 200 photographs of 256 x 256, about ten minutes on two cores
    python benchmarks/inception.py --n 100         2 x 100 of them
    python benchmarks/inception.py --n 20 --quick  to see that everything runs; the results are kept apart

All read the same random weights from a file. Start-up, decoding and the distance count. Where two tools resize alike,
their values are the same. The memory is that of this process, and says nothing of the commands.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from harness import Contender, Timing, photographs, race, report

from divmetrics.encoders import load_encoder
from divmetrics.extraction import engines

PACKAGES = ["numpy", "openvino", "pillow", "pytorch-fid", "scipy", "torch", "torch-fidelity"]
ROOT = Path(__file__).parent.parent
PT_FILE = "pt_inception-2015-12-05-6726825d.pth"
"""Where pytorch-fid looks for its weights, in torch's own cache."""


def command(arguments: Sequence[str | Path], value: Callable[[str], float], **env: str) -> Callable[[], float]:
    """Run a program and read the FID from what it prints."""

    def run() -> float:
        line = [sys.executable, "-m", *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ | env)  # noqa: S603
        return value(done.stdout)

    return run


def divmetrics(
    extractor: str, weights: Path, real: Path, fake: Path, name: str = "divmetrics", *more: str | Path
) -> Contender:
    options = ["-m", "fid", "-e", extractor, "--weights", weights, "--json", "-", *more]
    read = lambda text: json.loads(text)["metrics"].popitem()[1]["value"]  # noqa: E731
    return Contender(name, command(["divmetrics", "score", real, fake, *options], read))


def again(weights: Path, real: Path, fake: Path, cache: Path) -> Contender:
    """Folders whose features an earlier command has kept."""
    contender = divmetrics("inception", weights, real, fake, "divmetrics, cached", "--cache", cache)
    contender.run()
    return contender


def torch_fidelity(weights: Path, real: Path, fake: Path) -> Contender:
    options = ["--fid", "--cpu", "--no-cache", "--json", "--silent", "--feature-extractor-weights-path", weights]
    read = lambda text: json.loads(text)["frechet_inception_distance"]  # noqa: E731
    sides = ["--input1", fake, "--input2", real]
    return Contender("torch-fidelity", command(["torch_fidelity.fidelity", *sides, *options], read))


def pytorch_fid(weights: Path, real: Path, fake: Path) -> Contender:
    checkpoints = weights.parent / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / PT_FILE).symlink_to(weights)
    read = lambda text: float(text.rpartition("FID:")[2])  # noqa: E731
    run = command(["pytorch_fid", "--device", "cpu", real, fake], read, TORCH_HOME=str(weights.parent))
    return Contender("pytorch-fid", run)


def network_alone(weights: Path, n: int) -> Contender:
    """The compiled network on prepared images: what this machine's arithmetic allows."""
    encoder = load_encoder(f"inception?weights={weights}")
    engine = engines.accelerate(encoder, torch.device("cpu"), (3, 299, 299))
    batch = torch.randn(4, 3, 299, 299, generator=torch.Generator().manual_seed(0))

    def forward() -> float:
        waiting, total = deque(), 0.0
        for _ in range(n // len(batch)):
            waiting.append(engine.start(batch))
            if len(waiting) > engine.ahead:
                total += float(waiting.popleft()()[0].mean())
        return total + sum(float(wait()[0].mean()) for wait in waiting)

    return Contender(f"{engine.name}, network alone", forward)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=200, help="photographs on each side")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, each contender once in each")
    parser.add_argument("--quick", action="store_true", help="write to results/inception-quick.jsonl")
    given = parser.parse_args()
    n, fresh = given.n, ("divmetrics", "--no-cache")
    with TemporaryDirectory() as name:
        folder = Path(name)
        sides = photographs(folder / "real", n, 0), photographs(folder / "fake", n, 1)
        weights = folder / "random.pth"
        torch.save(load_encoder("inception?weights=random&seed=0").network.state_dict(), weights)
        timings: list[Timing] = race(
            f"FID as torch-fidelity, 2 x {n}",
            [
                divmetrics("inception", weights, *sides, *fresh),
                torch_fidelity(weights, *sides),
                network_alone(weights, 2 * n),
                again(weights, *sides, folder / "cache"),
            ],
            given.repeats,
            patience=300,
        )
        timings += race(
            f"FID as pytorch-fid, 2 x {n}",
            [divmetrics("inception-pytorch-fid", weights, *sides, *fresh), pytorch_fid(weights, *sides)],
            given.repeats,
            patience=300,
        )
    report("inception-quick" if given.quick else "inception", timings, PACKAGES)


if __name__ == "__main__":
    main()
