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


OVERSHOOT = 1 / 512
"""How far floats may lie beyond [0, 1], as arithmetic leaves them: less than half a grey level, which rounds off."""


def check_unit(values: np.ndarray) -> None:
    """Raise SourceError unless all `values` lie in [0, 1], with a tolerance below half a grey level."""
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if low > -OVERSHOOT and high < 1 + OVERSHOOT:
        return
    if not (np.isfinite(low) and np.isfinite(high)):
        raise SourceError("float images must lie in [0, 1], these hold NaN or Inf; repair or drop them.")
    raise SourceError(f"float images must lie in [0, 1], these run from {low:.6g} to {high:.6g}{_way_out(low, high)}.")


def _way_out(low: float, high: float) -> str:
    """What a range beyond [0, 1] looks like, and what to do about it."""
    if -1 - OVERSHOOT < low < -0.1 and high < 1 + OVERSHOOT:
        return ", as of [-1, 1]: give (x + 1) / 2, or uint8"
    if low > -OVERSHOOT and 1.5 < high < 256:
        return ", as of 0..255: give x / 255, or uint8"
    if low > -0.5 and high < 1.5:
        return ": clip what overshoots, x.clip(0, 1), or give uint8"
    return ": undo their normalisation, x * std + mean, or give uint8"


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
