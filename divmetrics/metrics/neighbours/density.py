"""Density (real nearest-neighbour balls over each fake sample)."""

from math import inf

from torch import Tensor

from divmetrics.arrays.pairs import Ties, ball_counts, ball_counts_on_splits, neighbour_pass, subset_uncertainty
from divmetrics.arrays.splits import FAKE, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    balls = ball_counts_on_splits(pool, splits, k, ties)
    return balls.mean(lambda part: part.balls_over / k, FAKE)


def _one_ball(pool: Pool, *, k: int, **_: object) -> float:
    """The value where one fake sample lies in one ball."""
    return 1 / (k * pool.m)


@metric(
    "density",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="better"),
    cite="Naeem 2020, arXiv:2002.09797",
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    uncertainty=subset_uncertainty(_resample, event=_one_ball, null_trend=0),
    about=About(
        formula=r"\frac1{km}\sum_j\sum_i\mathbf 1\bigl[|y_j-x_i|<\mathrm{NND}_k(x_i)\bigr]",
        sees="Fake samples off the real manifold, and fake samples that crowd where real ones are densest (far above "
        "1).",
        blind="Dropped modes. In many dimensions a few real samples near the centre of all others carry most of the "
        "value.",
        bias="1 on average for equal distributions of any sizes. Where fake samples crowd, it grows with the number "
        "of samples.",
        cost="O(nmd) time, in blocks, in one pass that all nearest-neighbour metrics share; the neighbour lists for "
        "interval and null take at most 268 MB.",
    ),
)
def density(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """Mean number of real k-nearest-neighbour balls that hold a fake sample, divided by k; >= 0, higher is better.

    Equal distributions give 1 on average; a value far above 1 means that fake samples crowd where real samples are
    densest. The ball of a real sample reaches to its k-th nearest other real sample. Naeem 2020.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n > k.
        fake: Fake samples: `[m, d]`, m > k, in the same feature space.
        k: Rank of the nearest neighbour that a ball reaches to, within its own set (default 5). Counts are divided by
            it.
        ties: `"open"` counts a distance below the radius (default; Naeem 2020), `"closed"` also one equal to it
            (Kynkaanniemi 2019). They differ only where distances tie, as among copies.

    Returns:
        The mean. `measure` adds the column `density` of the fake side, `[m]` float64: the number for each sample over
        k.

    Raises:
        TooFewSamples: A side has k samples or fewer.
        UsageError: `k` is below 1, or an option has the wrong type.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [1.0], [2.0]], [[0.1], [0.9], [2.1], [9.0]]
        >>> dm.metrics.density(real, fake, k=1)  # (2 + 2 + 1 + 0) / 4 balls of radius 1 around 0, 1 and 2
        1.25
    """
    balls = ball_counts(real, fake, k, ties).balls_over_fake.cpu().double() / k
    return Measured(balls.mean().item(), fake={"density": balls})
