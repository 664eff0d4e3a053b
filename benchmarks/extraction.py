"""Two folders of JPEG files to features and to a report, efficientnet-lite0: divmetrics beside eager DataLoader loops.

    python benchmarks/extraction.py                 2 x 2,000 images of 256 x 256, about half an hour on two cores
    python benchmarks/extraction.py --n 200         2 x 200 of them
    python benchmarks/extraction.py --n 20 --quick  to see that everything runs; the results are kept apart

Features: files to rows in memory, in this process, the network compiled anew each time; values are images a second and
the mean feature. Reports: whole commands, start-up, intervals and null bands included; values are images a second.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from harness import Contender, photographs, race, report
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from divmetrics.encoders import load_encoder
from divmetrics.extraction import engines, loop
from divmetrics.sources import open_source

PACKAGES = ["numpy", "pillow", "timm", "torch", "torchvision", "openvino"]
ROOT = Path(__file__).parent.parent
NETWORK = "efficientnet-lite0"
Rate = tuple[float, float]
"""Images a second, mean pooled feature."""


def ours(folder: Path) -> Rate:
    network = deepcopy(load_encoder(NETWORK).network)  # one that was not compiled before
    encoder, rows, begin = replace(load_encoder(NETWORK), build=lambda: network), [], perf_counter()
    for side in sorted(folder.iterdir()):
        source = open_source(side)
        add = lambda _encoder, _layer, batch, _places: rows.append(batch)  # noqa: E731
        loop.run(source, [encoder], layers={"pooled"}, add=add, settings=loop.ExtractionSettings("cpu"))
    pooled = torch.cat(rows)
    return len(pooled) / (perf_counter() - begin), float(pooled.mean())


class Photographs(Dataset[torch.Tensor]):
    """As most evaluation scripts have it: Pillow, torchvision's transforms, one file an item."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.rglob("*.jpg"))
        resize = transforms.Resize((224, 224), transforms.InterpolationMode.BICUBIC)
        self.prepare = transforms.Compose([resize, transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.prepare(Image.open(self.files[index]).convert("RGB"))


def eager_loop(folder: Path, workers: int) -> Callable[[], Rate]:
    network = load_encoder(NETWORK).network

    def run() -> Rate:
        begin, rows = perf_counter(), []
        network.to(memory_format=torch.contiguous_format)  # as most scripts leave it
        with torch.no_grad():
            for batch in DataLoader(Photographs(folder), batch_size=64, num_workers=workers):
                rows.append(network(batch)[0])  # noqa: PERF401
        pooled = torch.cat(rows)
        return len(pooled) / (perf_counter() - begin), float(pooled.mean())

    return run


def network_alone(n: int) -> Callable[[], Rate]:
    """The compiled network on one prepared batch, again and again: what the arithmetic of the machine allows."""

    def run() -> Rate:
        engine = engines.accelerate(load_encoder(NETWORK), torch.device("cpu"), (3, 224, 224))
        batch = torch.rand(4, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
        begin, waiting, total = perf_counter(), deque(), 0.0
        for _ in range(n // 4):
            waiting.append(engine.start(batch))
            if len(waiting) > engine.ahead:
                total += float(waiting.popleft()()[0].mean())
        total += sum(float(wait()[0].mean()) for wait in waiting)
        return n / (perf_counter() - begin), total / (n // 4)

    return run


def score(folder: Path, n: int, *options: str | Path, clear: Path | None = None) -> Callable[[], float]:
    """The command, from a new process to its exit; images a second."""

    def run() -> float:
        if clear is not None:
            shutil.rmtree(clear, ignore_errors=True)
        line = [sys.executable, "-m", "divmetrics", "score", folder / "real", folder / "fake", "--quiet", *options]
        env, begin = os.environ | {"PYTHONPATH": str(ROOT)}, perf_counter()
        subprocess.run(list(map(str, line)), capture_output=True, check=True, env=env)  # noqa: S603
        return 2 * n / (perf_counter() - begin)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=2000, help="images on each side")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, each contender once in each")
    parser.add_argument("--only", choices=["features", "reports"], help="one of the two races")
    parser.add_argument("--quick", action="store_true", help="write to results/extraction-quick.jsonl")
    given = parser.parse_args()
    n, timings = given.n, []
    with TemporaryDirectory() as name:
        folder, kept = Path(name) / "images", Path(name) / "cache"
        folder.mkdir()
        photographs(folder / "real", n, 0)
        photographs(folder / "fake", n, 1)
        if given.only != "reports":
            features = [
                Contender("divmetrics, workers auto", lambda: ours(folder)),
                *(Contender(f"eager loop, {w} workers", eager_loop(folder, w)) for w in (2, 0)),
                Contender("compiled network alone", network_alone(2 * n)),
            ]
            timings += race(f"features of 2 x {n:,}", features, given.repeats, patience=300)
        if given.only != "features":
            bare = ["--ci-level", "0", "--no-null"]
            reports = [
                Contender("default preset", score(folder, n, "--cache", kept, clear=kept)),
                Contender("the same, cached", score(folder, n, "--cache", kept)),
                Contender("values alone, cached", score(folder, n, "--cache", kept, *bare)),
                Contender("values alone, not cached", score(folder, n, "--no-cache", *bare)),
            ]
            timings += race(f"reports on 2 x {n:,}", reports, given.repeats, patience=300)
    report("extraction-quick" if given.quick else "extraction", timings, PACKAGES)


if __name__ == "__main__":
    main()
