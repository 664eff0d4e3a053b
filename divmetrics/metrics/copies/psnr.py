"""Peak signal-to-noise ratio (PSNR) of each fake image to its nearest image."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.pairs import UniqueRows, nearest_rows, squared_ball_radii
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import FeatureError, TooFewSamples
from divmetrics.metrics.copies._nearest_on_splits import median_variance, nearest_on_splits
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric

To = Literal["any", "real", "fake"]

AMONG: dict[To, tuple[int, ...]] = {"any": (REAL, FAKE), "real": (REAL,), "fake": (FAKE,)}
MAX_DECIBELS = 100.0
"""PSNR of exact copies, and of anything with a root mean squared error below 1e-5 of the range."""


def _decibels(squared: Any, width: int) -> Any:
    """PSNR 10 log10(1 / MSE) of squared distances over `width` values in [0, 1], at most `MAX_DECIBELS`."""
    return -10 * np.log10(np.maximum(np.asarray(squared, np.float64) / width, 10 ** (-MAX_DECIBELS / 10)))


def _resample(pool: Pool, splits: Splits, *, to: To) -> Tensor:
    distances = nearest_on_splits(pool, splits, FAKE, AMONG[to])
    return torch.tensor(
        [float(np.median(_decibels(squared, pool.fake.d))) for squared in distances], dtype=torch.float64
    )


def _variance(pool: Pool, *, to: To) -> float | None:
    variance = median_variance(pool, AMONG[to])
    return None if variance is None else 100 * variance  # 10 dB are a factor of 10


@metric(
    "psnr",
    real=Rows.on("pixels"),
    fake=Rows.on("pixels"),
    better="lower",
    laws=Laws(range=(0, MAX_DECIBELS), on_copies=MAX_DECIBELS),
    cite="ITU-T 2000, Recommendation J.144; Arora 2018, arXiv:1706.08224",
    uncertainty=UncertaintySpec(variance=Variance("second-order jackknife", _variance), resample=_resample),
    companion="pixels?size=32",
    about=About(
        formula=r"\operatorname{median}_j \max_{x \in X \cup Y \setminus y_j} -10 \log_{10} \mathrm{MSE}(y_j, x)",
        sees="Images that repeat each other or real images pixel by pixel; the per-sample columns show which.",
        blind="Copies that are shifted, mirrored or recoloured; as a median, copies in fewer than half of the fake "
        "images (the extras hold the maxima).",
        bias="Grows slowly with both sample sizes: among more images the nearest one is nearer.",
        cost="O((n + m) m d), d = 3,072 at 32 x 32.",
    ),
)
def psnr(real: Rows, fake: Rows, *, to: To = "any") -> Measured:
    """Median PSNR of fake images to their nearest other image; dB, in [0, 100], lower means fewer copies.

    After Arora 2018. Compare it with its null band, which is that of real images in place of the fake ones: a value far
    above it means repeated images. Exact copies have 100 dB.

    Args:
        real: Real images in [0, 1], `[n, channels, h, w]` or flattened, `[n, d]`.
        fake: Generated images of the same shape, `[m, ...]`.
        to: Where to look for the nearest image: `any` (the default), `real`, or `fake` (the other fake images).

    Returns:
        The median, in dB. Per fake image: `psnr_to_real` and `psnr_to_fake`. Extras: the medians `to_real` and
        `to_fake`, the maxima `closest_to_real` and `closest_to_fake`, and `copies_of_real` and `copies_of_fake`, the
        numbers of exact copies.

    Raises:
        TooFewSamples: Fewer than 2 fake images.
        FeatureError: Images of different shapes, or values far outside [0, 1].

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.2, 0.2], [0.9, 0.9]], [[0.3, 0.3], [0.8, 0.8]]
        >>> round(dm.metrics.psnr(real, fake), 6)  # an error of 0.1 everywhere is 20 dB
        20.0
    """
    same_width(real.d, fake.d)
    if fake.n < 2:
        raise TooFewSamples("the nearest other fake image needs at least 2 fake images, there is 1; add images.")
    for side in (real, fake):
        low, high = float(side.features.min()), float(side.features.max())
        if low < -0.5 or high > 2:  # resizing may overshoot slightly; [0, 255] and [-1, 1] are other scales
            raise FeatureError(f"pixel values reach from {low:g} to {high:g}; scale them to [0, 1].")
    points = UniqueRows.of(fake.features)
    to_real = nearest_rows(fake.features, real.features)[0].cpu().numpy()
    to_fake = squared_ball_radii(points, [1])[points.place, 0].cpu().numpy()
    columns = {"psnr_to_real": _decibels(to_real, fake.d), "psnr_to_fake": _decibels(to_fake, fake.d)}
    values = np.maximum(*columns.values()) if to == "any" else columns[f"psnr_to_{to}"]
    extras: dict[str, float | int] = {}
    for name, squared in (("real", to_real), ("fake", to_fake)):
        column = columns[f"psnr_to_{name}"]
        extras |= {f"to_{name}": float(np.median(column)), f"closest_to_{name}": float(column.max())}
        extras[f"copies_of_{name}"] = int((squared == 0).sum())
    return Measured(float(np.median(values)), fake=columns, extras=extras)
