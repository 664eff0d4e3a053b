"""Number of statistically different bins (NDB), as a share of all bins."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from divmetrics.arrays.class_counts import shares
from divmetrics.arrays.distributions import NORMAL
from divmetrics.arrays.share_intervals import GRID, clopper_pearson, wilson
from divmetrics.arrays.splits import Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
from divmetrics.metrics.clusters._bins import bin_counts, bin_counts_on_splits
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric


def _z_scores(real_counts: np.ndarray, fake_counts: np.ndarray) -> np.ndarray:
    """z statistics of two-proportion tests of bins, from counts `[..., K]`; 0 where a bin is empty on both sides."""
    n, m = real_counts.sum(-1, keepdims=True), fake_counts.sum(-1, keepdims=True)
    pooled = (real_counts + fake_counts) / (n + m)
    sd = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return np.asarray(np.divide(shares(fake_counts) - shares(real_counts), sd, out=np.zeros(sd.shape), where=sd > 0))


def _share(real_counts: np.ndarray, fake_counts: np.ndarray, alpha: float) -> np.ndarray:
    """Share of bins `[...]` that differ at level `alpha`; bins that are empty on both sides are padding of splits."""
    used = ((real_counts + fake_counts) > 0).sum(-1)
    return np.asarray((np.abs(_z_scores(real_counts, fake_counts)) > -ndtri(alpha / 2)).sum(-1) / used)


def _resample(pool: Pool, splits: Splits, *, bins: int, alpha: float, seed: int) -> np.ndarray:
    return _share(*bin_counts_on_splits(pool, splits, bins, seed), alpha)


def _interval(pool: TwoSamplePool, level: float, *, bins: int, alpha: float, seed: int) -> tuple[float, float]:
    """Clopper and Pearson's lower and Wilson's upper end, for as many independent bins as the variance corresponds to.

    Bins differ almost independently, bin k with the probability p_k = P(|z| > critical value) for a normal z of
    variance 1 about its true mean, which is normal about the z observed with variance 1, too. The variance is
    the sum of the expected p_k (1 - p_k). It is at most that of as many bins of one probability, which is taken where
    all bins differ or none does; the last of K bins follows from the others. Three of twelve bins that differ
    where one is expected are no rare event, and Wilson's lower end is too high then.
    """
    z = _z_scores(*bin_counts(pool.real, pool.fake, bins, seed))
    critical = -ndtri(alpha / 2)
    share, free = float((np.abs(z) > critical).mean()), max(1, len(z) - 1)
    mean = z[:, None] + GRID
    differs = ndtr(mean - critical) + ndtr(-critical - mean)
    variance = float((differs * (1 - differs)).mean(1).sum()) / len(z) ** 2
    observations = max(free, share * (1 - share) / variance) if variance > 0 else free
    low, high = wilson(share, observations, float(NORMAL.ppf((1 + level) / 2)))
    return min(low, clopper_pearson(share * observations, observations, level)[0]), high


@metric(
    "ndb",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=0),
    cite="Richardson and Weiss 2018, arXiv:1805.12462",
    minimum=lambda _: 2,
    uncertainty=UncertaintySpec(
        interval=Interval("Clopper-Pearson and Wilson, over bins", _interval),
        resample=_resample,
        replicate_cost="recomputed",
    ),
    about=About(
        formula=r"\frac1K \#\{k : |\hat p_k - \hat q_k| > z_{1-\alpha/2} \sqrt{P_k (1 - P_k)(1/n + 1/m)}\}",
        sees="Regions of the real distribution where fake samples are under- or over-represented.",
        blind="Differences within a bin; outliers, which are counted in the nearest bin.",
        bias="Samples of one distribution differ in up to a share `alpha` of bins, in fewer where bins hold few real "
        "samples. Grows with n and m, as any count of significant differences: compare at equal sizes. Some "
        "hundred samples have a dozen bins, of which one or two differ by chance: the interval is wide.",
        cost="k-means on at most 64 principal components: O((n + m)(d + K)); 2 s at 5,000 + 5,000 x 1280. "
        "The null band refits the bins on each re-split.",
    ),
    equal_n=True,
)
def ndb(real: Rows, fake: Rows, *, bins: int = 100, alpha: float = 0.05, seed: int = 0) -> Measured:
    """Share of bins with significantly different shares of real and fake samples; in [0, 1], lower is better.

    Number of statistically different bins (NDB), Richardson and Weiss 2018, divided by the number of bins. Bins are
    k-means clusters of the real samples; each is tested by a two-sided two-proportion z-test.

    Args:
        real: Features of the real samples, `[n, d]`.
        fake: Features of the generated samples, `[m, d]`.
        bins: Number of bins, >= 1; 100 by default, and at most one per 10 real samples.
        alpha: Level of the test of each bin, in (0, 1); 0.05 by default.
        seed: Seed of the clustering; 0 by default.

    Returns:
        The share of different bins. Extras: `bins`, `different` (their number), and `expected`, the number of different
        bins between two samples of one distribution.

    Raises:
        UsageError: `bins` or `alpha` is out of range.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real = [[float(i)] for i in range(40)]
        >>> dm.metrics.ndb(real, real, bins=4), dm.metrics.ndb(real, [[0.0]] * 40, bins=4)
        (0.0, 1.0)
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha={alpha} is not possible; give a number between 0 and 1.")
    real_counts, fake_counts = bin_counts(real, fake, bins, seed)
    value = float(_share(real_counts, fake_counts, alpha))
    count = len(real_counts)
    return Measured(value, extras={"bins": count, "different": round(value * count), "expected": alpha * count})
