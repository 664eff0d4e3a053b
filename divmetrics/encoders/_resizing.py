"""Resizing by two matrix products, so that a GPU resizes as the CPU does, to 1e-3 grey levels.

A resize is linear along each axis. The weights are torch's own, obtained by resizing the identity on the CPU, so the
filters are defined once. Pillow's resize is not available here: it rounds to 8 bits between the axes, and their order
depends on its version.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

_MAX_VALUES = 2**26
"""Grey levels resized at a time; larger batches are split, so that large photographs fit into the memory."""


def resize(images: Tensor, size: int, mode: str, *, antialias: bool) -> Tensor:
    """Images uint8 `[b, h, w, 3]`, resized on their device to float32 `[b, 3, size, size]`, in grey levels.

    Equals torch's `interpolate` on the CPU, in float64 with `antialias`, to 1e-3 grey levels.
    """
    down, across = (resize_weights(n, size, mode, antialias).to(images.device) for n in images.shape[1:3])
    parts = torch.split(images, max(1, _MAX_VALUES // max(1, images[0].numel())))
    return torch.cat([down @ channels_first(part) @ across.T for part in parts])


def channels_first(images: Tensor) -> Tensor:
    """`images` uint8 `[..., h, w, 3]` as float32 `[..., 3, h, w]`."""
    return images.movedim(-1, -3).float()


@lru_cache(maxsize=64)
def resize_weights(n: int, size: int, mode: str, antialias: bool) -> Tensor:
    """Weights `[size, n]` float32 with which torch's `interpolate` computes `size` pixels from `n`."""
    kind = torch.float64 if antialias else torch.float32  # as `bicubic` in _preparing; bilinear is float32
    parts = []
    for start in range(0, n, 256):  # each pixel alone is one channel; all at once would be n * n numbers
        width = min(256, n - start)
        alone = torch.zeros(1, width, 1, n, dtype=kind)  # one row: with one column torch 2.14 gives wrong weights
        alone[0, range(width), 0, range(start, start + width)] = 1
        resized = torch.nn.functional.interpolate(alone, size=(1, size), mode=mode, antialias=antialias)
        parts.append(resized[0, :, 0])  # [width, size]
    return torch.cat(parts).T.float().contiguous()


def tf1_bilinear(grey: Tensor, size: int) -> Tensor:
    """TensorFlow 1's bilinear resize of `grey` `[..., h, w]` to `[..., size, size]` float32, to the bit on a CPU.

    Pixel i is sampled at i * h / size, which is off by up to half a pixel, without antialiasing.
    """
    lines = max(1, _MAX_VALUES // 4 // max(1, grey.numel() // grey.shape[-2]))
    parts = []
    for part in torch.split(grey, lines, -2):  # the width first, as rows: whole rows copy faster
        columns = _tf1_rows((part if part.is_floating_point() else part.float()).transpose(-1, -2).contiguous(), size)
        parts.append(columns.transpose(-1, -2))
    return _tf1_rows(torch.cat(parts, -2).contiguous(), size)


def _tf1_rows(grey: Tensor, size: int) -> Tensor:
    low, high, share = (place.to(grey.device) for place in _tf1_places(grey.shape[-2], size, grey.dtype))
    first = grey.index_select(-2, low)
    return grey.index_select(-2, high).sub_(first).mul_(share[:, None]).add_(first)


@lru_cache(maxsize=64)
def _tf1_places(n: int, size: int, kind: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `size` pixels, the two of `n` that it lies between, and the weight of the second."""
    scale = torch.tensor(n / size, dtype=torch.float32)  # rounded, as TensorFlow rounds it
    place = torch.arange(size, dtype=kind) * scale
    low = place.long()
    return low, (low + 1).clamp(max=n - 1), place - low
