"""Topological precision."""

from torch import Tensor

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.densities import Band, dense, dense_interval, dense_on_splits, some
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric


def _interval(
    pool: TwoSamplePool, level: float, *, alpha: float, repeats: int, seed: int
) -> tuple[float, float] | None:
    return dense_interval(pool.real, pool.fake, Band(alpha, repeats, seed), 1, level)


def _resample(pool: TwoSamplePool, splits: Splits, *, alpha: float, repeats: int, seed: int) -> Tensor:
    return dense_on_splits(pool, splits, Band(alpha, repeats, seed), 1)


@metric(
    "topp",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    # Not a rotation: features wider than 32 columns go through a random projection.
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
        sees="Fakes where the reals are not. Single outliers do not count: no density rises around them.",
        blind="Dropped and shrunken modes, and rare bad fakes: whatever is below the level of its own set is left out.",
        bias="Below 1 for equal distributions, .9 to .95 at 500 samples, and noisy: with `repeats=10` half of the "
        "spread over fresh draws comes from the bootstrap that sets the level.",
        cost="O((n + m)^2) time on at most 32 columns, whatever d; topp and topr share it.",
    ),
)
def topp(real: Rows, fake: Rows, *, alpha: float = 0.1, repeats: int = 10, seed: int = 0) -> Measured:
    """Share of fakes in the support of the reals, among those in their own; in [0, 1], higher is better. Kim 2023.

    A support is where a kernel density (cosine, bandwidth the median distance to the 5d-th neighbour) is above what
    `repeats` bootstraps move it by, at most, but for a share `alpha` of them. Rows wider than 32 are first projected by
    a matrix drawn from `seed`. Per fake: `topp_inside`, in both supports. Extras: bandwidths, and the share in its own.
    Raises MeasureError where no fake is in its own support, TooFewSamples below 2 rows.
    """
    # top-pr 0.2.1 looks for the neighbours of a row among later rows only, so that its value depends on their order,
    # its bandwidth is 5 to 15 % wider and its values for equal distributions are higher (.96 where this has .90).
    found, place = dense(real, fake, Band(alpha, repeats, seed))
    value = some(found.share(1)[0], "fake")
    both = (found.where[0] & found.where[1])[place, 0].cpu()
    bandwidths = {"bandwidth_real": float(found.bandwidths[0]), "bandwidth_fake": float(found.bandwidths[1])}
    counts = found.counts[1]
    kept = float((counts * found.where[1]).sum() / counts.sum())
    return Measured(value, fake={"topp_inside": both[real.n :]}, extras={**bandwidths, "in_own_support": kept})
