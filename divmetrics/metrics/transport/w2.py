"""2-Wasserstein distance: transport that pays for the square of the way."""

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
        sees="As `emd`, with more weight on mass that travels far: a dropped mode, a few fakes far from all reals.",
        blind="Fakes drawn slightly towards the middle score better in high dimension, as with `emd`.",
        bias="Large, about n^(-1/d) as with `emd`. For Gaussians that of the distributions is the root of `fid`.",
        cost="As `emd`: n m cells of 8 bytes, up to n^3 for the plan. Re-splits share the plans of `emd`.",
    ),
)
def w2(real: Rows, fake: Rows) -> float:
    """Exact 2-Wasserstein distance, Euclidean ground distance; >= 0, feature units; lower is better. Villani 2009.

    The root of the least mean squared way: the distance of the samples, not of Gaussian fits (that is `fid`, squared).
    Every row of a side weighs the same; sizes may differ. Two samples of one distribution are far from 0 in high
    dimension. Raises MeasureError above 20,000 x 20,000 rows, where `sliced_wasserstein` still works.
    """
    return float(transport(real, fake, 2.0).cost ** 0.5)
