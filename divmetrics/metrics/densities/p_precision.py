"""Precision by probability."""

from torch import Tensor

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.densities import soft, soft_on_splits, soft_variance
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _variance(pool: TwoSamplePool, *, a: float, k: int) -> float | None:
    return soft_variance(pool.real, pool.fake, a, k, "fake")


def _resample(pool: TwoSamplePool, splits: Splits, *, a: float, k: int) -> Tensor:
    return soft_on_splits(pool, splits, a, k)["fake"]


@metric(
    "p_precision",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="better"),
    cite="Park and Kim 2023, arXiv:2309.01590",
    minimum=lambda options: int(options["k"]) + 1,
    uncertainty=UncertaintySpec(Variance("delete-one jackknife", _variance), _resample),
    about=About(
        formula=r"\frac1m\sum_j\Bigl(1-\prod_i\min\bigl(1,\tfrac{|y_j-x_i|}{R}\bigr)\Bigr),"
        r"\;R=\tfrac an\sum_i\mathrm{NND}_k(x_i)",
        sees="Fakes off the manifold of the reals; softly, so that one outlying real opens no large ball.",
        blind="Dropped and shrunken modes. "
        "In many dimensions all distances are near R, and far shifts still score high.",
        bias="Rises with the number of reals: each adds its surroundings, and the radius shrinks only slowly. Equal "
        "distributions score below 1 where their tails are sparse (about .85 in 2 dimensions) and near 1 from 64 on.",
        cost="O(nmd) time, in blocks; p_precision and p_recall share one pass, and one within each set for the radii.",
    ),
)
def p_precision(real: Rows, fake: Rows, *, a: float = 1.2, k: int = 4) -> Measured:
    """Mean probability that a fake lies in the support of the reals; in [0, 1], higher is better. Park and Kim 2023.

    1 - prod min(1, distance / R) over the reals, with one radius for all of them: R = `a` times their mean distance to
    the k-th nearest other. A fake equal to a real is surely inside. Per fake: `p_inside`. Extras: `radius`.
    Raises UsageError for `a` <= 0 or k < 1, TooFewSamples below k + 1 rows.
    """
    both = soft(real, fake, a, k)
    inside = both.inside("fake")
    return Measured(inside.mean().item(), fake={"p_inside": inside.cpu()}, extras={"radius": both.real.radius})
