"""Rarity score."""

from math import inf

import numpy as np
from torch import Tensor

from divmetrics.arrays.pairs import Ties, ball_counts, ball_counts_on_splits, neighbour_pass, neighbour_uncertainty
from divmetrics.arrays.splits import FAKE, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    balls = ball_counts_on_splits(pool, splits, k, ties, smallest=True)
    means = []
    for part in balls.portions():
        inside = (part.side == FAKE) & (part.smallest < inf)
        sums = np.sqrt(part.smallest * part.scale, where=inside, out=np.zeros(inside.shape)).sum(1)
        counts = inside.sum(1)
        means.append(np.where(counts > 0, sums / counts.clip(1), inf))
    return balls.nan_where_unusable(np.concatenate(means))


@metric(
    "rarity",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=1, on_collapse="worse"),
    cite="Han 2022, arXiv:2206.08549",
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    uncertainty=neighbour_uncertainty(_resample),
    about=About(
        formula=r"\operatorname{mean}_{j\text{ inside}}\;\min\{\mathrm{NND}_k(x_i):|y_j-x_i|\le\mathrm{NND}_k(x_i)\}",
        sees="Whether fake samples reach the sparse outskirts of the real ones or keep to their dense centre.",
        blind="Fake samples off the manifold, which are left out and whose share is reported beside the value; which "
        "modes are missing.",
        bias="Falls as real samples are added and radii shrink: compare at equal numbers of real samples.",
        cost="O(nmd) time, in blocks, in one pass that all nearest-neighbour metrics share; the neighbour lists for "
        "interval and null take at most 268 MB.",
    ),
)
def rarity(real: Rows, fake: Rows, *, k: int = 3, ties: Ties = "closed") -> Measured:
    """Mean over the fake samples of the smallest radius among the real balls that hold them; in feature units, >= 0.

    Higher means that the fake samples reach rarer, sparser regions of the real distribution; compare with the null
    band. The ball of a real sample reaches to its k-th nearest other real sample; fake samples outside all balls are
    left out. Han 2022.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n > k.
        fake: Fake samples: `[m, d]`, m > k, in the same feature space.
        k: Rank of the nearest neighbour that a ball reaches to, within its own set (default 3). Larger balls raise the
            value.
        ties: `"closed"` counts a distance up to the radius (default; Han 2022), `"open"` only one below it. They differ
            where distances tie, as among copies.

    Returns:
        The mean; infinite where no fake sample lies in a ball. `measure` adds the column `rarity` of the fake side, a
        list of m numbers with None for samples outside, and `extras["excluded"]`, the share outside.

    Raises:
        TooFewSamples: A side has k samples or fewer.
        UsageError: `k` is below 1, or an option has the wrong type.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [1.0], [3.0]], [[0.5], [2.5], [9.0]]
        >>> dm.metrics.rarity(real, fake, k=1)  # 0.5 lies in a ball of radius 1, 2.5 in one of radius 2, 9 in none
        1.5
    """
    radii = ball_counts(real, fake, k, ties).least_over_fake.sqrt().cpu()  # [m], inf outside of all balls
    inside = radii[radii < inf]
    column = [radius if radius < inf else None for radius in radii.tolist()]
    extras = {"excluded": 1 - len(inside) / fake.n}
    return Measured(inside.mean().item() if len(inside) else inf, fake={"rarity": column}, extras=extras)
