"""Peak signal-to-noise ratio of the closest images."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.pairs import UniqueRows, nearest_rows, squared_ball_radii
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import FeatureError, TooFewSamples
from divmetrics.metrics.copies._nearest_on_splits import closest_of_splits, median_variance
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric

To = Literal["any", "real", "fake"]

AMONG: dict[To, tuple[int, ...]] = {"any": (REAL, FAKE), "real": (REAL,), "fake": (FAKE,)}
MOST = 100.0
"""dB of exact copies, and of anything nearer than a hundred-thousandth of the range of grey levels."""


def _decibels(squared: Any, width: int) -> Any:
    """PSNR of squared distances over `width` values in [0, 1]: 10 log10(1 / MSE), `MOST` at most."""
    return -10 * np.log10(np.maximum(np.asarray(squared, np.float64) / width, 10 ** (-MOST / 10)))


def _resample(pool: Pool, splits: Splits, *, to: To) -> Tensor:
    found = closest_of_splits(pool, splits, FAKE, AMONG[to])
    return torch.tensor([float(np.median(_decibels(squared, pool.fake.d))) for squared in found], dtype=torch.float64)


def _variance(pool: Pool, *, to: To) -> float | None:
    found = median_variance(pool, AMONG[to])
    return None if found is None else 100 * found  # a decibel is a tenth of a decade


@metric(
    "psnr",
    real=Rows.on("pixels"),
    fake=Rows.on("pixels"),
    better="lower",
    laws=Laws(range=(0, MOST), on_copies=MOST),
    cite="ITU-T 2000, Recommendation J.144; Arora 2018, arXiv:1706.08224",
    uncertainty=UncertaintySpec(variance=Variance("second-order jackknife", _variance), resample=_resample),
    companion="pixels?size=32",
    about=About(
        formula=r"\operatorname{median}_j \max_{x \in X \cup Y \setminus y_j} -10 \log_{10} \mathrm{MSE}(y_j, x)",
        sees="Images that repeat each other or the reals, level by level; its columns tell which.",
        blind="Copies that are shifted, mirrored or recoloured, and, as a median, copies among fewer than half of the "
        "fakes: the extras have the extremes.",
        bias="Grows slowly with both sample sizes: among more images the nearest one is nearer.",
        cost="O((n + m) m d), d = 3,072 at 32 x 32.",
    ),
)
def psnr(real: Rows, fake: Rows, *, to: To = "any") -> Measured:
    """PSNR of each fake to the nearest other image, the median over fakes; dB, in [0, 100], lower means less copied.

    Compare it with its null, what reals in the fakes' place would give: far above it, fakes repeat images. `to="real"`
    looks for them among the reals alone, `"fake"` among the other fakes. Images in [0, 1]; exact copies are at 100 dB.
    Per fake: `psnr_to_real` and `psnr_to_fake`. Extras: the medians and maxima of both, and how many are exact copies.
    Raises TooFewSamples below 2 fakes, FeatureError for values far outside [0, 1].
    """
    same_width(real.d, fake.d)
    if fake.n < 2:
        raise TooFewSamples("the nearest other fake needs at least 2 fakes, there is 1; add images.")
    for side in (real, fake):
        low, high = float(side.features.min()), float(side.features.max())
        if low < -0.5 or high > 2:  # a resize may overshoot; levels up to 255 or from -1 on are another matter
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
