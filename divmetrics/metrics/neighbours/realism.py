"""Realism."""

from math import inf

import numpy as np
from torch import Tensor

from divmetrics.arrays.pairs import median_realism_on_splits, neighbour_pass, neighbour_uncertainty, realism_scores
from divmetrics.arrays.splits import Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int) -> Tensor:
    return median_realism_on_splits(pool, splits, k)


@metric(
    "realism",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=0, on_collapse="better"),
    cite="Kynkaanniemi 2019, arXiv:1904.06991",
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    uncertainty=neighbour_uncertainty(_resample, draws=24, pairs=12),
    about=About(
        formula=r"\operatorname{median}_j\max_{i:\,\mathrm{NND}_k(x_i)\le\mathrm{median}}\frac{\mathrm{NND}_k(x_i)}{|y_j-x_i|}",
        sees="How far inside or outside the manifold of the reals the fakes are: above 1 inside, below 1 outside.",
        blind="Dropped and shrunken modes. Copies of reals are infinitely real.",
        bias="Small: radii and distances shrink together as the number of reals grows.",
        cost="That of all neighbour metrics; its chance goes through all distances of the pool, so it rests on 24 "
        "draws.",
    ),
)
def realism(real: Rows, fake: Rows, *, k: int = 3) -> Measured:
    """Median over the fakes of their realism score, a real's radius over its distance; >= 0, higher is better.

    Kynkaanniemi 2019, eq. 3: the greatest ratio over the half of the reals with smaller radii, to the k-th nearest
    other real; 1 or more is inside a ball. The median, for the score of a near-copy has no bound and would be the mean.
    Per fake: `realism`, None where it is infinite, for a copy; the median may be infinite itself. Extras: `copies`.
    Raises TooFewSamples below k + 1 rows.
    """
    scores = realism_scores(real, fake, k).cpu()
    column = [score if score < inf else None for score in scores.tolist()]
    return Measured(float(np.median(scores)), fake={"realism": column}, extras={"copies": column.count(None)})
