"""C_T, a rank test for copies of the training set."""

from __future__ import annotations

from typing import Any

from scipy.special import ndtr

from divmetrics.arrays.splits import HeldOutPool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.copies._data_copying_test import Cells, cells_of
from divmetrics.records.metric import About, Laws, Measured, Null, UncertaintySpec, Variance, metric


def _of_pool(pool: HeldOutPool, options: dict[str, Any]) -> Cells:
    return cells_of(pool.train, pool.fake, pool.real, **options)


def _variance(pool: HeldOutPool, **options: Any) -> float | None:
    return _of_pool(pool, options).variance() or None


def _null(pool: HeldOutPool, **options: Any) -> Null:
    return Null(0.0, _of_pool(pool, options).null_sd)


@metric(
    "c_t",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    held_out=Rows.on("pooled"),
    better="higher",
    laws=Laws(row_order=False, translation=True, rotation=True, scaling=0.0),
    role="copies",
    cite="Meehan 2020, arXiv:2004.05675",
    presets=("default",),
    minimum=lambda options: int(options["smallest"]) + 1,
    uncertainty=UncertaintySpec(variance=Variance("delete-one jackknife", _variance), null=_null),
    about=About(
        formula=r"\sum_c \frac{n_c}{n} \frac{U_c - m_c n_c/2}{\sqrt{m_c n_c (m_c + n_c + 1)/12}}, "
        r"\quad U_c = \#\{d(\text{fake}, T) > d(\text{held-out}, T)\}",
        sees="Fakes that lie nearer to the training set than fresh reals do: copies, exact or not.",
        blind="Which modes are missing, and copies of few samples among many good fakes. Fakes that shrink towards "
        "dense regions lie near the training set without copying it, and read as copies.",
        bias="A z-score: for the same generator it grows with the root of the sample sizes.",
        cost="The principal axes, k-means, and all pairs in 64 dimensions: O(n d^2 + (m + n) n).",
    ),
)
def c_t(
    real: Rows, fake: Rows, held_out: Rows, *, cells: int = 3, pca: int = 64, smallest: int = 20, seed: int = 0
) -> Measured:
    """Mean z-score of how much farther from the training set fakes are than held-out reals; any sign. Meehan 2020.

    Around 0 for a generator that does not copy; far below 0, say -3, for one that does. Higher is better up to 0: far
    above, fakes are merely off the data. `real` is the training set; its k-means `cells` are compared one by one, on
    its `pca` principal axes (0: all columns), those of more than `smallest` fakes and held-out reals. Extras: `z`,
    standard normal where fakes and held-out reals are alike, its `p` for copying, and of each cell its score and share.
    Raises TooFewSamples where no cell is large enough.
    """
    found = cells_of(real, fake, held_out, cells=cells, pca=pca, smallest=smallest, seed=seed)
    value = float(found.shares @ found.scores)
    z = value / found.null_sd
    extras = {"z": z, "p": float(ndtr(z)), "scores": found.scores.tolist(), "shares": found.shares.tolist()}
    return Measured(value, extras=extras)
