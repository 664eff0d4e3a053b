"""Authenticity."""

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.pairs import (
    ball_radii,
    mean_on_splits,
    nearest_across,
    neighbour_pass,
    neighbour_uncertainty,
    split_nearest,
)
from divmetrics.arrays.splits import FAKE, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits) -> Tensor:
    found = split_nearest(pool, splits)
    authentic = np.take_along_axis(found.own, found.index, 1) < found.other
    return torch.from_numpy(mean_on_splits(found.side, authentic, FAKE))


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
    uncertainty=neighbour_uncertainty(_resample),
    about=About(
        formula=r"\frac1m\sum_j\mathbf 1\bigl[\mathrm{NND}_1(x_{i(j)})<|y_j-x_{i(j)}|\bigr],\;i(j)=\arg\min_i|y_j-x_i|",
        sees="Fakes that copy reals, exactly or nearly.",
        blind="Quality and diversity: noise far from all reals is authentic. A tight cluster of fakes shares one "
        "nearest real, which decides for all of them.",
        bias="Equal distributions score about one half in few dimensions and less in many, where the nearest real is "
        "one that is near to all; the null says what they do. It falls with the number of reals, among which "
        "there is then a nearer one.",
        cost="O(nmd) time in blocks, shared by all neighbour metrics; the lists of the chance take 268 MB at most.",
    ),
)
def authenticity(real: Rows, fake: Rows) -> Measured:
    """Share of fakes farther from their nearest real than that real is from its own nearest; in [0, 1], 0 for copies.

    Higher is better. Alaa 2022, with the nearest real looked up by the fake (the authors' code indexes it wrongly).
    Per fake: `authentic`. Raises TooFewSamples below 2 rows.
    """
    _, nearest = nearest_across(real, fake)
    authentic = (ball_radii(real, 1)[nearest.index] < nearest.distance).cpu()
    return Measured(authentic.double().mean().item(), fake={"authentic": authentic})
