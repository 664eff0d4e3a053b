"""Recall by probability."""

from torch import Tensor

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.densities import soft, soft_on_splits, soft_variance
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _variance(pool: TwoSamplePool, *, a: float, k: int) -> float | None:
    return soft_variance(pool.real, pool.fake, a, k, "real")


def _resample(pool: TwoSamplePool, splits: Splits, *, a: float, k: int) -> Tensor:
    return soft_on_splits(pool, splits, a, k)["real"]


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
        sees="Reals that no fake is near: dropped modes, and shrunken ones, for the radius shrinks with the fakes.",
        blind="Fakes off the manifold, which widen the radius. "
        "In many dimensions all distances are near R, and far shifts still score high.",
        bias="Rises with the number of fakes: each adds its surroundings, and the radius shrinks only slowly. Equal "
        "distributions score below 1 where their tails are sparse (about .85 in 2 dimensions) and near 1 from 64 on.",
        cost="O(nmd) time, in blocks; p_precision and p_recall share one pass, and one within each set for the radii.",
    ),
)
def p_recall(real: Rows, fake: Rows, *, a: float = 1.2, k: int = 4) -> Measured:
    """Mean probability that a real lies in the support of the fakes; in [0, 1], higher is better. Park and Kim 2023.

    1 - prod min(1, distance / R) over the fakes, with one radius for all of them: R = `a` times their mean distance to
    the k-th nearest other. A real equal to a fake is surely inside. Per real: `p_recalled`. Extras: `radius`.
    Raises UsageError for `a` <= 0 or k < 1, TooFewSamples below k + 1 rows.
    """
    both = soft(real, fake, a, k)
    inside = both.inside("real")
    return Measured(inside.mean().item(), real={"p_recalled": inside.cpu()}, extras={"radius": both.fake.radius})
