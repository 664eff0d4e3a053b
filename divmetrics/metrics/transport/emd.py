"""Earth mover's distance: exact 1-Wasserstein distance between the two samples."""

from __future__ import annotations

from math import inf

from torch import Tensor

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.metrics.transport import VARIANCE, distances_on_splits, transport, transport_variance
from divmetrics.records.metric import About, Laws, UncertaintySpec, Variance, metric


def _variance(pool: TwoSamplePool) -> float | None:
    return transport_variance(pool, 1.0)


def _resample(pool: TwoSamplePool, splits: Splits) -> Tensor:
    return distances_on_splits(pool, splits, 1.0)


@metric(
    "emd",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=1.0, on_copies=0.0),
    role="distance",
    cite="Rubner 2000, doi:10.1023/A:1026543900054; Crouse 2016, doi:10.1109/TAES.2016.140952 (the solver)",
    minimum=lambda _: 1,
    uncertainty=UncertaintySpec(
        variance=Variance(VARIANCE, _variance), resample=_resample, replicate_cost="optimal_transport", bias="null"
    ),
    about=About(
        formula=r"\min_{\pi \in \Pi} \sum_{ij} \pi_{ij} \lVert x_i - y_j \rVert",
        sees="Dropped modes and wrong mode weights, in proportion to how far mass must travel; shifts; outliers.",
        blind="A slight shrinkage of the fake samples towards the mean, which lowers the distance in high dimension.",
        bias="Large: two samples of one distribution are about n^(-1/d) apart, as far as points from their neighbours. "
        "Compare at equal sizes, and read the excess over the null.",
        cost="Memory 8 n m bytes; time O(n m d) for distances, up to O(n^3) for the plan: 3 s at 5,000 + 5,000 x 1280.",
    ),
)
def emd(real: Rows, fake: Rows) -> float:
    """Exact 1-Wasserstein distance with Euclidean ground distance; >= 0, feature units; lower is better. Rubner 2000.

    Every sample of a side has equal weight; sizes may differ. In high dimension two samples of one distribution are far
    from 0, and fake samples shrunk slightly towards the mean score better: compare with the distance between two sets
    of real samples. Time grows as n^3, memory as n^2.

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
        >>> dm.metrics.emd([[0.0], [1.0]], [[0.0], [3.0]])
        1.0
    """
    return transport(real, fake, 1.0).cost
