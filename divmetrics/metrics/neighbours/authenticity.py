"""Authenticity (a test for copies of real samples)."""

import numpy as np
from torch import Tensor

from divmetrics.arrays.pairs import (
    NearestReals,
    distance_to_different,
    nearest_of_other_side,
    nearest_reals_on_splits,
    neighbour_pass,
    neighbour_uncertainty,
)
from divmetrics.arrays.splits import Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits) -> Tensor:
    return nearest_reals_on_splits(pool, splits, _share)


def _share(nearest: NearestReals) -> float:
    """Share of authentic ones among the fake samples of a split; 0 where there are none."""
    authentic = (nearest.apart[nearest.index] < nearest.squared) | np.isinf(nearest.squared)
    return float(authentic.mean()) if len(authentic) else 0.0


@metric(
    "authenticity",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=0, on_collapse="worse"),
    role="copies",
    cite="Alaa 2022, arXiv:2102.08921",
    presets=("default",),
    shared_pass=neighbour_pass,
    uncertainty=neighbour_uncertainty(_resample, share=True, null_trend=0),
    about=About(
        formula=r"\frac1m\sum_j\mathbf 1\bigl[\mathrm{NND}_1(x_{i(j)})<|y_j-x_{i(j)}|\bigr],\;i(j)=\arg\min_i|y_j-x_i|",
        sees="Fake samples that copy real ones, exactly or nearly.",
        blind="Quality and diversity: noise far from all real samples is authentic. A tight cluster of fake samples "
        "shares one nearest real sample, which decides for all of them.",
        bias="Equal distributions score .34 in 1 dimension, .58 in 8, .82 in 64 and .87 in 1,000 (Gaussian, 1,000 "
        "samples a side): in many dimensions the nearest real sample is one near the centre, whose own nearest is "
        "nearer still. The null band shows what they reach. It falls as real samples are added, since the nearest of "
        "them is then nearer.",
        cost="O(nmd) time, in blocks, in one pass that all nearest-neighbour metrics share; the neighbour lists for "
        "interval and null take at most 268 MB.",
    ),
)
def authenticity(real: Rows, fake: Rows) -> Measured:
    """Share of fake samples farther from their nearest real sample than that is from its own nearest; in [0, 1], higher
    is better.

    Copies of real samples give 0. A fake sample is authentic if its distance to the nearest real sample exceeds the
    distance from there to the nearest other real sample, copies of it left out, beside which all fake samples would be
    authentic. Alaa 2022; the authors' code looks the nearest real sample up by the index of the fake one, which is
    corrected here.

    Args:
        real: Real samples, best the training data: `[n, d]` array, tensor or `Rows`, n >= 2.
        fake: Fake samples: `[m, d]`, m >= 2, in the same feature space.

    Returns:
        The share. `measure` adds the column `authentic` of the fake side, `[m]` bool.

    Raises:
        TooFewSamples: A side has a single sample.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [1.0], [3.0]], [[0.1], [5.5]]
        >>> dm.metrics.authenticity(real, fake)  # 0.1 is nearer to 0 than 1 is; 5.5 is farther from 3 than 1 is
        0.5
    """
    _, nearest = nearest_of_other_side(real, fake)
    authentic = (distance_to_different(real)[nearest.index] < nearest.distance).cpu()
    return Measured(authentic.double().mean().item(), fake={"authentic": authentic})
