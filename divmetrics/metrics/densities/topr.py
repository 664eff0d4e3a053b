"""Topological recall."""

from torch import Tensor

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.densities import _topological_support as topological
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric


def _interval(
    pool: TwoSamplePool, level: float, *, alpha: float, repeats: int, seed: int
) -> tuple[float, float] | None:
    threshold = topological.BootstrapThreshold(alpha, repeats, seed)
    return topological.interval(pool.real, pool.fake, threshold, 0, level)


def _resample(pool: TwoSamplePool, splits: Splits, *, alpha: float, repeats: int, seed: int) -> Tensor:
    threshold = topological.BootstrapThreshold(alpha, repeats, seed)
    return topological.overlap_on_splits(pool, splits, threshold, 0)


@metric(
    "topr",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    # No rotation law: features wider than 32 columns go through a random projection.
    laws=Laws(range=(0, 1), translation=True, scaling=0, on_copies=1, on_collapse="worse"),
    cite="Kim 2023, arXiv:2306.08013",
    minimum=lambda _: 12,
    equal_n=True,
    uncertainty=UncertaintySpec(
        interval=Interval("bootstrap, as a share", _interval),
        resample=_resample,
        replicate_cost="bootstrapped",
        caveat="the interval does not count what another seed would do: beyond 32 columns it draws another projection, "
        "and over seeds as well as samples intervals of 95 % held in 82 to 97 % of draws at 64 columns",
    ),
    about=About(
        formula=r"\frac{\sum_i 1[\hat q(x_i)>c_Y,\,\hat p(x_i)>c_X]}{\sum_i 1[\hat p(x_i)>c_X]}",
        sees="Dense regions of the real samples that the fake ones have left: dropped and shrunken modes.",
        blind="Rare modes of the real samples, whose density is below the threshold, and fake samples off the "
        "manifold.",
        bias="Below 1 for equal distributions, .8 to .95 at 500 samples, and noisy: with `repeats=10` half of the "
        "spread over fresh draws comes from the bootstraps that set the threshold.",
        cost="O((n + m)^2) time on at most 32 columns, whatever d; topp and topr share it.",
    ),
)
def topr(real: Rows, fake: Rows, *, alpha: float = 0.1, repeats: int = 10, seed: int = 0) -> Measured:
    """Share of real samples in the support of the fake ones, among those in their own; in [0, 1], higher is better.

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
        The share. `measure` adds the column `topr_inside` of the real side, `[n]` bool (in both supports), and the
        extras `bandwidth_real`, `bandwidth_fake` and `in_own_support` (share of the real samples).

    Raises:
        UsageError: `alpha` is outside (0, 1), or `repeats` is below 1.
        TooFewSamples: A side has a single sample.
        MeasureError: No real sample lies in the support of its own side.
        FeatureError: Fewer than 8 columns, or different numbers of them on the two sides.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = 20 * [8 * [0.0]] + 20 * [8 * [100.0]], 40 * [8 * [0.0]]  # 8 columns, the least
        >>> dm.metrics.topr(real, fake)  # support of the fake samples: {0}; of the real ones: {0, 100}
        0.5
    """
    # top-pr 0.2.1 searches the neighbours of a row among later rows only, so that its value depends on their order,
    # its bandwidth is 5 to 15 % wider and its values for equal distributions are higher (.96 where this has .90).
    supports, place = topological.supports(real, fake, topological.BootstrapThreshold(alpha, repeats, seed))
    value = topological.defined(supports.overlap(0)[0], "real")
    both = (supports.inside[0] & supports.inside[1])[place, 0].cpu()
    bandwidths = {"bandwidth_real": float(supports.bandwidths[0]), "bandwidth_fake": float(supports.bandwidths[1])}
    counts = supports.counts[0]
    in_own = float((counts * supports.inside[0]).sum() / counts.sum())
    return Measured(value, real={"topr_inside": both[: real.n]}, extras={**bandwidths, "in_own_support": in_own})
