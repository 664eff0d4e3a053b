"""From a folder of photographs to features: images a second, beside a plain DataLoader loop around the same network.

    python benchmarks/extraction.py                 2,000 JPEGs of 256 x 256, about a quarter of an hour on two cores
    python benchmarks/extraction.py --quick         100 of them, to see that everything runs

Values: images a second in the last run, and the mean pooled feature. The network is compiled in the first run.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import torch
from harness import Contender, race, report
from PIL import Image
from sklearn.datasets import load_sample_images
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from divmetrics import compiled, extract
from divmetrics.extractors import load_encoder
from divmetrics.sources import open_source

PACKAGES = ["numpy", "pillow", "timm", "torch", "torchvision", "openvino"]
Rate = tuple[float, float]
"""Images a second, mean pooled feature."""


def photographs(folder: Path, n: int) -> None:
    """`n` JPEGs of 256 x 256, cropped from the photographs of scikit-learn."""
    rng, images = np.random.default_rng(0), load_sample_images().images
    for i in range(n):
        image = images[i % len(images)]
        top, left = (int(rng.integers(size - 256)) for size in image.shape[:2])
        Image.fromarray(image[top : top + 256, left : left + 256]).save(folder / f"{i:05}.jpg", quality=90)


def ours(folder: Path, workers: int | str, pays_from: float) -> Callable[[], Rate]:
    encoder = load_encoder("efficientnet-lite0")
    how = extract.How("cpu", workers=workers)

    def run() -> Rate:
        compiled.PAYS_FROM = pays_from
        rows = []
        source = open_source(folder)
        add = lambda _encoder, _layer, batch, _places: rows.append(batch)  # noqa: E731
        left = extract.run(source, [encoder], layers={"pooled"}, add=add, how=how)
        return left.images_per_second, float(torch.cat(rows).mean())

    return run


class Photographs(Dataset[torch.Tensor]):
    """As most evaluation scripts have it: Pillow, torchvision's transforms, one file an item."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.iterdir())
        resize = transforms.Resize((224, 224), transforms.InterpolationMode.BICUBIC)
        self.prepare = transforms.Compose([resize, transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.prepare(Image.open(self.files[index]).convert("RGB"))


def plain_loop(folder: Path, workers: int) -> Callable[[], Rate]:
    network = load_encoder("efficientnet-lite0").network

    def run() -> Rate:
        begin, rows = perf_counter(), []
        network.to(memory_format=torch.contiguous_format)  # ours leaves it channels last
        with torch.no_grad():
            for batch in DataLoader(Photographs(folder), batch_size=64, num_workers=workers):
                rows.append(network(batch)[0])  # noqa: PERF401
        pooled = torch.cat(rows)
        return len(pooled) / (perf_counter() - begin), float(pooled.mean())

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="100 images, to see that everything runs")
    n = 100 if parser.parse_args().quick else 2000
    with TemporaryDirectory() as name:
        folder = Path(name)
        photographs(folder, n)
        contenders = [
            Contender("divmetrics (compiled, workers auto)", ours(folder, "auto", 0)),
            *(Contender(f"  compiled, {workers} workers", ours(folder, workers, 0)) for workers in (0, 1, 2)),
            *(Contender(f"  torch, {workers} workers", ours(folder, workers, math.inf)) for workers in (0, 1, 2)),
            *(
                Contender(f"plain DataLoader loop, {workers} workers", plain_loop(folder, workers))
                for workers in (0, 2)
            ),
        ]
        timings = race(f"{n:,} JPEGs of 256 x 256, efficientnet-lite0", contenders, patience=150)
    report("extraction-quick" if n == 100 else "extraction", timings, PACKAGES)


if __name__ == "__main__":
    main()
