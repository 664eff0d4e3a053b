"""Image preprocessing: the preparers that turn a decoded image into the input of a network.

Published numbers differ most by how images were resized (Parmar 2022, arXiv:2104.11222): without antialiasing, or
rounded to 8 bits afterwards, the same images score differently. `Bicubic` is antialiased, in floating point;
`PillowTransform` is what the authors of a network did, which is nearly always Pillow's resize, antialiased and rounded
to 8 bits.

A preparer takes one image on a CPU worker. One that can also run on a GPU has `prepare_batch`, which takes images of
one size, uint8 `[b, h, w, 3]` on any device, and gives what the preparer gives for each, to 1e-3 grey levels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from divmetrics.encoders._resizing import channels_first, resize
from divmetrics.errors import SourceError

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Fit = Literal["short", "long", "whole", "square"]
Shape = tuple[int, int]
"""(height, width)"""

_AT_ONCE = 2**22
"""Pixels that are resized at once, in float64: a large photograph would take gigabytes."""
MOST_NUMBERS = 2**23
"""Grey levels of an image that is taken at its own size, at most: 34 MB as floats."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def bicubic(image: np.ndarray, size: int) -> Tensor:
    """Antialiased bicubic resize of an image uint8 `[h, w, 3]` to float32 `[3, size, size]`, in grey levels.

    The aspect ratio is not kept. Equals Pillow's bicubic on mode "F", as clean-fid uses it, to 1e-4 grey levels. Values
    near edges may leave [0, 255].
    """
    # float64: in float32 torch misplaces the filter by up to 1e-5 pixels, which is 3e-3 grey levels, and is no faster
    height, width, _ = image.shape
    if height * width <= _AT_ONCE:
        exact = torch.from_numpy(image).permute(2, 0, 1)[None].double()  # [1, 3, h, w]
        return _to_size(exact, size, size)[0].float()
    step = max(1, _AT_ONCE // width)
    strips = [image[top : top + step] for top in range(0, height, step)]
    # torch resizes the width first, so that strips of rows give the same numbers as the whole, to the bit
    narrow = [_to_size(torch.from_numpy(strip).permute(2, 0, 1)[None].double(), len(strip), size) for strip in strips]
    return _to_size(torch.cat(narrow, 2), size, size)[0].float()


def _to_size(grey: Tensor, height: int, width: int) -> Tensor:
    return torch.nn.functional.interpolate(grey, size=(height, width), mode="bicubic", antialias=True)


@dataclass(frozen=True)
class Native:
    """Preparer: an image at its own size, scaled to [0, 1].

    Example:
        >>> Native()(np.zeros((4, 6, 3), np.uint8)).shape
        torch.Size([3, 4, 6])
    """

    name = "native"

    def __call__(self, image: np.ndarray) -> Tensor:
        """An image uint8 `[h, w, 3]` -> grey levels in [0, 1], float32 `[3, h, w]`.

        Raises SourceError where it has more than `MOST_NUMBERS` of them.
        """
        _check_numbers(image.shape)
        return torch.from_numpy(image).permute(2, 0, 1).contiguous() / 255

    def prepare_batch(self, images: Tensor) -> Tensor:
        """Images uint8 `[b, h, w, 3]` -> grey levels in [0, 1], float32 `[b, 3, h, w]`."""
        _check_numbers(images.shape[1:])
        return channels_first(images).contiguous() / 255


def _check_numbers(shape: Sequence[int]) -> None:
    """Raise SourceError where an image of `shape` (h, w, 3) is too large to be taken as it is."""
    height, width, channels = shape
    if height * width * channels > MOST_NUMBERS:
        raise SourceError(
            f"an image of {width} x {height} pixels is too large to be taken at its own size, which is possible up to "
            f"{MOST_NUMBERS / 3e6:.1f} megapixels; choose an extractor that resizes, such as pixels?size=256."
        )


@dataclass(frozen=True)
class Bicubic:
    """Preparer: the whole image to `size` x `size`, antialiased bicubic in floating point, then (x - mean) / std.

    Args:
        size: Side of the result in pixels.
        mean: Subtracted from grey levels in [0, 1].
        std: Divides the difference.

    Example:
        >>> prepare = Bicubic(32, mean=0.5, std=0.5)
        >>> prepare.name, prepare(np.zeros((40, 50, 3), np.uint8)).shape
        ('bicubic-aa-32', torch.Size([3, 32, 32]))
    """

    size: int
    mean: float = 0.0
    std: float = 1.0

    @property
    def name(self) -> str:
        """Name in signatures."""
        return f"bicubic-aa-{self.size}"

    def __call__(self, image: np.ndarray) -> Tensor:
        """(grey / 255 - mean) / std of an image uint8 `[h, w, 3]`, float32 `[3, size, size]`."""
        return bicubic(image, self.size).div_(255).sub_(self.mean).div_(self.std)  # in place: new memory costs more

    def prepare_batch(self, images: Tensor) -> Tensor:
        """The same for images uint8 `[b, h, w, 3]`, float32 `[b, 3, size, size]`."""
        return (resize(images, self.size, "bicubic", antialias=True) / 255 - self.mean) / self.std


@dataclass(frozen=True)
class PillowTransform:
    """Preparer: resize by Pillow, centre crop, normalisation; equals the transforms of timm and torchvision.

    Args:
        resize: Height and width after resizing.
        crop: Height and width of the centre that is cut out afterwards.
        fit: How the image is brought to `resize`: "short" scales the shorter side to it and "long" the longer one, both
            with the aspect ratio kept; "whole" resizes the whole image, "square" the central square.
        interpolation: Filter of Pillow, antialiased and rounded to 8 bits.
        mean: Subtracted from grey levels in [0, 1], one number a channel.
        std: Divides the difference, one number a channel.
        border: Colour around an image smaller than `crop`.

    Example:
        >>> prepare = PillowTransform((256, 256), (224, 224), "short")
        >>> prepare.name, prepare(np.zeros((300, 400, 3), np.uint8)).shape
        ('pil-bicubic-short-256-crop-224', torch.Size([3, 224, 224]))
    """

    resize: Shape
    crop: Shape
    fit: Fit = "whole"
    interpolation: Interpolation = "bicubic"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    border: tuple[int, ...] = (0, 0, 0)

    @property
    def name(self) -> str:
        """Name in signatures: filter, fit, size and crop."""
        cut = f"-crop-{_size_text(self.crop)}" if self.crop != self.resize or self.fit in ("short", "long") else ""
        return f"pil-{self.interpolation}-{self.fit}-{_size_text(self.resize)}{cut}"

    def __call__(self, image: np.ndarray) -> Tensor:
        """(grey / 255 - mean) / std of an image uint8 `[h, w, 3]`, float32 `[3, *crop]`."""
        if self.fit == "square":
            side = min(image.shape[:2])
            image = _crop_centre(image, (side, side), math.floor)
        height, width = self._target_size(image.shape[0], image.shape[1])
        method = Image.Resampling[self.interpolation.upper()]
        resized = np.array(Image.fromarray(image).resize((width, height), method))
        grey = torch.from_numpy(_crop_centre(self._padded(resized), self.crop, round)).permute(2, 0, 1)
        mean, std = (torch.tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (grey.contiguous() / 255).sub_(mean).div_(std)

    def _target_size(self, height: int, width: int) -> Shape:
        if self.fit in ("whole", "square"):
            return self.resize
        if self.fit == "short" and self.resize[0] == self.resize[1]:  # torchvision, and timm where it uses torchvision
            long = int(self.resize[0] * max(height, width) / min(height, width))
            return (self.resize[0], long) if height <= width else (long, self.resize[0])
        ratios = height / self.resize[0], width / self.resize[1]
        ratio = min(ratios) if self.fit == "short" else max(ratios)
        return round(height / ratio), round(width / ratio)

    def _padded(self, image: np.ndarray) -> np.ndarray:
        missing = [max(0, wanted - there) for wanted, there in zip(self.crop, image.shape[:2], strict=True)]
        if not any(missing):
            return image
        (top, left), (height, width) = [lack // 2 for lack in missing], image.shape[:2]
        framed = np.empty((height + missing[0], width + missing[1], 3), np.uint8)
        framed[:] = self.border
        framed[top : top + height, left : left + width] = image
        return framed


def _crop_centre(image: np.ndarray, shape: Shape, rounding: Callable[[float], int]) -> np.ndarray:
    """The central `shape` of `image`; libraries differ in how they round its offset."""
    top, left = (rounding((there - wanted) / 2) for there, wanted in zip(image.shape[:2], shape, strict=True))
    return image[top : top + shape[0], left : left + shape[1]]


def _size_text(shape: Shape) -> str:
    return str(shape[0]) if shape[0] == shape[1] else f"{shape[0]}x{shape[1]}"
