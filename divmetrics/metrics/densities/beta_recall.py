"""Beta-recall."""

from torch import Tensor

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.metrics.densities import _quantile_balls as balls
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, metric


def _resample(pool: TwoSamplePool, splits: Splits, *, levels: int) -> Tensor:
    return balls.beta_recall_on_splits(pool, splits, levels)


@metric(
    "beta_recall",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_collapse="worse"),
    cite="Alaa 2022, arXiv:2102.08921",
    equal_n=True,
    uncertainty=UncertaintySpec(resample=_resample, null_trend=0),
    about=About(
        formula=r"1-\frac2{L-1}\sum_{\beta}\Bigl|\tfrac1n\sum_i 1[|x_i-y_{*}|\le\mathrm{NND}_1(x_i),\,"
        r"|y_{*}-\bar y|\le q_\beta(|y_{*}-\bar y|)]-\beta\Bigr|,\;y_{*}\text{ nearest to }x_i",
        sees="Real samples that no fake sample is as near to as another real one: dropped and shrunken modes.",
        blind="Fake samples off the manifold, as long as others cover the real ones.",
        bias="Equal distributions at equal sizes reach about .5 to .7, not 1: half of the real samples are nearer to "
        "a real than to a fake one. With more fake samples it rises.",
        cost="O(nmd + n^2 d) time, in blocks: the nearest fake and the nearest other real sample of each real one.",
    ),
)
def beta_recall(real: Rows, fake: Rows, *, levels: int = 30) -> Measured:
    """How well the fake samples in balls around their mean cover the real samples; in [0, 1], higher is better.

    A real sample is covered if its nearest fake sample is no farther than its nearest other real one, copies of it left
    out. R(beta) is the share of real samples covered by a fake one in the ball of beta around the mean of the fakes,
    and the value is 1 - 2 times the integral of |R(beta) - beta|, at least 0. Alaa 2022, by the authors' code: the ball
    of beta holds a share beta of the nearest fakes, one for each real sample (in the paper's formula, of all fakes),
    and the integral is the sum over the levels times the step between them. They may put a one-class network in front.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n >= 2.
        fake: Fake samples: `[m, d]`, in the same feature space.
        levels: Number of values of beta, from 0 to 1 inclusive; at least 2 (default 30).

    Returns:
        The value. `measure` adds the column `beta_covered` of the real side, `[n]` bool, and `extras["curve"]`, at most
        ten points [beta, R].

    Raises:
        UsageError: `levels` is below 2.
        TooFewSamples: There is a single real sample.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[-1.0], [0.0], [1.0]], [[-1.0], [0.0], [9.0]]  # all are covered, at 11/3, 8/3 and 8/3
        >>> round(dm.metrics.beta_recall(real, fake, levels=3), 4)  # R is 2/3, 2/3 and 1: 1 - 2 (2/3 + 1/6 + 0) / 2
        0.1667
    """
    same_width(real.d, fake.d)
    covered, nearest = balls.covered_by_nearest(real, fake)
    of_fake = balls.distances_from_mean(fake.features, fake.features)
    shares = balls.recall_curve(covered, of_fake[nearest], levels)
    curve = balls.ten_points(shares)
    return Measured(balls.integrated(shares), real={"beta_covered": covered.cpu()}, extras={"curve": curve})
