"""Topological recall."""

from torch import Tensor

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.densities import Band, dense, dense_interval, dense_on_splits, some
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric


def _interval(
    pool: TwoSamplePool, level: float, *, alpha: float, repeats: int, seed: int
) -> tuple[float, float] | None:
    return dense_interval(pool.real, pool.fake, Band(alpha, repeats, seed), 0, level)


def _resample(pool: TwoSamplePool, splits: Splits, *, alpha: float, repeats: int, seed: int) -> Tensor:
    return dense_on_splits(pool, splits, Band(alpha, repeats, seed), 0)


@metric(
    "topr",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    # Not a rotation: features wider than 32 columns go through a random projection.
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
        sees="Dense regions of the reals that the fakes have left: dropped and shrunken modes.",
        blind="Rare modes of the reals, which are below the level of chance, and fakes off the manifold.",
        bias="Below 1 for equal distributions, .9 to .95 at 500 samples, and noisy: with `repeats=10` half of the "
        "spread over fresh draws comes from the bootstrap that sets the level.",
        cost="O((n + m)^2) time on at most 32 columns, whatever d; topp and topr share it.",
    ),
)
def topr(real: Rows, fake: Rows, *, alpha: float = 0.1, repeats: int = 10, seed: int = 0) -> Measured:
    """Share of reals in the support of the fakes, among those in their own; in [0, 1], higher is better. Kim 2023.

    A support is where a kernel density (cosine, bandwidth the median distance to the 5d-th neighbour) is above what
    `repeats` bootstraps move it by, at most, but for a share `alpha` of them. Rows wider than 32 are first projected by
    a matrix drawn from `seed`. Per real: `topr_inside`, in both supports. Extras: bandwidths, and the share in its own.
    Raises MeasureError where no real is in its own support, TooFewSamples below 2 rows.
    """
    # top-pr 0.2.1 looks for the neighbours of a row among later rows only, so that its value depends on their order,
    # its bandwidth is 5 to 15 % wider and its values for equal distributions are higher (.96 where this has .90).
    found, place = dense(real, fake, Band(alpha, repeats, seed))
    value = some(found.share(0)[0], "real")
    both = (found.where[0] & found.where[1])[place, 0].cpu()
    bandwidths = {"bandwidth_real": float(found.bandwidths[0]), "bandwidth_fake": float(found.bandwidths[1])}
    counts = found.counts[0]
    kept = float((counts * found.where[0]).sum() / counts.sum())
    return Measured(value, real={"topr_inside": both[: real.n]}, extras={**bandwidths, "in_own_support": kept})
