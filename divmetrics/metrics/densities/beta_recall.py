"""Beta-recall."""

from torch import Tensor, inf, where

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.metrics.densities import beta_on_splits, covered, curve, from_mean, integrated, thinned
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, metric


def _resample(pool: TwoSamplePool, splits: Splits, *, levels: int) -> Tensor:
    return beta_on_splits(pool, splits, levels)


@metric(
    "beta_recall",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_collapse="worse"),
    cite="Alaa 2022, arXiv:2102.08921",
    equal_n=True,
    uncertainty=UncertaintySpec(resample=_resample),
    about=About(
        formula=r"1-\frac2L\sum_{\beta}\Bigl|\tfrac1n\sum_i 1[|x_i-y_{*}|\le\mathrm{NND}_1(x_i),\,"
        r"|y_{*}-\bar y|\le q_\beta(|y-\bar y|)]-\beta\Bigr|,\;y_{*}\text{ nearest to }x_i",
        sees="Reals that no fake is as near to as another real: dropped and shrunken modes.",
        blind="Fakes off the manifold, as long as others cover the reals.",
        bias="Equal distributions at equal sizes reach about .5 to .7, not 1: half of the reals have a nearer real "
        "than fake. With more fakes it rises.",
        cost="O(nmd + n^2 d) time, in blocks: the nearest fake and the nearest other real of each real.",
    ),
)
def beta_recall(real: Rows, fake: Rows, *, levels: int = 30) -> Measured:
    """How well the fakes in balls about their mean cover the reals; in [0, 1], higher is better. Alaa 2022, section 4.

    A real is covered if its nearest fake is no farther than its nearest other real. R(beta) is the share of reals that
    are covered by a fake in the ball that holds a share beta of the fakes; the value is 1 - 2 mean |R(beta) - beta|
    over `levels` values of beta from 0 to 1. The centre is the mean of the fakes, where the original learns one with a
    one-class network. Per real: `beta_covered`. Extras: `curve` of [beta, R]. Raises UsageError below 2 levels,
    TooFewSamples for a single real.
    """
    same_width(real.d, fake.d)
    hit, nearest = covered(real, fake)
    out = from_mean(fake.features, fake.features)
    shares = curve(out, where(hit, out[nearest], inf), levels)
    return Measured(integrated(shares), real={"beta_covered": hit.cpu()}, extras={"curve": thinned(shares)})
