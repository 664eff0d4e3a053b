"""Alpha-precision."""

from torch import Tensor, searchsorted

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.metrics.densities import alpha_on_splits, curve, from_mean, integrated, thinned
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, metric


def _resample(pool: TwoSamplePool, splits: Splits, *, levels: int) -> Tensor:
    return alpha_on_splits(pool, splits, levels)


@metric(
    "alpha_precision",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_collapse="worse"),
    role="fidelity",
    cite="Alaa 2022, arXiv:2102.08921",
    uncertainty=UncertaintySpec(resample=_resample),
    about=About(
        formula=r"1-\frac2L\sum_{\alpha}\Bigl|\tfrac1m\sum_j 1[|y_j-\bar x|\le q_\alpha(|x-\bar x|)]-\alpha\Bigr|",
        sees="Fakes too far out, and fakes too near the mean of the reals: a curve above the diagonal costs as much.",
        blind="Where on a sphere about the mean the fakes lie: dropped modes that leave the distances alike.",
        bias="Below 1 for equal distributions, by about (1/n + 1/m)^(1/2).",
        cost="O((n + m) d), one pass over the samples.",
    ),
)
def alpha_precision(real: Rows, fake: Rows, *, levels: int = 30) -> Measured:
    """How closely the balls about the mean of the reals hold as many fakes as reals; in [0, 1], higher is better.

    P(alpha) is the share of fakes in the ball that holds a share alpha of the reals; the value is 1 - 2 mean
    |P(alpha) - alpha| over `levels` values of alpha from 0 to 1. Alaa 2022, section 4; the centre is the mean of the
    reals, where the original learns one with a one-class network. Per fake: `real_quantile`, the share of reals no
    farther out. Extras: `curve` of [alpha, P]. Raises UsageError below 2 levels.
    """
    same_width(real.d, fake.d)
    reals, fakes = (from_mean(side.features, real.features) for side in (real, fake))
    shares = curve(reals, fakes, levels)
    quantile = (searchsorted(reals.sort().values, fakes, right=True) / real.n).cpu()
    return Measured(integrated(shares), fake={"real_quantile": quantile}, extras={"curve": thinned(shares)})
