"""C_T statistic of the data-copying test."""

from __future__ import annotations

from typing import Any

from scipy.special import ndtr

from divmetrics.arrays.splits import HeldOutPool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.copies._data_copying_test import DataCopyingTest, data_copying_test
from divmetrics.records.metric import About, Laws, Measured, Null, UncertaintySpec, Variance, metric


def _test_of(pool: HeldOutPool, options: dict[str, Any]) -> DataCopyingTest:
    return data_copying_test(pool.train, pool.fake, pool.real, **options)


def _variance(pool: HeldOutPool, **options: Any) -> float | None:
    return _test_of(pool, options).variance() or None


def _null(pool: HeldOutPool, **options: Any) -> Null:
    return Null(0.0, _test_of(pool, options).null_sd)


@metric(
    "c_t",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    held_out=Rows.on("pooled"),
    better="higher",
    laws=Laws(translation=True, rotation=True, scaling=0.0),
    role="copies",
    cite="Meehan 2020, arXiv:2004.05675",
    presets=("default",),
    minimum=lambda options: int(options["smallest"]) + 1,
    uncertainty=UncertaintySpec(
        variance=Variance("delete-one jackknife, given the training set", _variance),
        null=_null,
    ),
    about=About(
        formula=r"\sum_c \frac{n_c}{n} \frac{U_c - m_c n_c/2}{\sqrt{m_c n_c (m_c + n_c + 1)/12}}, "
        r"\quad U_c = \#\{d(\text{fake}, T) > d(\text{held-out}, T)\}",
        sees="Fake samples that lie nearer to the training set than held-out samples do: exact or approximate copies.",
        blind="Missing modes, and few copies among many good samples. Samples that shrink towards dense regions lie "
        "near the training set and are taken for copies.",
        bias="A z-score: for the same generator it grows with the square root of the sample sizes. The interval is for "
        "the training set at hand, which the generator was trained on, and its cells: other sets have other values.",
        cost="Principal axes, k-means, and all pairs in 64 dimensions: O(n d^2 + (m + n) n).",
    ),
)
def c_t(
    real: Rows, fake: Rows, held_out: Rows, *, cells: int = 3, pca: int = 64, smallest: int = 20, seed: int = 0
) -> Measured:
    """Mean z-score of how much farther from the training set fake than held-out samples are; any sign. Meehan 2020.

    About 0 for a generator that does not copy, far below 0 (say -3) for one that does. Higher is better up to 0; far
    above 0, fake samples are merely far from the data. Distances to the nearest training sample are compared by a
    Mann-Whitney test in each k-means cell of the training set.

    Args:
        real: Features of the training set, `[n, d]`.
        fake: Features of the generated samples, `[m, d]`.
        held_out: Features of real samples that the generator was not trained on, `[h, d]`.
        cells: Number of k-means cells, >= 1; 3 by default.
        pca: Principal axes of the training set to compare on; 64 by default, 0 for all columns.
        smallest: Cells count if they have more than this number of fake and of held-out samples; >= 1, 20 by default.
        seed: Seed of the clustering; 0 by default.

    Returns:
        The mean z-score. Extras: `z`, the value divided by its null standard deviation (standard normal without
        copying); `p`, its p-value for copying; `scores` and `shares` of the cells.

    Raises:
        UsageError: An option is out of range.
        TooFewSamples: Fewer training samples than cells, or no cell is large enough.
        FeatureError: The sets have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> train, held_out = [[float(i)] for i in range(40)], [[i + 0.5] for i in range(40)]
        >>> round(dm.metrics.c_t(train, train, held_out, cells=1), 2)  # all fake samples are copies
        -8.89
    """
    test = data_copying_test(real, fake, held_out, cells=cells, pca=pca, smallest=smallest, seed=seed)
    value = float(test.shares @ test.scores)
    z = value / test.null_sd
    extras = {"z": z, "p": float(ndtr(z)), "scores": test.scores.tolist(), "shares": test.shares.tolist()}
    return Measured(value, extras=extras)
