"""Where a density surely is: superlevel sets of kernel estimates, above what may be chance. Kim 2023."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import pi
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.distributions import student
from divmetrics.arrays.pairs import enough_rows
from divmetrics.arrays.share_intervals import wilson
from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import MeasureError, UsageError
from divmetrics.metrics.densities._field import Field, Kernel, Parts, field_of, kernel_sums, remembered

WIDTH = 32
"""Columns that wider features are projected to."""
PER_COLUMN = 5
"""Neighbours out per column: the bandwidth is the median distance to that one. Kim 2023, appendix G.4."""

BOOTSTRAPS = 16
"""Of the rows, for an interval: the error of its width is 18 %."""

_found: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


@dataclass(frozen=True)
class Band:
    """How the level is found: the upper `alpha` quantile of what `repeats` bootstraps move a density by, at most."""

    alpha: float
    repeats: int
    seed: int

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise UsageError(f"alpha={self.alpha} must lie between 0 and 1.")
        if self.repeats < 1:
            raise UsageError(f"repeats={self.repeats} must be at least 1.")


@dataclass(frozen=True, eq=False)
class Dense:
    """Of each distinct row of a pool and each split: is it where the reals surely are, and the fakes."""

    counts: tuple[Tensor, Tensor]  # reals and fakes [u, B]
    where: tuple[Tensor, Tensor]  # in the support of the reals, of the fakes [u, B] bool
    bandwidths: tuple[Tensor, Tensor]  # [B]

    def share(self, side: int) -> Tensor:
        """Share of a side's samples in both supports among those in its own, `[B]` float64; NaN where none is."""
        own = self.counts[side].double() * self.where[side]
        return (own * self.where[1 - side]).sum(0) / own.sum(0)


def _cosine(distance: Tensor, bandwidth: float) -> Tensor:
    """cos(pi/2 distance / bandwidth) within the bandwidth, else exactly 0; a bandwidth of 0 reaches copies alone."""
    tiny = torch.finfo(distance.dtype).tiny
    return (distance / -max(bandwidth, tiny)).add_(1).clamp_(min=0).mul_(pi / 2).sin_()


COSINE = Kernel(torch.sqrt, _cosine)


def projected(features: Tensor, seed: int) -> Tensor:
    """`features` `[n, d]` as they are up to `WIDTH` columns, else times a seeded Gaussian matrix."""
    width = features.shape[1]
    if width <= WIDTH:
        return features
    draws = np.random.default_rng(seed).standard_normal((width, WIDTH)) / WIDTH**0.5
    dtype = torch.promote_types(features.dtype, torch.float32)
    return (features.double() @ torch.from_numpy(draws).to(features.device)).to(dtype)


@cache
def _surplus(n: int, band: Band) -> Tensor:
    """How often n samples are drawn in each bootstrap, less once, `[n, repeats]`."""
    rng = np.random.default_rng([band.seed, 1])
    drawn = [np.bincount(rng.integers(0, n, n), minlength=n) - 1 for _ in range(band.repeats)]
    return torch.from_numpy(np.stack(drawn, 1)).double()


def dense(real: Rows, fake: Rows, band: Band) -> tuple[Dense, Tensor]:
    """The supports of two sets, and which distinct row each sample is `[n + m]`; remembered.

    Raises FeatureError on different widths, TooFewSamples for a single row.
    """
    same_width(real.d, fake.d)
    whole = Splits(torch.tensor([REAL] * real.n + [FAKE] * fake.n, dtype=torch.uint8)[None])

    def make() -> tuple[Dense, Tensor]:
        pool = _field(real, fake, band)
        return _dense(Parts.of(pool, whole), band), pool.place

    found: tuple[Dense, Tensor] = remembered(_found, (real, fake), band, make)
    return found


def _field(real: Rows, fake: Rows, band: Band) -> Field:
    """The pool after projection; the same for all that is asked of it in a row."""
    return field_of(real, fake, lambda features: projected(features, band.seed), ("projected", band.seed))


def share_on_splits(pool: TwoSamplePool, splits: Splits, band: Band, side: int) -> Tensor:
    """`Dense.share` of `side` on all splits from one pass; remembered."""
    real, fake = pool.real, pool.fake
    found: Dense = remembered(
        _found, (splits, real, fake), band, lambda: _dense(Parts.of(_field(real, fake, band), splits), band)
    )
    return found.share(side)


def interval(real: Rows, fake: Rows, band: Band, side: int, level: float) -> tuple[float, float] | None:
    """Wilson's interval of `Dense.share` of `side`, by bootstraps of the rows; None where most have no share.

    The bootstraps are remembered.

    Samples stand or fall with their neighbours, so a share is worth fewer independent ones than there are rows: as
    many as make a share with the mean of the bootstraps spread as they do. (At the share itself, which may be 1 with no
    spread, their number would be 0 or all.) Copies, which make a bootstrap useless for a metric of nearest neighbours,
    hardly matter here: a bandwidth reaches over five samples a column or more. Half-samples would not do, for the
    bandwidth depends on the sample size.
    """

    def make() -> Dense:
        rng = np.random.default_rng([band.seed, 2])
        drawn = [rng.multinomial(side.n, np.full(side.n, 1 / side.n), BOOTSTRAPS).T for side in (real, fake)]
        counts = torch.from_numpy(np.concatenate(drawn)).to(real.features.device)  # [n + m, B]
        of_real = torch.arange(len(counts), device=counts.device)[:, None] < real.n
        return _dense(Parts.counted(_field(real, fake, band), counts * of_real, counts * ~of_real), band)

    found: Dense = remembered(_found, (real, fake), ("interval", band), make)
    shares = found.share(side)
    shares = shares[shares.isfinite()]
    if len(shares) <= BOOTSTRAPS / 2:
        return None
    mean, variance, most = float(shares.mean()), float(shares.var()), (real, fake)[side].n
    samples = min(max(mean * (1 - mean) / variance, 1.0), most) if variance > 0 else most
    share = float(dense(real, fake, band)[0].share(side)[0])
    return wilson(share, samples, float(student(len(shares) - 1).ppf((1 + level) / 2)))


def some(share: Tensor, side: str) -> float:
    """A share that exists. Raises MeasureError where no sample of `side` is in its own support."""
    if share.isnan().any():
        raise MeasureError(f"no {side} is where the density of the {side}s is beyond chance; add samples.")
    return float(share)


def _dense(parts: Parts, band: Band) -> Dense:
    sides, rows = (parts.real, parts.fake), parts.field.rows
    enough_rows(1, *(int(counts.sum(0).min()) for counts in sides))
    near = parts.radii(PER_COLUMN * rows.shape[1])
    bandwidths = [torch.stack([_median(*one) for one in side]) for side in near]
    count, per = sides[0].shape[1], 1 + band.repeats
    weights = torch.cat([_weights(rows, counts, band) for counts in sides], 1)
    sums = kernel_sums(parts.field, COSINE, weights, torch.cat(bandwidths).repeat_interleave(per))
    where = []
    for counts, found in zip(sides, sums.view(len(rows), 2, count, per).unbind(1), strict=True):
        moved = found[:, :, 1:].abs() * (counts > 0)[:, :, None]
        level = torch.quantile(moved.amax(0).double(), 1 - band.alpha, dim=1)  # [B]
        where.append(found[:, :, 0] > level)
    return Dense(sides, (where[0], where[1]), (bandwidths[0], bandwidths[1]))


def _median(values: Tensor, copies: Tensor) -> Tensor:
    """Median of `values` with `copies` of each."""
    return torch.quantile(values.repeat_interleave(copies.long()), 0.5)


def _weights(rows: Tensor, counts: Tensor, band: Band) -> Tensor:
    """For each split 1/n a sample, then the surplus of each bootstrap over n, `[u, B (1 + repeats)]`.

    Samples are dealt their surplus in the order of their distance from the mean of their set, so that neither the order
    of rows nor an isometry changes the value.
    """
    rows, found = rows.double(), []
    for column in counts.T:
        n = int(column.sum())
        mean = column.double() @ rows / n
        members = torch.arange(len(rows), device=rows.device).repeat_interleave(column.long())
        order = (rows - mean).square().sum(1)[members].argsort()
        bootstraps = torch.zeros(len(rows), band.repeats, dtype=torch.float64, device=rows.device)
        bootstraps.index_add_(0, members[order], _surplus(n, band).to(rows.device))
        found.append(torch.cat([column.double()[:, None], bootstraps], 1) / n)
    return torch.cat(found, 1).to(counts.dtype)
