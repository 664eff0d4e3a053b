"""Topological precision."""

from torch import Tensor

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.densities import _topological_support as topological
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric


def _interval(
    pool: TwoSamplePool, level: float, *, alpha: float, repeats: int, seed: int
) -> tuple[float, float] | None:
    threshold = topological.BootstrapThreshold(alpha, repeats, seed)
    return topological.interval(pool.real, pool.fake, threshold, 1, level)


def _resample(pool: TwoSamplePool, splits: Splits, *, alpha: float, repeats: int, seed: int) -> Tensor:
    threshold = topological.BootstrapThreshold(alpha, repeats, seed)
    return topological.overlap_on_splits(pool, splits, threshold, 1)


@metric(
    "topp",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    # No rotation law: features wider than 32 columns go through a random projection.
    laws=Laws(range=(0, 1), translation=True, scaling=0, on_copies=1, on_collapse="blind"),
    cite="Kim 2023, arXiv:2306.08013",
    minimum=lambda _: 12,
    equal_n=True,
    uncertainty=UncertaintySpec(
        interval=Interval("bootstrap, as a share", _interval),
        resample=_resample,
        replicate_cost="bootstrapped",
    ),
    about=About(
        formula=r"\frac{\sum_j 1[\hat p(y_j)>c_X,\,\hat q(y_j)>c_Y]}{\sum_j 1[\hat q(y_j)>c_Y]}",
        sees="Fake samples where no real ones are. Single outliers do not count, since the density stays low around "
        "them.",
        blind="Dropped and shrunken modes, and rare bad samples: whatever is below the threshold of its own set is "
        "left out.",
        bias="Below 1 for equal distributions, .8 to .95 at 500 samples, and noisy: with `repeats=10` half of the "
        "spread over fresh draws comes from the bootstraps that set the threshold.",
        cost="O((n + m)^2) time on at most 32 columns, whatever d; topp and topr share it.",
    ),
)
def topp(real: Rows, fake: Rows, *, alpha: float = 0.1, repeats: int = 10, seed: int = 0) -> Measured:
    """Share of fake samples in the support of the real ones, among those in their own; in [0, 1], higher is better.

    A support is where a kernel density estimate (cosine kernel, bandwidth the median distance to the 5d-th neighbour)
    exceeds its bootstrap confidence threshold. Samples outside the support of their own side do not count. Features
    wider than 32 columns are first projected to 32 by a random Gaussian matrix. Kim 2023, section 3.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n >= 2, better 12 or more.
        fake: Fake samples: `[m, d]`, as many at least, in the same feature space.
        alpha: Level of the threshold, in (0, 1): the density exceeds the greatest change over a bootstrap in all but
            this share of bootstraps (default 0.1). Larger ones lower the threshold.
        repeats: Number of bootstraps; at least 1 (default 10, as published). More give less noise.
        seed: Seed of the bootstraps and of the projection (default 0).

    Returns:
        The share. `measure` adds the column `topp_inside` of the fake side, `[m]` bool (in both supports), and the
        extras `bandwidth_real`, `bandwidth_fake` and `in_own_support` (share of the fake samples).

    Raises:
        UsageError: `alpha` is outside (0, 1), or `repeats` is below 1.
        TooFewSamples: A side has a single sample.
        MeasureError: No fake sample lies in the support of its own side.
        FeatureError: Fewer than 8 columns, or different numbers of them on the two sides.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = 20 * [8 * [0.0]] + 20 * [8 * [100.0]], 40 * [8 * [0.0]]  # 8 columns, the least
        >>> dm.metrics.topp(real, fake)  # support of the fake samples: {0}; of the real ones: {0, 100}
        1.0
    """
    # top-pr 0.2.1 searches the neighbours of a row among later rows only, so that its value depends on their order,
    # its bandwidth is 5 to 15 % wider and its values for equal distributions are higher (.96 where this has .90).
    supports, place = topological.supports(real, fake, topological.BootstrapThreshold(alpha, repeats, seed))
    value = topological.defined(supports.overlap(1)[0], "fake")
    both = (supports.inside[0] & supports.inside[1])[place, 0].cpu()
    bandwidths = {"bandwidth_real": float(supports.bandwidths[0]), "bandwidth_fake": float(supports.bandwidths[1])}
    counts = supports.counts[1]
    in_own = float((counts * supports.inside[1]).sum() / counts.sum())
    return Measured(value, fake={"topp_inside": both[real.n :]}, extras={**bandwidths, "in_own_support": in_own})
