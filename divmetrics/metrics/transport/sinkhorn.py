"""Sinkhorn divergence: transport blurred by entropy, and debiased."""

from __future__ import annotations

from math import inf

from torch import Tensor

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
from divmetrics.metrics.transport import VARIANCE, divergence, divergences, solve_entropic, variance
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric

LOOSE = 1e-3
"""Error of masses that does for parts of the samples, of which only the spread is read."""


def _variance(pool: TwoSamplePool, *, eps: float, p: float) -> float:
    found = divergence(pool.real, pool.fake, eps, p)

    def of_parts(real: Tensor, fake: Tensor) -> float:
        return solve_entropic(real, fake, p, entropy=found.entropy, misplaced=LOOSE).value

    return variance(pool, (found.real, found.fake), of_parts)


def _resample(pool: TwoSamplePool, splits: Splits, *, eps: float, p: float) -> Tensor:
    # The entropy stays that of the reals: a ruler, not a result
    return divergences(pool, splits, divergence(pool.real, pool.fake, eps, p).entropy, p)


@metric(
    "sinkhorn",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, inf), translation=True, rotation=True, scaling=2.0, on_copies=0.0),
    role="distance",
    cite="Genevay 2018, arXiv:1706.00292; Feydy 2019, arXiv:1810.08278",
    uncertainty=UncertaintySpec(
        variance=Variance(VARIANCE, _variance), resample=_resample, replicate_cost="entropic_transport", bias="null"
    ),
    about=About(
        formula=r"OT_\varepsilon(X, Y) - \tfrac12 OT_\varepsilon(X, X) - \tfrac12 OT_\varepsilon(Y, Y), \quad "
        r"OT_\varepsilon = \min_\pi \sum_{ij} \pi_{ij} \lVert x_i - y_j \rVert^p + \varepsilon KL(\pi \| X \otimes Y)",
        sees="Dropped modes and wrong shares, by how far mass must travel; shifts; a spread that shrinks.",
        blind="Detail finer than the blur, the root of eps times the median squared distance.",
        bias="Positive; small where many samples lie within the blur of each other, and as large as that of `w2` in "
        "high dimension, where none does. Compare at equal sizes, and read the excess over the null.",
        cost="Two n m matrices of 8 bytes; n m d for distances, then 10 to 50 products of the kernel with a vector: "
        "4 s at 5,000 + 5,000 x 1280.",
    ),
)
def sinkhorn(real: Rows, fake: Rows, *, eps: float = 0.05, p: float = 2.0) -> Measured:
    """OT(X, Y) - OT(X, X)/2 - OT(Y, Y)/2; >= 0, feature units to the `p`; lower is better. Genevay 2018, Feydy 2019.

    OT is the least mean cost |x - y|^p plus the entropic term, epsilon KL(plan | product of the sides): the value holds
    that term. epsilon is `eps` times the median cost between two reals, so that generators measured against one set of
    reals share it; it stands in the extras, in units of the cost. `eps` -> 0 is W_p^p, `eps` -> inf the energy distance
    for `p` = 1, the squared distance of means for `p` = 2. (geomloss halves squared costs: there half of this value, at
    blur^2 = epsilon / 2.) Raises UsageError for `eps` <= 0 or `p` outside (0, 2], MeasureError above 12,000 rows a side
    or where the scaling does not converge, FeatureError where half of the pairs of reals are alike.
    """
    if not 0 < eps < inf:
        raise UsageError(f"eps={eps} is not possible; give a share of the median cost above 0, 0.05 by default.")
    if not 0 < p <= 2:
        raise UsageError(f"p={p} is not possible; give a number above 0 and up to 2.")
    found = divergence(real, fake, eps, p)
    return Measured(found.value, extras={"epsilon": found.entropy})
