"""Realism score."""

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
    uncertainty=neighbour_uncertainty(_resample, replicate_cost="recomputed", pairs=12),
    about=About(
        formula=r"\operatorname{median}_j\max_{i:\,\mathrm{NND}_k(x_i)\le\mathrm{median}}\frac{\mathrm{NND}_k(x_i)}{|y_j-x_i|}",
        sees="How far inside or outside the real manifold the fake samples are: above 1 inside, below 1 outside.",
        blind="Dropped and shrunken modes. Copies of real samples score infinity.",
        bias="Small: radii and distances shrink together as the number of real samples grows.",
        cost="That of all nearest-neighbour metrics; interval and null go through all distances of the pool for each "
        "draw, so they use few draws.",
    ),
)
def realism(real: Rows, fake: Rows, *, k: int = 3) -> Measured:
    """Median over the fake samples of their realism score, a real ball's radius over its distance; >= 0, higher is
    better.

    The score of a fake sample is the greatest ratio of the radius of a real sample, the distance to its k-th nearest
    other real sample, to its distance from the fake one; only real samples with radii up to the median take part. A
    score of 1 or more means inside a ball. The median is reported, since the score of a near-copy has no bound and
    would dominate a mean. Kynkaanniemi 2019, eq. 3.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n > k.
        fake: Fake samples: `[m, d]`, m > k, in the same feature space.
        k: Rank of the nearest neighbour that a ball reaches to, within its own set (default 3). Larger balls raise the
            value.

    Returns:
        The median; infinite where half of the fake samples are copies. `measure` adds the column `realism` of the fake
        side, a list of m numbers with None for copies of real samples, and `extras["copies"]`, their number.

    Raises:
        TooFewSamples: A side has k samples or fewer.
        UsageError: `k` is below 1, or an option has the wrong type.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [1.0], [3.0]], [[0.5], [2.0], [9.0]]
        >>> dm.metrics.realism(real, fake, k=1)  # radii 1, 1 and 2, of which 2 is above the median: scores 2, 1 and 1/8
        1.0
    """
    scores = realism_scores(real, fake, k).cpu()
    column = [score if score < inf else None for score in scores.tolist()]
    return Measured(float(np.median(scores)), fake={"realism": column}, extras={"copies": column.count(None)})
