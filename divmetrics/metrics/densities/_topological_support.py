"""Topological supports: where a kernel density estimate exceeds its bootstrap confidence threshold. Kim 2023."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import pi

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.distributions import student
from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs import check_enough_rows
from divmetrics.arrays.share_intervals import wilson
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import FeatureError, MeasureError, UsageError
from divmetrics.metrics.densities._pooled_distances import (
    PooledDistances,
    RadialKernel,
    SplitCounts,
    kernel_sums,
    pooled_distances,
)

NARROWEST = 8
"""Least number of columns. In fewer, a ball of 5d neighbours is a small part of the distribution, the density exceeds
its threshold for ever fewer samples, and equal distributions score anything: .01 in one column. The authors' code takes
the same bandwidth from 4 columns on; for 1 to 3 it starts a search by persistent homology, and stops with an error."""
WIDTH = 32
"""Columns that wider features are projected to."""
NEIGHBOURS_PER_COLUMN = 5
"""The bandwidth is the median distance to the neighbour of this rank times the columns. Kim 2023, appendix G.4."""
INTERVAL_BOOTSTRAPS = 16
"""Bootstraps of the rows for an interval; its width is then known to 18 %."""


@dataclass(frozen=True)
class BootstrapThreshold:
    """Upper `alpha` quantile of the greatest change of a density over `repeats` bootstraps drawn from `seed`."""

    alpha: float
    repeats: int
    seed: int

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise UsageError(f"alpha={self.alpha} must lie between 0 and 1.")
        if self.repeats < 1:
            raise UsageError(f"repeats={self.repeats} must be at least 1.")


@dataclass(frozen=True, eq=False)
class Supports:
    """Which distinct rows of a pool lie in the support of the real and of the fake samples, for each of B splits."""

    counts: tuple[Tensor, Tensor]  # real and fake samples at each row [u, B]
    inside: tuple[Tensor, Tensor]  # in the support of the real, of the fake samples [u, B] bool
    bandwidths: tuple[Tensor, Tensor]  # [B]

    def overlap(self, side: int) -> Tensor:
        """Share of a side's samples in both supports among those in its own, `[B]` float64; NaN where none is."""
        own = self.counts[side].double() * self.inside[side]
        return (own * self.inside[1 - side]).sum(0) / own.sum(0)


def _cosine(distance: Tensor, bandwidth: float) -> Tensor:
    """cos(pi/2 distance / bandwidth) within the bandwidth, else exactly 0; a bandwidth of 0 reaches copies alone."""
    tiny = torch.finfo(distance.dtype).tiny
    return (distance / -max(bandwidth, tiny)).add_(1).clamp_(min=0).mul_(pi / 2).sin_()


COSINE = RadialKernel(torch.sqrt, _cosine)


def projected(features: Tensor, seed: int) -> Tensor:
    """`features` `[n, d]` as they are up to `WIDTH` columns, else times a seeded Gaussian matrix."""
    width = features.shape[1]
    if width <= WIDTH:
        return features
    matrix = np.random.default_rng(seed).standard_normal((width, WIDTH)) / WIDTH**0.5
    dtype = torch.promote_types(features.dtype, torch.float32)
    return (features.double() @ torch.from_numpy(matrix).to(features.device)).to(dtype)


@lru_cache(maxsize=8)
def _bootstrap_surplus(n: int, threshold: BootstrapThreshold) -> Tensor:
    """How often each of n samples is drawn in each bootstrap, less once, `[n, repeats]`."""
    rng = np.random.default_rng([threshold.seed, 1])
    drawn = [np.bincount(rng.integers(0, n, n), minlength=n) - 1 for _ in range(threshold.repeats)]
    return torch.from_numpy(np.stack(drawn, 1)).double()


def supports(real: Rows, fake: Rows, threshold: BootstrapThreshold) -> tuple[Supports, Tensor]:
    """The supports of two sets, and the distinct row of each sample, `[n + m]` int64; computed once.

    Raises:
        FeatureError: The sides have different numbers of columns, or fewer than `NARROWEST`.
        TooFewSamples: A side has a single sample.
    """
    same_width(real.d, fake.d)
    if real.d < NARROWEST:
        raise FeatureError(
            f"features have {real.d} columns, and supports from a density mean nothing below {NARROWEST}; take "
            "precision and recall, or features of more columns."
        )
    whole = Splits(torch.tensor([REAL] * real.n + [FAKE] * fake.n, dtype=torch.uint8)[None])

    def make() -> tuple[Supports, Tensor]:
        distances = _projected_distances(real, fake, threshold)
        return _supports(SplitCounts.of(distances, whole), threshold), distances.place

    return once((real, fake), ("topological supports", threshold), make)


def _projected_distances(real: Rows, fake: Rows, threshold: BootstrapThreshold) -> PooledDistances:
    """Distances of the pool after projection."""
    seed = threshold.seed
    return pooled_distances(real, fake, lambda features: projected(features, seed), ("projected", seed))


def overlap_on_splits(pool: TwoSamplePool, splits: Splits, threshold: BootstrapThreshold, side: int) -> Tensor:
    """`Supports.overlap` of `side` on all splits, `[B]`, from one pass that both sides share."""
    real, fake = pool.real, pool.fake

    def make() -> Supports:
        return _supports(SplitCounts.of(_projected_distances(real, fake, threshold), splits), threshold)

    return once((splits, real, fake), ("topological supports on splits", threshold), make).overlap(side)


def interval(
    real: Rows, fake: Rows, threshold: BootstrapThreshold, side: int, level: float
) -> tuple[float, float] | None:
    """Wilson interval of `Supports.overlap` of `side`, by bootstraps of the rows; None where most have no overlap.

    Neighbouring samples are inside or outside together, so the share rests on fewer independent samples than there are
    rows: as many as make a share equal to the mean over the bootstraps spread as they do. (At the share itself, which
    may be 1 without spread, their number would be 0 or all.) Copies, which make a bootstrap useless for metrics of
    nearest neighbours, hardly matter here, since a bandwidth reaches over five samples per column or more. Half-samples
    would not do, since the bandwidth depends on the sample size.
    """

    def make() -> Supports:
        rng = np.random.default_rng([threshold.seed, 2])
        drawn = [rng.multinomial(side.n, np.full(side.n, 1 / side.n), INTERVAL_BOOTSTRAPS).T for side in (real, fake)]
        counts = torch.from_numpy(np.concatenate(drawn)).to(real.features.device)  # [n + m, B]
        of_real = torch.arange(len(counts), device=counts.device)[:, None] < real.n
        distances = _projected_distances(real, fake, threshold)
        return _supports(SplitCounts.from_counts(distances, counts * of_real, counts * ~of_real), threshold)

    shares = once((real, fake), ("topological supports of bootstraps", threshold), make).overlap(side)
    shares = shares[shares.isfinite()]
    if len(shares) <= INTERVAL_BOOTSTRAPS / 2:
        return None
    mean, variance, most = float(shares.mean()), float(shares.var()), (real, fake)[side].n
    samples = min(max(mean * (1 - mean) / variance, 1.0), most) if variance > 0 else most
    share = float(supports(real, fake, threshold)[0].overlap(side)[0])
    return wilson(share, samples, float(student(len(shares) - 1).ppf((1 + level) / 2)))


def defined(share: Tensor, side: str) -> float:
    """`share` as a number. Raises MeasureError where it is NaN, since no sample of `side` is in its own support."""
    if share.isnan().any():
        raise MeasureError(
            f"no {side} sample lies in the support of its own side, where the density exceeds the bootstrap threshold; "
            "add samples."
        )
    return float(share)


def _supports(parts: SplitCounts, threshold: BootstrapThreshold) -> Supports:
    """The supports of both sides of all splits."""
    sides, rows = (parts.real, parts.fake), parts.distances.rows
    check_enough_rows(1, *(int(counts.sum(0).min()) for counts in sides))
    radii = parts.radii(NEIGHBOURS_PER_COLUMN * rows.shape[1])
    bandwidths = [torch.stack([_median(*one) for one in side]) for side in radii]
    count, per_split = sides[0].shape[1], 1 + threshold.repeats
    weights = torch.cat([_weights(rows, counts, threshold) for counts in sides], 1)
    sums = kernel_sums(parts.distances, COSINE, weights, torch.cat(bandwidths).repeat_interleave(per_split))
    inside = []
    for counts, densities in zip(sides, sums.view(len(rows), 2, count, per_split).unbind(1), strict=True):
        changes = densities[:, :, 1:].abs() * (counts > 0)[:, :, None]
        levels = torch.quantile(changes.amax(0).double(), 1 - threshold.alpha, dim=1)  # [B]
        inside.append(densities[:, :, 0] > levels)
    return Supports(sides, (inside[0], inside[1]), (bandwidths[0], bandwidths[1]))


def _median(values: Tensor, copies: Tensor) -> Tensor:
    """Median of `values` with `copies` of each."""
    return torch.quantile(values.repeat_interleave(copies.long()), 0.5)


def _weights(rows: Tensor, counts: Tensor, threshold: BootstrapThreshold) -> Tensor:
    """For each split 1/n a sample, then the surplus of each bootstrap over n, `[u, B (1 + repeats)]`.

    The surplus is assigned to the samples in the order of their distance from the mean of their set, so that neither
    the order of rows nor an isometry changes the value.
    """
    rows, weights = rows.double(), []
    for column in counts.T:
        n = int(column.sum())
        mean = column.double() @ rows / n
        members = torch.arange(len(rows), device=rows.device).repeat_interleave(column.long())
        order = (rows - mean).square().sum(1)[members].argsort()
        bootstraps = torch.zeros(len(rows), threshold.repeats, dtype=torch.float64, device=rows.device)
        bootstraps.index_add_(0, members[order], _bootstrap_surplus(n, threshold).to(rows.device))
        weights.append(torch.cat([column.double()[:, None], bootstraps], 1) / n)
    return torch.cat(weights, 1).to(counts.dtype)
