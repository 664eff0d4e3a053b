"""Clipped coverage."""

from functools import lru_cache

import numpy as np
import torch
from scipy.special import betaln, gammaln
from torch import Tensor

from divmetrics.arrays.pairs import (
    HALF_PAIRS,
    Ties,
    ball_counts,
    ball_counts_on_splits,
    half_sample_error,
    neighbour_pass,
)
from divmetrics.arrays.share_intervals import share_ends
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric


@lru_cache(maxsize=64)
def _expected(n: int, m: int, k: int) -> np.ndarray:
    """f(s) for s = 0..m `[m + 1]`: expected min(k, c) / k for s fake samples from the distribution of n real ones."""
    s, j = np.arange(m + 1)[:, None], np.arange(min(k, m + 1))
    # A real ball holds a Beta(k, n - k) share of the mass, so c is beta-binomial. Only c < k falls short of 1.
    log_choose = gammaln(s + 1) - gammaln(j + 1) - gammaln((s - j).clip(0) + 1)
    probability = np.exp(log_choose + betaln(k + j, (n - k + s - j).clip(1)) - betaln(k, n - k))
    short: np.ndarray = (np.where(j <= s, probability, 0) * (1 - j / k)).sum(1)
    return 1 - short


def _share_of_good(mean: float, n: int, m: int, k: int) -> float:
    """Share of good fake samples that explains `mean`: f inverted, linearly between whole numbers of samples."""
    return float(np.interp(mean, _expected(n, m, k), np.arange(m + 1) / m))


def _means(pool: TwoSamplePool, splits: Splits, *, k: int, ties: Ties) -> tuple[Tensor, list[list[int]]]:
    """Mean of min(k, c) / k on each split `[B]`, and the sizes of both sides of each."""
    balls = ball_counts_on_splits(pool, splits, k, ties)
    sizes = [(balls.side == side).sum(1).tolist() for side in (REAL, FAKE)]
    return balls.mean(lambda part: (part.in_ball / k).clip(max=1), REAL), sizes


def _resample(pool: TwoSamplePool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    means, sizes = _means(pool, splits, k=k, ties=ties)
    good = [
        _share_of_good(mean, n, m, k) if mean == mean else mean
        for mean, n, m in zip(means.tolist(), *sizes, strict=True)
    ]
    return torch.tensor(good, dtype=torch.float64)


def _interval(
    pool: TwoSamplePool,
    level: float,
    *,
    k: int,
    ties: Ties,
) -> tuple[float, float] | None:
    """Interval of the mean of min(k, c) / k, which is approximately normal, carried through the inverse of f."""
    error = half_sample_error(pool, lambda splits: _means(pool, splits, k=k, ties=ties)[0])
    if error is None:
        return None
    n, m = pool.n, pool.m
    counts = ball_counts(pool.real, pool.fake, k, ties).fakes_in_ball.cpu()
    mean = (counts.clamp(max=k).double() / k).mean().item()
    return share_ends(
        lambda means: np.interp(means, _expected(n, m, k), np.arange(m + 1) / m),
        mean,
        error,
        HALF_PAIRS,
        level,
        min(n, m),
    )


@metric(
    "clipped_coverage",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="higher",
    laws=Laws(range=(0, 1), translation=True, rotation=True, scaling=0, on_copies=1, on_collapse="worse"),
    cite="Salvy 2026, arXiv:2507.01761",
    shared_pass=neighbour_pass,
    minimum=lambda options: int(options["k"]) + 1,
    uncertainty=UncertaintySpec(
        interval=Interval("half-samples of the mean share", _interval), resample=_resample, null_trend=0
    ),
    about=About(
        formula=r"\frac1m f^{-1}\Bigl(\frac1n\sum_i\frac{\min(k,c_i)}k\Bigr),\;"
        r"f(s)=\frac1k\sum_j\min(j,k)\tbinom sj\frac{B(k+j,n-k+s-j)}{B(k,n-k)}",
        sees="Dropped and thinned modes, and bad samples, in proportion: the value is the share of good samples among "
        "the fake ones.",
        blind="In many dimensions a tight cluster of fake samples at the centre of the real ones, which lies in the "
        "balls of all of them.",
        bias="Negligible below 1, for f accounts for the sizes. Equal distributions fall a little short of 1 because "
        "the value is clipped there.",
        cost="O(nmd) time, in blocks, in one pass that all nearest-neighbour metrics share; the neighbour lists for "
        "interval and null take at most 268 MB.",
    ),
)
def clipped_coverage(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """Share of good samples among the fake ones, estimated from how many lie near each real sample; in [0, 1], higher
    is better.

    c_i counts the fake samples in the k-nearest-neighbour ball of real sample i. The mean of min(k, c_i) / k is turned
    into the number s of fake samples that would reach it on average if drawn from the real distribution, and that into
    s / m. So the value does not depend on the sample sizes and is linear in the share of good samples. Salvy 2026.

    Args:
        real: Real samples: `[n, d]` array, tensor or `Rows`, n > k.
        fake: Fake samples: `[m, d]`, m > k, in the same feature space.
        k: Rank of the nearest neighbour that a ball reaches to, within its own set (default 5). Counts are clipped at
            it.
        ties: `"open"` counts a distance below the radius (default; Naeem 2020), `"closed"` also one equal to it
            (Kynkaanniemi 2019). They differ only where distances tie, as among copies.

    Returns:
        s / m. `measure` adds the column `fakes_near` of the real side, `[n]` int64 (c_i), and `extras["mean_share"]`,
        the mean of min(k, c_i) / k.

    Raises:
        TooFewSamples: A side has k samples or fewer.
        UsageError: `k` is below 1, or an option has the wrong type.
        FeatureError: The two sides have different numbers of columns.

    Example:
        >>> import divmetrics as dm
        >>> real, fake = [[0.0], [1.0], [3.0], [6.0]], [[-0.5], [20.0], [30.0], [40.0]]
        >>> round(dm.metrics.clipped_coverage(real, fake, k=1), 6)  # 1 ball of 4 is hit, as by one good sample of 4
        0.25
    """
    near = ball_counts(real, fake, k, ties).fakes_in_ball.cpu()
    mean = (near.clamp(max=k).double() / k).mean().item()
    return Measured(_share_of_good(mean, real.n, fake.n, k), real={"fakes_near": near}, extras={"mean_share": mean})
