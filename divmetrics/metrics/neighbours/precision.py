"""Improved precision (nearest-neighbour balls of the real samples)."""

from torch import Tensor

from divmetrics.arrays.pairs import Ties, ball_counts, ball_counts_on_splits, neighbour_pass, neighbour_uncertainty
from divmetrics.arrays.splits import FAKE, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    balls = ball_counts_on_splits(pool, splits, k, ties)
    return balls.mean(lambda part: part.balls_over > 0, FAKE)


@metric(
    "precision",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="better"),
    cite="Kynkaanniemi 2019, arXiv:1904.06991",
    presets=("quick", "default"),
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    uncertainty=neighbour_uncertainty(_resample, larger=True, share=True, null_trend=0),
    about=About(
        formula=r"\frac1m\sum_j\mathbf 1\bigl[\exists i:|y_j-x_i|<\mathrm{NND}_k(x_i)\bigr]",
        sees="Fake samples off the manifold of the real samples.",
        blind="Dropped and shrunken modes: a collapsed generator can reach 1. One outlying real sample has a ball "
        "large enough to hold almost anything.",
        bias="Equal distributions do not reach 1 (about .87 in 16 dimensions, .7 in 64, .48 in 1000 at k = 5); the "
        "null band shows what they reach.",
        cost="O(nmd) time, in blocks, in one pass that all nearest-neighbour metrics share; the neighbour lists for "
        "interval and null take at most 268 MB.",
    ),
)
def precision(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """Share of fake samples inside the k-nearest-neighbour ball of at least one real sample; in [0, 1], higher is
    better.

    Measures fidelity and not diversity: a collapsed generator can reach 1. The ball of a real sample is centred on it
    and reaches to its k-th nearest other real sample. Kynkaanniemi 2019, eq. 2.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n > k.
        fake: Fake samples: `[m, d]`, m > k, in the same feature space.
        k: Rank of the nearest neighbour that a ball reaches to, within its own set (default 5). Larger balls raise the
            value.
        ties: `"open"` counts a distance below the radius (default; Naeem 2020), `"closed"` also one equal to it
            (Kynkaanniemi 2019). They differ only where distances tie, as among copies.

    Returns:
        The share. `measure` adds the column `inside` of the fake side, `[m]` bool: whether each sample is in a ball.

    Raises:
        TooFewSamples: A side has k samples or fewer.
        UsageError: `k` is below 1, or an option has the wrong type.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [1.0], [2.0]], [[0.1], [0.9], [2.1], [9.0]]
        >>> dm.metrics.precision(real, fake, k=1)  # no ball of radius 1 around 0, 1 or 2 holds 9
        0.75
    """
    inside = (ball_counts(real, fake, k, ties).balls_over_fake > 0).cpu()
    return Measured(inside.double().mean().item(), fake={"inside": inside})
