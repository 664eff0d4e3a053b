"""What a page costs: seconds of its exhibits and size of its pictures, for 5,000 + 5,000 samples.

    python benchmarks/page.py exhibits
    python benchmarks/page.py pictures

`exhibits` times galleries, maps (t-SNE included), curves and modes on features of 1,280 columns after the preset
`quick`, with what its metrics leave behind. `pictures` draws crops of two photographs, 128 pixels wide and high. Both
print seconds of the clock and of the processors, which are the same on one idle core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np

from divmetrics.records.exhibits import Exhibits, Gallery, GalleryRow, Map, Points, Shown
from divmetrics.records.results import Report, Side
from divmetrics.scoring import exhibits, pictures
from divmetrics.scoring.score import score
from divmetrics.sources import open_source


def two_sets(n: int, columns: int = 1280, kinds: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Features of `kinds` modes, of which the fake samples lack one."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(kinds, columns)).astype(np.float32)
    which = rng.integers(0, kinds, n), rng.integers(0, kinds - 1, n)
    real, fake = (centres[own] + 1.5 * rng.normal(size=(n, columns)).astype(np.float32) for own in which)
    return real, fake


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print the seconds that the block takes."""
    clock, processors = time.perf_counter(), time.process_time()
    yield
    print(
        f"{what}: {time.perf_counter() - clock:.1f} s, processors {time.process_time() - processors:.1f} s", flush=True
    )


def in_parts(n: int) -> None:
    """Seconds of the exhibits, part by part."""
    made: Callable[..., list[object]] = exhibits._Making._part

    def part(self: object, what: str, make: Callable[[], Iterator[object]]) -> list[object]:
        with timed(what):
            return made(self, what, make)

    whole = exhibits.exhibits_of

    def all_parts(*given: object) -> Exhibits | None:
        with timed("all exhibits"):
            return whole(*given)  # type: ignore[arg-type]

    with patch.object(exhibits._Making, "_part", part), patch("divmetrics.scoring.measure.exhibits_of", all_parts):
        report = score(*two_sets(n), metrics="quick", exhibits=True)
    print(report.meta["seconds"], f"{len(report.to_json()) / 2**20:.1f} MiB of JSON", *report.exhibits.notes, sep="\n")


def of_photographs(n: int) -> None:
    """Seconds and size of the pictures of a report that shows 700 samples in galleries and 3,000 in maps."""
    from sklearn.datasets import load_sample_images

    photographs, rng = load_sample_images().images, np.random.default_rng(0)
    places = rng.integers(0, [2, 427 - 128, 640 - 128], (2 * n, 3))
    crops = np.stack([photographs[which][y : y + 128, x : x + 128] for which, y, x in places])
    order = {side: rng.permutation(n)[:1500].tolist() for side in ("real", "fake")}
    shown = {side: tuple(Shown(side, i, f"#{i}") for i in order[side][:350]) for side in order}
    flat = [(side, index) for side in order for index in order[side]]
    zeros, none = (0.0,) * len(flat), (None,) * len(flat)
    sides, indexes = zip(*flat, strict=True)
    points = Points(zeros, zeros, sides, indexes, tuple(f"#{i}" for i in indexes), none, none)
    made = Exhibits((Gallery("grid", "", "", (GalleryRow("", *shown.values()),)),), (Map("pca", "", "", "", points),))
    side = Side("photographs", n, None)
    with timed("pictures"):
        found = pictures.pictures_of(
            Report("0", "", side, side, {}, exhibits=made),
            {"real": open_source(crops[:n]), "fake": open_source(crops[n:])},
        )
    print(f"{len(found.uris)} pictures, {sum(map(len, found.uris.values())) / 2**20:.2f} MiB", *found.notes, sep="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["exhibits", "pictures"])
    parser.add_argument("--n", type=int, default=5000, help="samples of each side")
    given = parser.parse_args()
    in_parts(given.n) if given.what == "exhibits" else of_photographs(given.n)
