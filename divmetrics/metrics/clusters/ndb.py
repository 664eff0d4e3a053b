"""Number of statistically different bins."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from divmetrics.arrays.class_counts import shares
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
from divmetrics.metrics.clusters._bins import binned, rebinned
from divmetrics.records.metric import About, Laws, Measured, UncertaintySpec, Variance, metric


def _scores(reals: np.ndarray, fakes: np.ndarray) -> np.ndarray:
    """z of the two-proportion test of each bin `[..., K]`; 0 where a bin is empty on both sides and cannot differ."""
    n, m = reals.sum(-1, keepdims=True), fakes.sum(-1, keepdims=True)
    pooled = (reals + fakes) / (n + m)
    sd = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return np.asarray(np.divide(shares(fakes) - shares(reals), sd, out=np.zeros(sd.shape), where=sd > 0))


def _share(reals: np.ndarray, fakes: np.ndarray, alpha: float) -> np.ndarray:
    """Share of bins that differ. Bins that a split does not have are empty on both sides."""
    kept = ((reals + fakes) > 0).sum(-1)
    return np.asarray((np.abs(_scores(reals, fakes)) > -ndtri(alpha / 2)).sum(-1) / kept)


def _resample(pool: Pool, splits: Splits, *, bins: int, alpha: float, seed: int) -> np.ndarray:
    return _share(*rebinned(pool, splits, bins, seed), alpha)


def _variance(pool: TwoSamplePool, *, bins: int, alpha: float, seed: int) -> float | None:
    """Each bin differs or not, nearly independently, with the chance that z lies beyond the limit in a fresh draw.

    z itself has variance 1 about its mean, whose square is z^2 - 1 on average.
    """
    mean = np.sqrt(np.maximum(_scores(*binned(pool.real, pool.fake, bins, seed)) ** 2 - 1, 0))
    limit = -ndtri(alpha / 2)
    uncertainty = ndtr(mean - limit) + ndtr(-limit - mean)
    return float((uncertainty * (1 - uncertainty)).sum() / len(mean) ** 2) or None


@metric(
    "ndb",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=0),
    cite="Richardson and Weiss 2018, arXiv:1805.12462",
    minimum=lambda _: 2,
    uncertainty=UncertaintySpec(
        variance=Variance("delta method", _variance),
        resample=_resample,
        replicate_cost="recomputed",
    ),
    about=About(
        formula=r"\frac1K \#\{k : |\hat p_k - \hat q_k| > z_{1-\alpha/2} \sqrt{P_k (1 - P_k)(1/n + 1/m)}\}",
        sees="Regions of the real data where fakes are rarer or more frequent than reals.",
        blind="What happens within a bin; fakes far from all reals, which fall into the nearest bin like any other.",
        bias="Sides that are alike differ in up to a share alpha of bins, in fewer where few reals shape many bins. "
        "Grows with n and m, as any count of significant differences: compare at equal sizes.",
        cost="k-means on at most 64 principal components: O((n + m)(d + K)); 2 s at 5,000 + 5,000 x 1280. "
        "The null fits the bins again on each of 20 re-splits.",
    ),
    equal_n=True,
)
def ndb(real: Rows, fake: Rows, *, bins: int = 100, alpha: float = 0.05, seed: int = 0) -> Measured:
    """Share of the bins whose share of fakes differs from their share of reals; in [0, 1], lower is better.

    Richardson and Weiss 2018: `bins` k-means clusters of the reals (at most one per 10 reals), a two-sided
    two-proportion test at level `alpha` on each. A bin that is empty on both sides does not differ. Extras: `bins`,
    `different` of them, and `expected`, the number among sides that are alike.
    Raises UsageError for `bins` < 1 or `alpha` outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha={alpha} is not possible; give a number between 0 and 1.")
    reals, fakes = binned(real, fake, bins, seed)
    value = float(_share(reals, fakes, alpha))
    count = len(reals)
    return Measured(value, extras={"bins": count, "different": round(value * count), "expected": alpha * count})
