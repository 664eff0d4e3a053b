"""Spacing ratio: how far apart the fake samples lie, in units of the real ones."""

from math import exp, inf

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.pairs import (
    ball_counts_on_splits,
    ball_radii,
    check_enough_rows,
    mean_on_splits,
    neighbour_pass,
    neighbour_uncertainty,
)
from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int) -> Tensor:
    balls = ball_counts_on_splits(pool, splits, k, "open")
    ratios = []
    for part in balls.portions():
        apart = part.radius > 0  # of samples that a split leaves out: NaN, so False
        logs = 0.5 * np.log(part.radius, where=apart, out=np.zeros(apart.shape))
        means = []
        for side in (FAKE, REAL):
            share = mean_on_splits(part.side, apart, side)
            means.append(np.where(share >= 0.5, mean_on_splits(part.side, logs, side) / share.clip(0.5), np.nan))
        ratios.append(np.exp(means[0] - means[1]))
    return balls.nan_where_unusable(np.concatenate(ratios))


@metric(
    "spacing_ratio",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="worse"),
    cite="Fox 2025, arXiv:2412.14340",
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    equal_n=True,
    uncertainty=neighbour_uncertainty(_resample),
    about=About(
        formula=r"\exp\Bigl(\frac1m\sum_j\log r_k(y_j)-\frac1n\sum_i\log r_k(x_i)\Bigr)",
        sees="Shrunken modes: with all modes s times as wide as the real ones it is s, in any number of dimensions.",
        blind="Noise and invented samples widen the fake samples and hide what was lost. Dropped modes count little in "
        "many dimensions: with half of the modes left, 0.5^(1/d) in d dimensions.",
        bias="None at equal sizes, which are drawn; radii shrink on both sides alike as samples are added.",
        cost="O((n^2 + m^2) d) time, in blocks, in one pass that all nearest-neighbour metrics share; the neighbour "
        "lists for interval and null take at most 268 MB.",
    ),
)
def spacing_ratio(real: Rows, fake: Rows, *, k: int = 5) -> Measured:
    """Geometric mean distance of a fake sample to its k-th nearest other, relative to the real samples; >= 0, higher is
    better.

    1 where both sides are spaced alike, 0.5 where the fake samples lie half as far apart: the factor by which modes
    shrank. The logarithm is the difference of the nearest-neighbour estimates of entropy per dimension. After the
    entropy gap of Fox 2025, whose published code computes the entropy of the real samples for both terms.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n > k.
        fake: Fake samples: `[m, d]`, m > k, in the same feature space; best m = n, as `score` sees to.
        k: Rank of the nearest neighbour, within its own set (default 5). Larger ranks look at wider surroundings.

    Returns:
        The ratio. Samples with k copies have the radius 0; they are left out of both means, and their shares are
        `extras["real_copies"]` and `extras["fake_copies"]`. `measure` adds the column `spacing` of both sides: the
        distances themselves.

    Raises:
        TooFewSamples: A side has k samples or fewer.
        FeatureError: More than half of the radii of a side are 0, or the two sides have different numbers of columns.
        UsageError: `k` is below 1, or an option has the wrong type.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [4.0], [8.0]], [[0.0], [1.0], [2.0]]
        >>> dm.metrics.spacing_ratio(real, fake, k=1)
        0.25
    """
    check_enough_rows(k, real.n, fake.n)
    means, copies, columns = {}, {}, {}
    for name, side in (("real", real), ("fake", fake)):
        radii = columns[name] = ball_radii(side, k).cpu()
        apart = radii[radii > 0]
        copies[f"{name}_copies"] = 1 - len(apart) / side.n
        if 2 * len(apart) < side.n:
            alike = f"{side.n - len(apart)} of the {side.n} {name} samples equal {k} others or more"
            raise FeatureError(f"{alike}, so that their spacing is 0; see duplicate_fraction, and remove the copies.")
        means[name] = torch.log(apart).mean().item()
    spacing = {name: {"spacing": radii} for name, radii in columns.items()}
    return Measured(exp(means["fake"] - means["real"]), **spacing, extras=copies)
