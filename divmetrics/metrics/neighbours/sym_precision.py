"""Symmetric precision."""

from torch import Tensor, minimum

from divmetrics.arrays.pairs import Ties, ball_counts, ball_counts_on_splits, neighbour_pass, neighbour_uncertainty
from divmetrics.arrays.splits import FAKE, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    balls = ball_counts_on_splits(pool, splits, k, ties)
    return minimum(balls.mean(lambda part: part.balls_over > 0, FAKE), balls.mean(lambda part: part.in_ball > 0, FAKE))


@metric(
    "sym_precision",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="worse"),
    role="fidelity",
    cite="Khayatkhoei and AbdAlmageed 2023, arXiv:2306.09618",
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    equal_n=True,
    uncertainty=neighbour_uncertainty(_resample, larger=True, share=True, null_trend=0),
    about=About(
        formula=r"\min\Bigl(\mathrm{precision},"
        r"\;\frac1m\sum_j\mathbf 1\bigl[\min_i|y_j-x_i|<\mathrm{NND}_k(y_j)\bigr]\Bigr)",
        sees="Fake samples off the real manifold, inside or outside of it: in many dimensions precision alone sees "
        "only those outside.",
        blind="Dropped modes.",
        bias="The second term is .969 for equal distributions at k = 5 and equal sizes and falls as there are more "
        "fake samples for each real one, so the sizes are made equal.",
        cost="O(nmd) time, in blocks, in one pass that all nearest-neighbour metrics share; the neighbour lists for "
        "interval and null take at most 268 MB.",
    ),
)
def sym_precision(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """The smaller of precision and the share of fake samples whose own ball holds a real sample; in [0, 1], higher is
    better.

    In many dimensions the balls of real samples hold everything that lies further in, so that precision alone cannot
    see a generator that shrinks towards the centre; the balls of the fake samples, to their k-th nearest other fake
    sample, can. Khayatkhoei and AbdAlmageed 2023.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n > k.
        fake: Fake samples: `[m, d]`, m > k, in the same feature space.
        k: Rank of the nearest neighbour that a ball reaches to, within its own set (default 5). Larger balls raise the
            value.
        ties: `"open"` counts a distance below the radius (default; Naeem 2020), `"closed"` also one equal to it
            (Kynkaanniemi 2019). They differ only where distances tie, as among copies.

    Returns:
        The smaller share. `measure` adds the column `own_ball_holds_real` of the fake side, `[m]` bool, and the extras
        `precision` and `complement`, the two shares.

    Raises:
        TooFewSamples: A side has k samples or fewer.
        UsageError: `k` is below 1, or an option has the wrong type.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [1.0], [2.0]], [[0.1], [0.9], [2.1], [9.0]]
        >>> dm.metrics.sym_precision(real, fake, k=1)  # precision 3/4; all four fake balls hold a real sample
        0.75
    """
    balls = ball_counts(real, fake, k, ties)
    in_real_ball, holds_real = ((counts > 0).cpu().double() for counts in (balls.balls_over_fake, balls.reals_in_ball))
    terms = {"precision": in_real_ball.mean().item(), "complement": holds_real.mean().item()}
    return Measured(min(terms.values()), fake={"own_ball_holds_real": holds_real.bool()}, extras=terms)
