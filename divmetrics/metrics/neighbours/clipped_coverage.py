"""Clipped coverage."""

from functools import lru_cache

import numpy as np
import torch
from scipy.special import betaln, gammaln
from torch import Tensor

from divmetrics.arrays.pairs import PAIRS, Ties, half_error, neighbour_pass, split_hits, support
from divmetrics.arrays.share_intervals import share_ends
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.records.metric import About, Interval, Laws, Measured, UncertaintySpec, metric


@lru_cache(maxsize=64)
def _expected(n: int, m: int, k: int) -> np.ndarray:
    """f(s) for s = 0..m `[m + 1]`: mean of min(k, c) / k where s fakes are drawn like n reals; increasing."""
    s, j = np.arange(m + 1)[:, None], np.arange(min(k, m + 1))
    # The ball of a real is a Beta(k, n - k) of the mass, so c is beta-binomial. Only c < k falls short of 1.
    chosen = gammaln(s + 1) - gammaln(j + 1) - gammaln((s - j).clip(0) + 1)
    uncertainty = np.exp(chosen + betaln(k + j, (n - k + s - j).clip(1)) - betaln(k, n - k))
    short: np.ndarray = (np.where(j <= s, uncertainty, 0) * (1 - j / k)).sum(1)
    return 1 - short


def _good(mean: float, n: int, m: int, k: int) -> float:
    """The share of good fakes that explains a `mean`: f inverted, whole numbers of fakes and straight between."""
    return float(np.interp(mean, _expected(n, m, k), np.arange(m + 1) / m))


def _means(pool: TwoSamplePool, splits: Splits, *, k: int, ties: Ties) -> tuple[Tensor, list[list[int]]]:
    """Mean of min(k, c) / k on each split `[B]`, and the sizes of its sides."""
    hits = split_hits(pool, splits, k, ties)
    sizes = [(hits.side == side).sum(1).tolist() for side in (REAL, FAKE)]
    return hits.mean(hits.in_ball.clip(max=k) / k, REAL), sizes


def _resample(pool: TwoSamplePool, splits: Splits, *, k: int, ties: Ties) -> Tensor:
    means, sizes = _means(pool, splits, k=k, ties=ties)
    good = [_good(mean, n, m, k) if mean == mean else mean for mean, n, m in zip(means.tolist(), *sizes, strict=True)]
    return torch.tensor(good, dtype=torch.float64)


def _interval(
    pool: TwoSamplePool,
    level: float,
    *,
    k: int,
    ties: Ties,
) -> tuple[float, float] | None:
    """By way of the mean, which is nearly normal; f inverted bends, and ends at 1."""
    error = half_error(pool, lambda splits: _means(pool, splits, k=k, ties=ties)[0])
    if error is None:
        return None
    n, m = pool.n, pool.m
    counts = support(pool.real, pool.fake, k, ties).fakes_in_ball.cpu()
    mean = (counts.clamp(max=k).double() / k).mean().item()
    return share_ends(
        lambda means: np.interp(means, _expected(n, m, k), np.arange(m + 1) / m), mean, error, PAIRS, level, min(n, m)
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
    uncertainty=UncertaintySpec(interval=Interval("half-samples of the mean share", _interval), resample=_resample),
    about=About(
        formula=r"\frac1m f^{-1}\Bigl(\frac1n\sum_i\frac{\min(k,c_i)}k\Bigr),\;"
        r"f(s)=\frac1k\sum_j\min(j,k)\tbinom sj\frac{B(k+j,n-k+s-j)}{B(k,n-k)}",
        sees="Dropped and thinned modes, and bad fakes, in proportion: the value is the share of good samples among "
        "the fakes.",
        blind="Fakes that fill the middle of all balls: a tight cluster amid reals of many dimensions is near each of "
        "them.",
        bias="None to speak of below 1: sizes are part of f. Equal distributions reach 1 on average, and less by the "
        "clip there.",
        cost="O(nmd) time in blocks, shared by all neighbour metrics; the lists of the chance take 268 MB at most.",
    ),
)
def clipped_coverage(real: Rows, fake: Rows, *, k: int = 5, ties: Ties = "open") -> Measured:
    """Share of good samples among the fakes that explains how many of them are near each real; in [0, 1].

    Higher is better. Salvy 2026: c_i counts the fakes in the k-nearest-neighbour ball of real i; the mean of
    min(k, c_i) / k is turned into the number s of fakes that, drawn like the reals, would reach it on average, and that
    into s / m. `ties` as for coverage. Per real: `fakes_near` (c_i). Extras: `mean_share`, the mean of min(k, c_i) / k.
    Raises TooFewSamples below k + 1 rows.
    """
    near = support(real, fake, k, ties).fakes_in_ball.cpu()
    mean = (near.clamp(max=k).double() / k).mean().item()
    return Measured(_good(mean, real.n, fake.n, k), real={"fakes_near": near}, extras={"mean_share": mean})
