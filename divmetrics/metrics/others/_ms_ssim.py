"""Multi-scale structural similarity (MS-SSIM) of two images, and its mean over pairs of a sample of images.

Wang 2003, doi:10.1109/ACSSC.2003.1292216: a Gaussian window of 11 x 11, sigma 1.5, where it lies inside the image; five
scales, each half of the one before; the contrast term of all of them and the luminance of the last, as a weighted
geometric mean. Where publishers differ: at each scale the mean is over pixels and channels alike, negative means count
as 0 (a power of them is no number), and an odd row or column is halved with its own mirror image, as in Wang's code.
`border="valid"` is Wang's, TensorFlow's and pytorch-msssim's: the window never leaves the image. torchmetrics mirrors
the image at its border in the luminance of the last scale, where that is most of the image: `border="reflect"`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import exp
from typing import Literal

import torch
from torch import Tensor

from divmetrics.arrays import dist
from divmetrics.arrays.devices import one_thread
from divmetrics.arrays.memo import once
from divmetrics.arrays.summaries import Sample
from divmetrics.errors import FeatureError, TooFewSamples, UsageError

Border = Literal["valid", "reflect"]

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, the finest first; Wang 2003, section 3.2."""
WINDOW, SIGMA = 11, 1.5
_BELL = [exp(-((place - WINDOW // 2) ** 2) / (2 * SIGMA**2)) for place in range(WINDOW)]
GAUSSIAN = tuple(height / sum(_BELL) for height in _BELL)
C1, C2 = 0.01**2, 0.03**2
"""What keeps the two ratios finite, for values in [0, 1]."""
SMALLEST = (WINDOW - 1) * 2 ** (len(WEIGHTS) - 1) + 1
"""Least height and width, 161: from there on the window fits into the last scale."""


def ms_ssim(left: Tensor, right: Tensor, border: Border = "valid") -> Tensor:
    """MS-SSIM `[p]` of the images `left` and `right` `[p, channels, h, w]` in [0, 1], pair by pair; in [0, 1].

    In the precision of the images: of float32 ones it is right to 1e-6, in half the time. float64 on the CPU.
    Raises FeatureError where they are no images, far outside [0, 1] or smaller than `SMALLEST`.
    """
    for images in (left, right):
        check_images(images)
    found = torch.ones(len(left), dtype=torch.float64)
    for scale, weight in enumerate(WEIGHTS, start=1):
        last = scale == len(WEIGHTS)
        if last and border == "reflect":
            left, right = _mirrored(left), _mirrored(right)
        luminance, contrast = _terms(left, right)
        term = (luminance * contrast if last else contrast).flatten(1).mean(1)
        found *= term.cpu().double().clamp(min=0) ** weight
        if not last:
            left, right = _halved(left), _halved(right)
    return found


def check_images(images: Tensor) -> None:
    """Raise FeatureError unless `images` is `[n, channels, h, w]`, large enough, and plausibly in [0, 1]."""
    shape = tuple(images.shape[1:])
    if len(shape) != 3:
        raise FeatureError(f"images [n, channels, h, w] are needed, got rows of shape {shape}; read them with pixels.")
    if min(shape[1:]) < SMALLEST:
        raise FeatureError(
            f"images of {shape[1]} x {shape[2]} pixels are too small for five scales; at least {SMALLEST} x {SMALLEST} "
            "are needed, which pixels?size=256 makes of them."
        )
    low, high = float(images.min()), float(images.max())
    if low < -0.5 or high > 2:  # a resize may overshoot; levels up to 255 or from -1 on are another matter
        raise FeatureError(f"pixel values reach from {low:g} to {high:g}; scale them to [0, 1].")


def _terms(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure at each place of the window, `[p, c, h - 10, w - 10]` each."""
    left_mean, right_mean = _blurred(left), _blurred(right)
    products = left_mean * right_mean
    squares = left_mean.square() + right_mean.square()
    covariance = _blurred(left * right) - products
    variances = _blurred(left.square() + right.square()) - squares
    return (2 * products + C1) / (squares + C1), (2 * covariance + C2) / (variances + C2)


def _blurred(images: Tensor) -> Tensor:
    """Means under the window. Sums of shifted rows, then columns: 10 times the speed of a convolution layer here."""
    for dim in (-2, -1):
        size = images.shape[dim] - WINDOW + 1
        total = images.narrow(dim, 0, size) * GAUSSIAN[0]
        for start in range(1, WINDOW):
            total.add_(images.narrow(dim, start, size), alpha=GAUSSIAN[start])
        images = total
    return images


def _mirrored(images: Tensor) -> Tensor:
    return torch.nn.functional.pad(images, (WINDOW // 2,) * 4, mode="reflect")


def _halved(images: Tensor) -> Tensor:
    odd = (0, images.shape[-1] % 2, 0, images.shape[-2] % 2)
    if any(odd):
        images = torch.nn.functional.pad(images, odd, mode="replicate")
    return torch.nn.functional.avg_pool2d(images, 2)


@dataclass(frozen=True, eq=False)
class Compared:
    """The MS-SSIM of pairs of a sample's images."""

    first: Tensor  # [p] int64, positions in the sample
    second: Tensor  # [p] int64
    values: Tensor  # [p] float64

    @property
    def variance(self) -> float:
        """Of the mean over the pairs, for a fresh sample: two pairs are dependent where they share an image.

        Sum of the products of deviations over all such pairs of pairs (the dyadic estimate of Fafchamps and Gubert
        2007, doi:10.1016/j.jdeveco.2006.05.005); at least what independent pairs would give.
        """
        deviations = self.values - self.values.mean()
        own = deviations.square().sum()
        images = torch.zeros(int(self.second.max()) + 1, dtype=torch.float64)
        images = images.index_add(0, self.first, deviations).index_add(0, self.second, deviations)
        # A pair shares both its images with itself, and is counted once
        return float(torch.maximum(images.square().sum() - own, own)) / len(self.values) ** 2


def compared(images: Sample, pairs: int, seed: int, border: Border) -> Compared:
    """`pairs` different pairs of `images`, drawn by `seed`, or all where there are no more; remembered beside them.

    Raises UsageError for pairs < 1, TooFewSamples below two images, FeatureError as `ms_ssim` does.
    """
    if pairs < 1:
        raise UsageError(f"pairs={pairs} must be at least 1.")
    if len(images.features) < 2:
        raise TooFewSamples("a pair needs at least 2 images, there is 1; add images.")
    return once((images,), ("ms_ssim", pairs, seed, border), lambda: _compared(images.features, pairs, seed, border))


def _compared(images: Tensor, pairs: int, seed: int, border: Border) -> Compared:
    check_images(images)
    i, j = torch.triu_indices(len(images), len(images), offset=1)
    if pairs < len(i):
        drawn = torch.randperm(len(i), generator=torch.Generator().manual_seed(seed))[:pairs]
        i, j = i[drawn], j[drawn]
    step = 1 if images.device.type == "cpu" else 16  # one pair at a time stays in the cache of a CPU

    def of_pairs(mine: range) -> Tensor:
        first, second = (torch.split(side[mine.start : mine.stop], step) for side in (i, j))
        with _a_thread_each() as run:
            found = run(lambda a, b: ms_ssim(images[a], images[b], border), first, second)
            return torch.cat([torch.empty(0, dtype=torch.float64), *found])

    return Compared(i, j, dist.spread(len(i), of_pairs))


@contextmanager
def _a_thread_each() -> Iterator[Callable[..., Iterator[Tensor]]]:
    """A `map` that runs one piece of work a core: these sums are too short to be worth sharing among cores.

    Beside other work on the same two cores, two threads that met after each of them took 140 ms a pair, not 15.
    """
    cores = torch.get_num_threads()
    with one_thread(), ThreadPoolExecutor(cores) as pool:
        yield pool.map
