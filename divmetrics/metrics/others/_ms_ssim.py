"""Multi-scale structural similarity (MS-SSIM) of two images, and its mean over pairs of a sample of images.

Wang 2003, doi:10.1109/ACSSC.2003.1292216: an 11 x 11 Gaussian window with sigma 1.5; five scales, each downsampled by
2; the weighted geometric mean of the contrast-structure terms of all scales and the luminance term of the coarsest.
Where implementations differ: at each scale the mean is over pixels and channels together, negative means count as 0
(they have no real power), and an odd last row or column is averaged with its mirror image, as in Wang's code.
`border="valid"`, as in Wang's code, TensorFlow and pytorch-msssim, uses only windows inside the image. torchmetrics
reflects the image at its border at the coarsest scale, where that is most of the image: `border="reflect"`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import exp
from typing import Literal

import torch
from torch import Tensor

from divmetrics.arrays import dist
from divmetrics.arrays.devices import one_thread
from divmetrics.arrays.draws import ranked
from divmetrics.arrays.freed_memory import large_blocks_returned
from divmetrics.arrays.memo import once
from divmetrics.arrays.summaries import Sample
from divmetrics.errors import FeatureError, TooFewSamples, UsageError

Border = Literal["valid", "reflect"]

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, finest first; Wang 2003, section 3.2."""
WINDOW, SIGMA = 11, 1.5
_WINDOW_HEIGHTS = [exp(-((place - WINDOW // 2) ** 2) / (2 * SIGMA**2)) for place in range(WINDOW)]
GAUSSIAN = tuple(height / sum(_WINDOW_HEIGHTS) for height in _WINDOW_HEIGHTS)
C1, C2 = 0.01**2, 0.03**2
"""Constants (K1 L)^2 and (K2 L)^2 that stabilise the two ratios, for range L = 1."""
LARGE = 1024 * 1024
"""Pixels above which channels are taken one by one, in a third of the memory; below, together is twice as fast."""
SMALLEST = (WINDOW - 1) * 2 ** (len(WEIGHTS) - 1) + 1
"""Least height and width, 161: the window must fit into the coarsest scale."""


def ms_ssim(left: Tensor, right: Tensor, border: Border = "valid") -> Tensor:
    """MS-SSIM `[p]` float64 on the CPU of pairs of images `left` and `right` `[p, channels, h, w]`; in [0, 1].

    Computed in the precision of the images: float32 takes half the time and is accurate to 1e-6. Raises FeatureError
    unless both are images in [0, 1] (roughly) of at least `SMALLEST` pixels a side.
    """
    for images in (left, right):
        check_images(images)
    product = torch.ones(len(left), dtype=torch.float64)
    for scale, weight in enumerate(WEIGHTS, start=1):
        last = scale == len(WEIGHTS)
        if last and border == "reflect":
            left, right = _reflected(left), _reflected(right)
        together = left.shape[1] if left[0, 0].numel() <= LARGE else 1
        parts = zip(torch.split(left, together, 1), torch.split(right, together, 1), strict=True)
        means = [_mean_term(*part, with_luminance=last).cpu().double() for part in parts]
        product *= torch.stack(means).mean(0).clamp(min=0) ** weight
        if not last:
            left, right = _downsampled(left), _downsampled(right)
    return product


def check_images(images: Tensor) -> None:
    """Raise FeatureError unless `images` is `[n, channels, h, w]`, large enough, and roughly in [0, 1]."""
    shape = tuple(images.shape[1:])
    if len(shape) != 3:
        raise FeatureError(f"images [n, channels, h, w] are needed, got rows of shape {shape}; read them with pixels.")
    if min(shape[1:]) < SMALLEST:
        raise FeatureError(
            f"images of {shape[1]} x {shape[2]} pixels are too small for five scales; at least {SMALLEST} x {SMALLEST} "
            "are needed, which pixels?size=256 makes of them."
        )
    low, high = float(images.min()), float(images.max())
    if low < -0.5 or high > 2:  # resizing may overshoot slightly; [0, 255] and [-1, 1] are other scales
        raise FeatureError(f"pixel values reach from {low:g} to {high:g}; scale them to [0, 1].")


def _mean_term(left: Tensor, right: Tensor, *, with_luminance: bool) -> Tensor:
    """Mean `[p]` over the window positions of the contrast-structure term, times that of luminance where asked for."""
    left_mean, right_mean = _window_means(left), _window_means(right)
    products = left_mean * right_mean
    squares = left_mean.square_().add_(right_mean.square_())
    covariance = _window_means(left * right).sub_(products)
    variances = _window_means(left.square().add_(right.square())).sub_(squares)
    terms = covariance.mul_(2).add_(C2).div_(variances.add_(C2))
    if with_luminance:
        terms.mul_(products.mul_(2).add_(C1).div_(squares.add_(C1)))
    return terms.flatten(1).mean(1)


def _window_means(images: Tensor) -> Tensor:
    """Gaussian-weighted means at each window position; shifted sums are 10 times faster than a convolution layer."""
    for dim in (-2, -1):
        size = images.shape[dim] - WINDOW + 1
        total = images.narrow(dim, 0, size) * GAUSSIAN[0]
        for start in range(1, WINDOW):
            total.add_(images.narrow(dim, start, size), alpha=GAUSSIAN[start])
        images = total
    return images


def _reflected(images: Tensor) -> Tensor:
    """Images extended by half a window on each side, by reflection."""
    return torch.nn.functional.pad(images, (WINDOW // 2,) * 4, mode="reflect")


def _downsampled(images: Tensor) -> Tensor:
    """Images averaged over 2 x 2 pixels; an odd last row or column is repeated first."""
    odd = (0, images.shape[-1] % 2, 0, images.shape[-2] % 2)
    if any(odd):
        images = torch.nn.functional.pad(images, odd, mode="replicate")
    return torch.nn.functional.avg_pool2d(images, 2)


@dataclass(frozen=True, eq=False)
class PairSimilarities:
    """MS-SSIM of pairs of images of one sample."""

    first: Tensor  # [p] int64, positions in the sample
    second: Tensor  # [p] int64
    values: Tensor  # [p] float64

    @property
    def variance(self) -> float:
        """Sampling variance of the mean over pairs; pairs that share an image are dependent.

        The dyadic estimate of Fafchamps and Gubert 2007, doi:10.1016/j.jdeveco.2006.05.005, sums the products of
        deviations over all such pairs of pairs; at least the variance of independent pairs.
        """
        deviations = self.values - self.values.mean()
        own = deviations.square().sum()
        images = torch.zeros(int(self.second.max()) + 1, dtype=torch.float64)
        images = images.index_add(0, self.first, deviations).index_add(0, self.second, deviations)
        # a pair shares both images with itself but must be counted once
        return float(torch.maximum(images.square().sum() - own, own)) / len(self.values) ** 2


def pair_similarities(images: Sample, pairs: int, seed: int, border: Border) -> PairSimilarities:
    """MS-SSIM of `pairs` distinct random pairs of `images`, or of all pairs if there are no more; memoised.

    Raises UsageError for `pairs` < 1, TooFewSamples below two images, FeatureError as `ms_ssim` does.
    """
    if pairs < 1:
        raise UsageError(f"pairs={pairs} is not possible; give 1 or more.")
    if len(images.features) < 2:
        raise TooFewSamples("a pair needs at least 2 images, there is 1; add images.")
    return once(
        (images,), ("ms_ssim", pairs, seed, border), lambda: _pair_similarities(images.features, pairs, seed, border)
    )


def _pair_similarities(images: Tensor, pairs: int, seed: int, border: Border) -> PairSimilarities:
    check_images(images)
    i, j = torch.triu_indices(len(images), len(images), offset=1)
    if pairs < len(i):
        drawn = torch.randperm(len(i), generator=torch.Generator().manual_seed(seed))[:pairs]
        order = ranked(images)
        i, j = order[i[drawn]], order[j[drawn]]
    step = 1 if images.device.type == "cpu" else 16  # one pair fits into the cache of a CPU

    def some(places: Tensor) -> Tensor:
        return images[places] if step > 1 else images[int(places)][None]  # one of them as it lies in memory

    def of_pairs(part: range) -> Tensor:
        first, second = (torch.split(side[part.start : part.stop], step) for side in (i, j))
        large = images[0, 0].numel() > LARGE
        with large_blocks_returned() if large else nullcontext(), _single_threaded_map() as run:
            values = run(lambda a, b: ms_ssim(some(a), some(b), border), first, second)
            return torch.cat([torch.empty(0, dtype=torch.float64), *values])

    return PairSimilarities(i, j, dist.spread(len(i), of_pairs))


@contextmanager
def _single_threaded_map() -> Iterator[Callable[..., Iterator[Tensor]]]:
    """A `map` with one single-threaded task a core: these sums are too short to be split among threads.

    On two busy cores, sums split among two threads took 140 ms a pair instead of 15.
    """
    cores = torch.get_num_threads()
    with one_thread(), ThreadPoolExecutor(cores) as pool:
        yield pool.map
