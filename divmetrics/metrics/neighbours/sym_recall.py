"""Symmetric recall."""

from torch import Tensor, minimum

from divmetrics.arrays.pairs import Ties, ball_counts, ball_counts_on_splits, neighbour_pass, neighbour_uncertainty
from divmetrics.arrays.splits import REAL, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    balls = ball_counts_on_splits(pool, splits, k, ties)
    return minimum(balls.mean(lambda part: part.balls_over > 0, REAL), balls.mean(lambda part: part.in_ball > 0, REAL))


@metric(
    "sym_recall",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="worse"),
    cite="Khayatkhoei and AbdAlmageed 2023, arXiv:2306.09618",
    presets=("quick", "default"),
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    equal_n=True,
    uncertainty=neighbour_uncertainty(_resample, share=True, null_trend=0),
    about=About(
        formula=r"\min(\mathrm{recall},\mathrm{coverage})",
        sees="Dropped and shrunken modes; unlike recall also those that a few fake samples with large balls span.",
        blind="Imbalance between modes.",
        bias="That of recall, which is usually the smaller; with few fake samples that of coverage. Sizes are made "
        "equal.",
        cost="O(nmd) time, in blocks, in one pass that all nearest-neighbour metrics share; the neighbour lists for "
        "interval and null take at most 268 MB.",
    ),
)
def sym_recall(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """The smaller of recall and coverage; in [0, 1], higher is better.

    In many dimensions recall alone cannot see fake samples that lie further out than the real ones, because their balls
    hold everything; the balls of the real samples, which coverage looks at, can. Khayatkhoei and AbdAlmageed 2023.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n > k.
        fake: Fake samples: `[m, d]`, m > k, in the same feature space.
        k: Rank of the nearest neighbour that a ball reaches to, within its own set (default 5). Larger balls raise the
            value.
        ties: `"open"` counts a distance below the radius (default; Naeem 2020), `"closed"` also one equal to it
            (Kynkaanniemi 2019). They differ only where distances tie, as among copies.

    Returns:
        The smaller share. `measure` adds the extras `recall` and `coverage`.

    Raises:
        TooFewSamples: A side has k samples or fewer.
        UsageError: `k` is below 1, or an option has the wrong type.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [1.0], [2.0], [9.0]], [[0.1], [0.9], [2.1]]
        >>> dm.metrics.sym_recall(real, fake, k=1)  # recall 3/4; all four real balls hold a fake sample
        0.75
    """
    balls = ball_counts(real, fake, k, ties)
    recalled, covered = ((counts > 0).double().mean().item() for counts in (balls.balls_over_real, balls.fakes_in_ball))
    return Measured(min(recalled, covered), extras={"recall": recalled, "coverage": covered})
