"""Arrays as images, uint8 `[h, w, 3]`: layouts and value ranges that are accepted."""

from __future__ import annotations

import numpy as np

from divmetrics.errors import SourceError


def check_image(values: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise SourceError unless `values` hold images of `shape`: `[h, w]`, `[h, w, c]` or `[c, h, w]`.

    Accepted are uint8 and floats in [0, 1]. Floats beyond [0, 1] are refused: their range may be [-1, 1] or 0 to 255,
    and a wrong guess would change every number.
    """
    if not (len(shape) == 2 or (len(shape) == 3 and (shape[2] in (1, 3, 4) or _channels_first(shape)))):
        raise SourceError(
            f"images of shape {list(shape)}; wanted [h, w, c] or [c, h, w] with 1, 3 or 4 channels, or [h, w]."
        )
    if 0 in shape:
        raise SourceError(f"images of shape {list(shape)} hold no pixels; wanted at least 1 x 1.")
    if np.issubdtype(values.dtype, np.floating):
        check_unit(values)
    elif values.dtype != np.uint8:
        raise SourceError(f"images of type {values.dtype}; wanted uint8, or floats in [0, 1]: convert them first.")


def check_unit(values: np.ndarray) -> None:
    """Raise SourceError unless all `values` lie in [0, 1]."""
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not (low >= 0 and high <= 1):  # negated, so that NaN is refused
        raise SourceError(
            f"float images must lie in [0, 1], these run from {low:g} to {high:g}: map [-1, 1] with (x + 1) / 2 or "
            "0..255 with x / 255, and clip what overshoots; or give uint8."
        )


def as_image(values: np.ndarray) -> np.ndarray:
    """An image that passed `check_image` as uint8 `[h, w, 3]`: grey repeated, alpha dropped, floats rounded."""
    if values.ndim == 3 and _channels_first(values.shape):
        values = values.transpose(1, 2, 0)
    if values.dtype != np.uint8:
        values = quantise(values)
    if values.ndim == 2 or values.shape[2] == 1:
        values = np.repeat(values.reshape(*values.shape[:2], 1), 3, axis=2)
    return np.array(values[..., :3], order="C")


def quantise(values: np.ndarray) -> np.ndarray:
    """Floats in [0, 1] as uint8, rounded like torchvision's `save_image`: floor(255 v + 0.5).

    Computed in their own precision: 255 x 0.7 is 178.5 in float32 and less than that in float64.
    """
    own = values if values.dtype == np.float64 else values.astype(np.float32)
    return np.floor(own * own.dtype.type(255) + own.dtype.type(0.5)).astype(np.uint8)


def _channels_first(shape: tuple[int, ...]) -> bool:
    """Whether an image of three axes is `[c, h, w]`; where both ends may be channels, the last axis wins."""
    return (shape[0] in (1, 3) and shape[2] not in (1, 3)) or (shape[0] == 4 and shape[2] not in (1, 3, 4))
