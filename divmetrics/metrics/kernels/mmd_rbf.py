"""Maximum mean discrepancy with a Gaussian kernel: all moments at once, at one length scale."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from divmetrics.arrays.pairs import Gaussian, mmd2, mmd2_of_splits, mmd2_variance, split_sums, typical_distance
from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import FeatureError, UsageError
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _unit(rows: Rows) -> Rows:
    """Rows of length 1."""
    lengths = torch.linalg.vector_norm(rows.features, dim=1, keepdim=True, dtype=torch.float64)
    zero = (lengths[:, 0] == 0).nonzero()[:, 0]
    if len(zero):
        raise FeatureError(
            f"row {int(rows.index[zero[0]])} is all zeros and has no direction; drop it or use normalise=false."
        )
    return replace(rows, features=rows.features / lengths.to(rows.features.dtype))


def _kernel(real: Rows, fake: Rows, sigma: float | None) -> Gaussian:
    same_width(real.d, fake.d)
    return Gaussian(typical_distance(torch.cat([real.features, fake.features])) if sigma is None else sigma)


def _sides(real: Rows, fake: Rows, options: dict[str, Any]) -> tuple[Rows, Rows, Gaussian]:
    if options["normalise"]:
        real, fake = _unit(real), _unit(fake)
    return real, fake, _kernel(real, fake, options["sigma"])


def _variance(pool: TwoSamplePool, **options: Any) -> float | None:
    """That of the U-statistic at the bandwidth found, whose own error is of smaller order."""
    found = mmd2_variance(*_sides(pool.real, pool.fake, options))
    return None if found is None else found * options["scale"] ** 2


def _resample(pool: TwoSamplePool, splits: Splits, **options: Any) -> Tensor:
    """One bandwidth, that of the pool, which no re-split changes."""
    real, fake, kernel = _sides(pool.real, pool.fake, options)
    sums = split_sums(TwoSamplePool(real, fake).whole, kernel, splits)
    found: Tensor = options["scale"] * mmd2_of_splits(sums, unbiased=options["unbiased"])
    return found


@metric(
    "mmd_rbf",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(translation=True, rotation=True, scaling=0.0),
    role="distance",
    cite="Gretton 2012, JMLR 13; Jayasumana 2024 (CMMD), arXiv:2401.09603",
    minimum=lambda options: 2 if options["unbiased"] else 1,
    protocols={"cmmd-2024": {"sigma": 10.0, "normalise": True, "unbiased": False, "scale": 1000.0}},
    uncertainty=UncertaintySpec(variance=Variance("U-statistic theory", _variance), resample=_resample),
    about=About(
        formula=r"\frac{\sum_{i \ne j} k(x_i, x_j)}{n(n-1)} + \frac{\sum_{i \ne j} k(y_i, y_j)}{m(m-1)} "
        r"- \frac{2}{nm} \sum_{ij} k(x_i, y_j), \quad k(x, y) = e^{-|x - y|^2 / 2\sigma^2}",
        sees="Any difference of the distributions at the scale of sigma: shifts, dropped modes, shrunken ones.",
        blind="Structure far finer than sigma: many atoms in place of a smooth mode. With CMMD's options (unit length, "
        "sigma = 10) the kernel is linear on its range, and all but the means goes unseen.",
        bias="None with unbiased=true. Of CMMD's estimate (1/n + 1/m)(1 - mean kernel), times 1000.",
        cost="One pass over the pairs, O((n + m)² d), blocks of 1024 in memory; the null is one more such pass.",
    ),
)
def mmd_rbf(
    real: Rows,
    fake: Rows,
    *,
    sigma: float | None = None,
    normalise: bool = False,
    unbiased: bool = True,
    scale: float = 1.0,
) -> Measured:
    """Squared maximum mean discrepancy for the kernel exp(-|x - y|²/(2 sigma²)), times `scale`; lower is better.

    At most 2; unbiased by default: 0 on average for equal distributions, and below 0 half of the time. Gretton 2012,
    eq. 3. `sigma=None` is the median distance within the pool of both sides (the median heuristic), `extras["sigma"]`.
    `normalise` scales rows to unit length first. CMMD to the letter is
    `sigma=10:normalise=true:unbiased=false:scale=1000`; on rows of unit length that kernel is a straight line and sees
    the means alone, which is why it is not the default.
    Raises UsageError for `sigma` <= 0, FeatureError on a row of zeros where rows are normalised.
    """
    if sigma is not None and not sigma > 0:
        raise UsageError(f"sigma={sigma} is not possible; give a length above 0, or none for the median distance.")
    real, fake, kernel = _sides(real, fake, {"sigma": sigma, "normalise": normalise})
    value = mmd2(real, fake, kernel, unbiased=unbiased)
    return Measured(scale * value, extras={"sigma": kernel.sigma})
