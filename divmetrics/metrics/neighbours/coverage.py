"""Coverage (fake samples within nearest-neighbour balls of the real samples)."""

from math import prod

from torch import Tensor

from divmetrics.arrays.pairs import Ties, ball_counts, ball_counts_on_splits, neighbour_pass, neighbour_uncertainty
from divmetrics.arrays.splits import REAL, Pool, Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Laws, Measured, metric


def _resample(pool: Pool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    balls = ball_counts_on_splits(pool, splits, k, ties)
    return balls.mean(lambda part: part.in_ball > 0, REAL)


@metric(
    "coverage",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="worse"),
    cite="Naeem 2020, arXiv:2002.09797",
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    equal_n=True,
    uncertainty=neighbour_uncertainty(_resample, share=True, null_trend=0),
    about=About(
        formula=r"\frac1n\sum_i\mathbf 1\bigl[\min_j|x_i-y_j|<\mathrm{NND}_k(x_i)\bigr]",
        sees="Dropped, thinned and shrunken modes: real samples without a fake sample near them.",
        blind="In many dimensions a tight cluster of fake samples at the centre of the real ones, which lies in the "
        "balls of all of them. Mild imbalance, since one fake sample in a ball suffices.",
        bias="Equal distributions reach 1 - prod (n - i) / (n + m - i), i = 1..k: .969 for k = 5 and equal sizes, "
        ".379 with ten real samples for each fake one; so the sizes are made equal.",
        cost="O(nmd) time, in blocks, in one pass that all nearest-neighbour metrics share; the neighbour lists for "
        "interval and null take at most 268 MB.",
    ),
)
def coverage(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """Share of real samples whose k-nearest-neighbour ball holds at least one fake sample; in [0, 1], higher is better.

    The ball of a real sample reaches to its k-th nearest other real sample. Equal distributions do not reach 1 but
    `extras["expected"]`, which depends on k and on both sample sizes: 1 - prod (n - i) / (n + m - i) over i = 1..k.
    Naeem 2020, lemma 2.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n > k.
        fake: Fake samples: `[m, d]`, m > k, in the same feature space.
        k: Rank of the nearest neighbour that a ball reaches to, within its own set (default 5). Larger balls raise the
            value.
        ties: `"open"` counts a distance below the radius (default; Naeem 2020), `"closed"` also one equal to it
            (Kynkaanniemi 2019). They differ only where distances tie, as among copies.

    Returns:
        The share. `measure` adds the column `covered` of the real side, `[n]` bool, and `extras["expected"]`, the mean
        for equal distributions.

    Raises:
        TooFewSamples: A side has k samples or fewer.
        UsageError: `k` is below 1, or an option has the wrong type.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [1.0], [2.0], [9.0]], [[0.1], [0.9]]
        >>> dm.metrics.coverage(real, fake, k=1)  # of the balls of radius 1, 1, 1 and 7 those of 2 and 9 are empty
        0.5
    """
    covered = (ball_counts(real, fake, k, ties).fakes_in_ball > 0).cpu()
    # Naeem 2020, lemma 2: the probability that the k nearest of the n - 1 + m other samples are all real ones.
    expected = 1 - prod((real.n - i) / (real.n + fake.n - i) for i in range(1, k + 1))
    return Measured(covered.double().mean().item(), real={"covered": covered}, extras={"expected": expected})
