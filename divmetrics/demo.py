"""The main job on built-in data: digits, drawn by a healthy and by a collapsed generator, scored side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from divmetrics.errors import UsageError
from divmetrics.report.page import number
from divmetrics.results import Report

if TYPE_CHECKING:
    import numpy as np

METRICS = "default,modes_found,precision,recall,vendi"
"""What is scored: the default, and what the sentences at the end speak of."""
PER_SET = 400
LOST = (2, 5, 8)
"""Digits that the collapsed generator does not draw."""
DISTINCT = 8
"""Different images that it has of each digit left."""
ENLARGED = 8
"""Factor from the 8 x 8 originals, too small to look at, to what is written."""


def write_images(folder: Path) -> dict[str, Path]:
    """Write the class folders `real`, `healthy` and `collapsed`, 400 PNGs each, below `folder`; name -> its path.

    `real` and `healthy` are disjoint draws of the same digits; `collapsed` repeats a few images of `healthy`.
    Raises UsageError if there is something in `folder`.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder; name a new one.")
    digits = _digits()
    half = PER_SET // len(digits)
    healthy = [images[half : 2 * half] for images in digits]
    few = [[] if digit in LOST else images[:DISTINCT] for digit, images in enumerate(healthy)]
    sets = {"real": [images[:half] for images in digits], "healthy": healthy, "collapsed": _repeated(few)}
    for name, images in sets.items():
        _write(folder / name, images)
    return {name: folder / name for name in sets}


def explain(healthy: Report, collapsed: Report) -> tuple[str, str, str]:
    """Three sentences on what the two reports say; each number in them is the measured one."""

    def change(name: str) -> str:
        before, after = (report[name].value or 0.0 for report in (healthy, collapsed))
        if number(before) == number(after):
            return f"stays at {number(after)}"
        return f"{'falls' if after < before else 'rises'} from {number(before)} to {number(after)}"

    absent = [mode.name for mode in collapsed.modes if mode.fake_share == 0]
    lost = f"; it never draws {', '.join(absent)}" if absent else ""
    return (
        f"Modes: from the healthy to the collapsed generator modes_found {change('modes_found')}{lost}.",
        f"Diversity: recall, the share of reals that lie among the fakes, {change('recall')}, and vendi, the effective "
        f"number of different images, {change('vendi')}.",
        f"Fidelity: precision, the share of fakes that lie among the reals, {change('precision')}; it looks at each "
        "fake alone and cannot see what is absent.",
    )


def _digits() -> list[list[np.ndarray]]:
    """The digits of scikit-learn, shuffled: digit -> its images, uint8 `[8, 8]`."""
    import numpy as np
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))  # they come writer by writer: halves would differ
    pixels = (images[order].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return [list(pixels[labels[order] == digit]) for digit in range(10)]


def _repeated(few: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
    """The same images over and over, digit by digit in turn, up to the size of a set."""
    left = [digit for digit, images in enumerate(few) if images]
    counts = [len(range(left.index(digit), PER_SET, len(left))) if images else 0 for digit, images in enumerate(few)]
    return [list(islice(cycle(images), count)) for images, count in zip(few, counts, strict=True)]


def _write(folder: Path, digits: Sequence[Sequence[np.ndarray]]) -> None:
    import numpy as np
    from PIL import Image

    for digit, images in enumerate(digits):
        if images:
            (folder / str(digit)).mkdir(parents=True)
        for place, image in enumerate(images):
            enlarged = np.kron(image, np.ones((ENLARGED, ENLARGED), np.uint8))
            Image.fromarray(enlarged).save(folder / str(digit) / f"{place:03}.png")
