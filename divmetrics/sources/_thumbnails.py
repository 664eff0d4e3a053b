"""Small versions of images, to be looked at."""

from __future__ import annotations

import numpy as np
from PIL import Image


def thumbnail_of_pixels(values: np.ndarray, side: int) -> np.ndarray:
    """A small version of an image uint8 `[h, w, 3]`, the longer side at most `side`."""
    return shrunk(Image.fromarray(np.ascontiguousarray(values)), side)


def shrunk(image: Image.Image, side: int) -> np.ndarray:
    """A small version of an opened image, RGB or RGBA; one that is small already stays as it is."""
    longest = max(image.size)
    if longest > side:
        size = [max(1, round(length * side / longest)) for length in image.size]
        image = image.resize((size[0], size[1]), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(image)
