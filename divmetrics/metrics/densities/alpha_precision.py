"""Alpha-precision."""

from torch import Tensor, searchsorted

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.metrics.densities import _quantile_balls as balls
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, metric


def _resample(pool: TwoSamplePool, splits: Splits, *, levels: int) -> Tensor:
    return balls.alpha_precision_on_splits(pool, splits, levels)


@metric(
    "alpha_precision",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_collapse="worse"),
    role="fidelity",
    cite="Alaa 2022, arXiv:2102.08921",
    uncertainty=UncertaintySpec(resample=_resample, null_trend=0.5),
    about=About(
        formula=r"1-\frac2{L-1}\sum_{\alpha}\Bigl|\tfrac1m\sum_j 1[|y_j-\bar x|\le q_\alpha(|x-\bar x|)]-\alpha\Bigr|",
        sees="Fake samples too far out, and fake samples too near the mean of the real ones: a curve above the "
        "diagonal costs as much as one below.",
        blind="Where on a sphere around the mean the fake samples lie: dropped modes that leave the distances alike.",
        bias="Below 1 for equal distributions, by about (1/n + 1/m)^(1/2).",
        cost="O((n + m) d), one pass over the samples.",
    ),
)
def alpha_precision(real: Rows, fake: Rows, *, levels: int = 30) -> Measured:
    """Agreement of the shares of fake and of real samples inside balls around the mean of the real ones; in [0, 1],
    higher is better.

    P(alpha) is the share of fake samples in the ball that holds a share alpha of the real ones; the value is 1 - 2
    times the integral of |P(alpha) - alpha|, at least 0. Alaa 2022, section 4; as in the authors' code the integral is
    the sum over the levels times the step between them. The authors may put a one-class network in front.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`.
        fake: Fake samples: `[m, d]`, in the same feature space.
        levels: Number of values of alpha, from 0 to 1 inclusive; at least 2 (default 30).

    Returns:
        The value. `measure` adds the column `real_quantile` of the fake side, `[m]` (the share of real samples no
        farther out), and `extras["curve"]`, at most ten points [alpha, P].

    Raises:
        UsageError: `levels` is below 2.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[-2.0], [-1.0], [1.0], [2.0]], [[0.0], [1.2], [1.5], [3.0]]  # the balls reach to 1, 1.5, 2
        >>> round(dm.metrics.alpha_precision(real, fake, levels=3), 4)  # P is 1/4, 3/4, 3/4
        0.25
    """
    same_width(real.d, fake.d)
    of_real, of_fake = (balls.distances_from_mean(side.features, real.features) for side in (real, fake))
    shares = balls.curve(of_real, of_fake, levels)
    quantile = (searchsorted(of_real.sort().values, of_fake, right=True) / real.n).cpu()
    curve = balls.ten_points(shares)
    return Measured(balls.integrated(shares), fake={"real_quantile": quantile}, extras={"curve": curve})
