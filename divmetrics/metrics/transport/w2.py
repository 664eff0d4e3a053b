"""Exact 2-Wasserstein distance between the two samples."""

from __future__ import annotations

from math import inf

from torch import Tensor

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.transport import VARIANCE, distances_on_splits, transport, transport_variance
from divmetrics.records.metric import About, Laws, UncertaintySpec, Variance, metric


def _variance(pool: TwoSamplePool) -> float | None:
    return transport_variance(pool, 2.0)


def _resample(pool: TwoSamplePool, splits: Splits) -> Tensor:
    return distances_on_splits(pool, splits, 2.0)


@metric(
    "w2",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=1.0, on_copies=0.0),
    role="distance",
    cite="Villani 2009, Optimal Transport: Old and New, ch. 6; Crouse 2016, doi:10.1109/TAES.2016.140952 (the solver)",
    minimum=lambda _: 1,
    uncertainty=UncertaintySpec(
        variance=Variance(VARIANCE, _variance), resample=_resample, replicate_cost="optimal_transport", bias="null"
    ),
    about=About(
        formula=r"\Bigl(\min_{\pi \in \Pi} \sum_{ij} \pi_{ij} \lVert x_i - y_j \rVert^2\Bigr)^{1/2}",
        sees="As `emd`, with more weight on mass that travels far: dropped modes, a few outliers.",
        blind="A slight shrinkage of the fake samples towards the mean in high dimension, as with `emd`.",
        bias="Large, about n^(-1/d) as with `emd`. Between Gaussian distributions the true distance is the root of "
        "their `fid`.",
        cost="As `emd`: memory 8 n m bytes, time up to O(n^3) for the plan. The null band shares the plans of `emd`.",
    ),
)
def w2(real: Rows, fake: Rows) -> float:
    """Exact 2-Wasserstein distance with Euclidean ground distance; >= 0, feature units; lower is better. Villani 2009.

    The square root of the least mean squared transport distance between the samples themselves; between Gaussian fits
    its square is `fid`. Every sample of a side has equal weight; sizes may differ. In high dimension two samples of one
    distribution are far from 0.

    Args:
        real: Features of the real samples, `[n, d]`.
        fake: Features of the generated samples, `[m, d]`.

    Returns:
        The distance, in feature units.

    Raises:
        FeatureError: The two sides have different numbers of columns.
        MeasureError: n m exceeds 20,000^2 (use `sliced_wasserstein`), or the solver did not converge.

    Example:
        >>> import divmetrics as dm
        >>> dm.metrics.w2([[0.0], [1.0]], [[0.0], [3.0]])  # sqrt((0**2 + 2**2) / 2)
        1.4142135623730951
    """
    return float(transport(real, fake, 2.0).cost ** 0.5)
