"""What a page costs: seconds of its exhibits and size of its pictures, for 5,000 + 5,000 samples.

    python benchmarks/page.py exhibits
    python benchmarks/page.py pictures
    python benchmarks/page.py icons

`exhibits` times galleries, maps (t-SNE included), curves and modes on features of 1,280 columns after the preset
`quick`, with what its metrics leave behind. `pictures` draws crops of two photographs, 128 pixels wide and high.
`icons` makes 5,000 + 5,000 small PNG files from the icons of a theme (Debian's oxygen-icon-theme), of which the fake
ones lack a category, scores them, writes the page, and opens it in Chromium where playwright is installed. All print
seconds of the clock and of the processors, which are the same on one idle core.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image, ImageEnhance

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


@contextmanager
def timed_exhibits() -> Iterator[None]:
    """Print the seconds of all exhibits, and of each part of them, that the block makes."""
    made: Callable[..., list[object]] = exhibits._Making._part
    whole = exhibits.exhibits_of

    def part(self: object, what: str, make: Callable[[], Iterator[object]]) -> list[object]:
        with timed(what):
            return made(self, what, make)

    def all_parts(*given: object) -> Exhibits | None:
        with timed("all exhibits"):
            return whole(*given)  # type: ignore[arg-type]

    with patch.object(exhibits._Making, "_part", part), patch("divmetrics.scoring.measure.exhibits_of", all_parts):
        yield


def in_parts(n: int) -> None:
    """Seconds of the exhibits, part by part."""
    with timed_exhibits():
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


THEME = Path("/usr/share/icons/oxygen/base/64x64")
LACKED = "devices"
"""The category that the fake samples lack."""


def draw_icons(n: int, folder: Path, seed: int, lacked: str | None = None) -> None:
    """Write `n` icons, turned, mirrored, scaled and on a ground of some colour, 48 to 64 pixels wide and high."""
    rng = np.random.default_rng(seed)
    found = sorted(path for path in THEME.rglob("*.png") if path.parent.name != lacked and path.stat().st_size)
    for number in range(n):
        path = found[rng.integers(len(found))]
        with Image.open(path) as file:
            icon = file.convert("RGBA")
        icon = icon.rotate(float(rng.normal(0, 8)), Image.Resampling.BILINEAR)
        icon = icon.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else icon
        size = int(rng.integers(48, 65))
        icon = icon.resize((size, size), Image.Resampling.BILINEAR)
        ground = Image.new("RGBA", icon.size, (*(int(c) for c in rng.integers(170, 256, 3)), 255))
        ground.alpha_composite(icon)
        place = folder / path.parent.name / f"{path.stem}-{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        ImageEnhance.Color(ground.convert("RGB")).enhance(float(rng.uniform(0.5, 1.5))).save(place)


def of_icons(n: int, extractor: str) -> None:
    """Seconds and size of a page of real small pictures, and seconds until a browser has it."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        draw_icons(n, work / "real", 0)
        draw_icons(n, work / "fake", 1, lacked=LACKED)
        made: Callable[..., object] = pictures.pictures_of

        def timed_pictures(*given: object) -> object:
            with timed("pictures"):
                return made(*given)

        with timed_exhibits(), patch("divmetrics.scoring.score.pictures_of", timed_pictures), timed("all of score"):
            report = score(
                work / "real", work / "fake", metrics="quick", extractor=extractor, exhibits=True, cache=False
            )
        print(report.meta["seconds"], f"{report.verdict.state}: {report.verdict.text}", sep="\n")
        with timed("writing the page"):
            report.html(work / "page.html")
        print(f"{(work / 'page.html').stat().st_size / 1e6:.2f} MB")
        opened_in_browser(work / "page.html")


def opened_in_browser(page: Path) -> None:
    """Print the seconds until Chromium has loaded and drawn a page."""
    program = shutil.which("chromium")
    if program is None:
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1300, "height": 900})
        begin = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="load")
        tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        print(f"opened in Chromium: {time.perf_counter() - begin:.2f} s")
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["exhibits", "pictures", "icons"])
    parser.add_argument("--n", type=int, default=5000, help="samples of each side")
    parser.add_argument("--extractor", default="pixels?size=32", help="what makes features of the icons")
    given = parser.parse_args()
    if given.what == "exhibits":
        in_parts(given.n)
    elif given.what == "pictures":
        of_photographs(given.n)
    else:
        of_icons(given.n, given.extractor)
