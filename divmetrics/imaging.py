"""From a decoded image to what a network reads: the preparers that image extractors share.

Resizing is where published numbers part ways (Parmar 2022, arXiv:2104.11222): without antialiasing, or rounded to 8
bits again, the same images score differently. Here it is antialiased, in floating point, one image at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


def bicubic(image: np.ndarray, size: int) -> Tensor:
    """Grey levels of an image uint8 `[h, w, 3]`, antialiased to float32 `[3, size, size]`, aspect ratio not kept.

    Pillow's bicubic on mode "F", as clean-fid uses it, to 1e-4 grey levels. Edges overshoot: values may leave [0, 255].
    """
    # float64: in float32 torch misplaces the filter by up to 1e-5 pixels, which is 3e-3 grey levels, and is no faster
    exact = torch.from_numpy(image).permute(2, 0, 1)[None].double()  # [1, 3, h, w]
    return torch.nn.functional.interpolate(exact, size=(size, size), mode="bicubic", antialias=True)[0].float()


@dataclass(frozen=True)
class Native:
    """Preparer: an image at its own size."""

    name = "native"

    def __call__(self, image: np.ndarray) -> Tensor:
        """Grey levels of an image uint8 `[h, w, 3]` in [0, 1], float32 `[3, h, w]`."""
        return torch.from_numpy(image).permute(2, 0, 1).contiguous() / 255


@dataclass(frozen=True)
class Bicubic:
    """Preparer: the whole image at `size` x `size`, scaled to what the network was trained on."""

    size: int
    mean: float = 0.0
    std: float = 1.0

    @property
    def name(self) -> str:
        """As it stands in a signature."""
        return f"bicubic-aa-{self.size}"

    def __call__(self, image: np.ndarray) -> Tensor:
        """(grey / 255 - mean) / std of an image uint8 `[h, w, 3]`, float32 `[3, size, size]`."""
        return (bicubic(image, self.size) / 255 - self.mean) / self.std
