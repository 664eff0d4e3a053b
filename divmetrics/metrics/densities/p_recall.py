"""Probabilistic recall."""

from torch import Tensor

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.densities import _probabilistic_support as probabilistic
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _variance(pool: TwoSamplePool, *, a: float, k: int) -> float | None:
    return probabilistic.variance(pool.real, pool.fake, a, k, "real")


def _resample(pool: TwoSamplePool, splits: Splits, *, a: float, k: int) -> Tensor:
    return probabilistic.on_splits(pool, splits, a, k)["real"]


@metric(
    "p_recall",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="worse"),
    cite="Park and Kim 2023, arXiv:2309.01590",
    minimum=lambda options: int(options["k"]) + 1,
    uncertainty=UncertaintySpec(Variance("delete-one jackknife", _variance), _resample),
    about=About(
        formula=r"\frac1n\sum_i\Bigl(1-\prod_j\min\bigl(1,\tfrac{|x_i-y_j|}{R}\bigr)\Bigr),"
        r"\;R=\tfrac am\sum_j\mathrm{NND}_k(y_j)",
        sees="Real samples that no fake sample is near: dropped modes, and shrunken ones, for the radius shrinks with "
        "the fake samples.",
        blind="Fake samples off the manifold, which widen the radius. In many dimensions all distances are near the "
        "radius, and far shifts still score high.",
        bias="Rises with the number of fake samples: each adds its surroundings, and the radius shrinks only slowly. "
        "Equal distributions score below 1 where their tails are sparse (about .85 in 2 dimensions) and near 1 from "
        "64 dimensions on.",
        cost="O(nmd) time, in blocks; p_precision and p_recall share one pass, and one within each set for the radii.",
    ),
)
def p_recall(real: Rows, fake: Rows, *, a: float = 1.2, k: int = 4) -> Measured:
    """Mean probability that a real sample lies in the support of the fake ones; in [0, 1], higher is better.

    The probability is 1 - prod min(1, distance / R) over the fake samples, with one radius R for all of them: `a` times
    their mean distance to the k-th nearest other fake sample. A real sample with a copy among the fake ones is inside
    with probability 1. Park and Kim 2023, eqs. 5 to 7.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n > k.
        fake: Fake samples: `[m, d]`, m > k, in the same feature space.
        a: Radius in units of the mean distance to the k-th neighbour; above 0 (default 1.2). Larger ones raise the
            value.
        k: Rank of that neighbour within its own set (default 4). Larger ones raise the value.

    Returns:
        The mean. `measure` adds the column `p_recalled` of the real side, `[n]` float64, the probability for each
        sample, and `extras["radius"]`, the radius in feature units.

    Raises:
        UsageError: `a` is not above 0, or `k` is below 1.
        TooFewSamples: A side has k samples or fewer.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.5], [9.0]], [[0.0], [1.0], [2.0]]
        >>> round(dm.metrics.p_recall(real, fake, a=1.0, k=1), 6)  # R = 1: 1 - 1/2 * 1/2 for 0.5, nothing for 9
        0.375
    """
    both = probabilistic.supports(real, fake, a, k)
    inside = both.inside("real")
    return Measured(inside.mean().item(), real={"p_recalled": inside.cpu()}, extras={"radius": both.fake.radius})
