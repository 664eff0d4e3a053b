"""Resizing as two matrix products: how a GPU resizes as the CPU does, to 1e-3 grey levels.

A resize is linear along each axis. The weights are torch's own, read off by resizing the identity on the CPU, so that
no second definition of a filter stands beside torch's. Pillow's resize is not here: it rounds to 8 bits between the
axes, and which of them comes first depends on its version.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

_AT_ONCE = 2**26
"""Grey levels resized at a time; more are cut into portions, so that a batch of large photographs fits a device."""


def resize(images: Tensor, size: int, mode: str, *, antialias: bool) -> Tensor:
    """Grey levels of `images` uint8 `[b, h, w, 3]`, resized on their device to float32 `[b, 3, size, size]`.

    As torch's interpolate on the CPU, in float64 where `antialias`, to 1e-3 grey levels.
    """
    down, across = (matrix(n, size, mode, antialias).to(images.device) for n in images.shape[1:3])
    parts = torch.split(images, max(1, _AT_ONCE // max(1, images[0].numel())))
    return torch.cat([down @ channels_first(part) @ across.T for part in parts])


def channels_first(images: Tensor) -> Tensor:
    """`images` uint8 `[..., h, w, 3]` as float32 `[..., 3, h, w]`."""
    return images.movedim(-1, -3).float()


@lru_cache(maxsize=64)
def matrix(n: int, size: int, mode: str, antialias: bool) -> Tensor:
    """The weights `[size, n]` float32 with which torch's interpolate makes `size` pixels of `n`."""
    kind = torch.float64 if antialias else torch.float32  # as in imaging.bicubic; torch's own bilinear is in float32
    parts = []
    for start in range(0, n, 256):  # each pixel alone is one channel; all at once would be n * n numbers
        width = min(256, n - start)
        alone = torch.zeros(1, width, 1, n, dtype=kind)  # one row: with one column torch 2.14 gives wrong weights
        alone[0, range(width), 0, range(start, start + width)] = 1
        resized = torch.nn.functional.interpolate(alone, size=(1, size), mode=mode, antialias=antialias)
        parts.append(resized[0, :, 0])  # [width, size]
    return torch.cat(parts).T.float().contiguous()


def tf1_bilinear(grey: Tensor, size: int) -> Tensor:
    """`grey` `[..., h, w]` resized to `[..., size, size]` as TensorFlow 1 does it, to the bit in float32 on a CPU.

    Pixel i reads at i * h / size, which is off by up to half a pixel, and nothing is averaged when an image shrinks.
    """
    columns = _tf1_rows(grey.transpose(-1, -2).contiguous(), size)  # the width first, as rows: whole rows copy faster
    return _tf1_rows(columns.transpose(-1, -2).contiguous(), size)


def _tf1_rows(grey: Tensor, size: int) -> Tensor:
    low, high, share = (place.to(grey.device) for place in _tf1_places(grey.shape[-2], size, grey.dtype))
    first = grey.index_select(-2, low)
    return grey.index_select(-2, high).sub_(first).mul_(share[:, None]).add_(first)


@lru_cache(maxsize=64)
def _tf1_places(n: int, size: int, kind: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `size` pixels, the two of `n` that it lies between, and how far on it is from the first."""
    scale = torch.tensor(n / size, dtype=torch.float32)  # rounded, as TensorFlow rounds it
    place = torch.arange(size, dtype=kind) * scale
    low = place.long()
    return low, (low + 1).clamp(max=n - 1), place - low
