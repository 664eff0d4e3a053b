"""What a GPU is to give: the network fed from JPEG files, features equal to the CPU's, neighbours of 50,000 rows.

    python benchmarks/gpu.py                             4,096 JPEGs of 256 x 256 on cuda, 50,000 + 50,000 rows x 2048
    python benchmarks/gpu.py --device cpu --quick        to see that everything runs; the results are kept apart

Goals: fed at 80 % of the rate of the network alone, features within 1e-3 relative, neighbours in at most 3 s.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from harness import Contender, photographs, race, report

from divmetrics import metrics
from divmetrics.encoders import load_encoder
from divmetrics.extraction import engines, loop
from divmetrics.sources import open_source

PACKAGES = ["numpy", "pillow", "timm", "torch", "torchvision"]
NETWORK = "inception?weights=random"


def features(folder: Path, settings: loop.ExtractionSettings) -> torch.Tensor:
    encoder, rows = settings.marked(load_encoder(NETWORK)), list[torch.Tensor]()
    add = lambda _encoder, _layer, batch, _places: rows.append(batch.cpu())  # noqa: E731
    loop.run(open_source(folder), [encoder], layers={"pooled"}, add=add, settings=settings)
    return torch.cat(rows)


def fed(folder: Path, settings: loop.ExtractionSettings) -> Callable[[], tuple[float, float]]:
    """Images a second from files, and the mean feature."""

    def run() -> tuple[float, float]:
        begin = perf_counter()
        rows = features(folder, settings)
        return len(rows) / (perf_counter() - begin), float(rows.mean())

    return run


def alone(settings: loop.ExtractionSettings, n: int) -> Callable[[], tuple[float, float]]:
    """Images a second of the network on one batch that is there already, and the mean feature."""

    def run() -> tuple[float, float]:
        encoder, device, size = load_encoder(NETWORK), settings.torch_device, settings.samples_at_once()
        batch = torch.randn(size, 3, 299, 299, generator=torch.Generator().manual_seed(0)).to(device)
        network = engines.eager(encoder, device, (3, 299, 299), settings.precision)
        with engines.exact_float32():
            float(network(batch)[0].mean())  # algorithms are chosen, memory is taken
            begin = perf_counter()
            total = sum(network(batch)[0].mean() for _ in range(max(1, n // size)))
            mean = float(total) / max(1, n // size)  # waits for the device
        return max(1, n // size) * size / (perf_counter() - begin), mean

    return run


def neighbours(device: torch.device, n: int) -> Callable[[], Any]:
    """Precision, recall, density, coverage from one pass, as the engine runs it."""
    rng = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(n, 2048, generator=rng).to(device) for _ in range(2))

    def run() -> float:
        return float(metrics.coverage(real, fake))

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="a few images and rows")
    given = parser.parse_args()
    settings = loop.ExtractionSettings(given.device)
    n, rows = (24, 500) if given.quick else (4096, 50_000)
    with TemporaryDirectory() as name:
        folder = photographs(Path(name) / "images", n, 0)
        contenders = [
            Contender("fed from files", fed(folder, settings)),
            Contender("network alone", alone(settings, n)),
        ]
        for options in ({"precision": "fast"}, {"jpeg": "device"}):
            changed = loop.ExtractionSettings(given.device, **options)  # type: ignore[arg-type]
            contenders.append(Contender(f"fed, {next(iter(options.values()))}", fed(folder, changed)))
        timings = race(f"Inception on {given.device}, {n} JPEGs", contenders, repeats=3 - 2 * given.quick)
        few = photographs(Path(name) / "few", 24, 1)
        here, there = features(few, loop.ExtractionSettings("cpu")), features(few, settings)
        print(f"largest difference from the CPU, relative: {float((here - there).norm() / here.norm()):.1e}")
    passes = [Contender("divmetrics", neighbours(settings.torch_device, rows))]
    timings += race(f"neighbours, {rows} + {rows} x 2048 on {given.device}", passes, repeats=3 - 2 * given.quick)
    report("gpu-quick" if given.quick else "gpu", timings, PACKAGES)


if __name__ == "__main__":
    main()
