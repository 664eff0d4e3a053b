"""Probability that a sample lies in the support of a set: one soft ball around each sample. Park and Kim 2023."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Self

import torch
from torch import Tensor

from divmetrics.arrays import dist
from divmetrics.arrays.memo import once
from divmetrics.arrays.pairs import Pairs, UniqueRows, check_enough_rows, ieee_products, squared_ball_radii
from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import UsageError
from divmetrics.metrics.densities._pooled_distances import (
    RadialKernel,
    SplitCounts,
    block_tasks,
    kernel_sums,
    pooled_distances,
    squared_distance_block,
)

CAP = 60.0
"""Greatest log-term of a pair: exp(-60) is negligible beside 1 in float64, and sums of it stay finite."""


@dataclass(frozen=True, eq=False)
class BallSupport:
    """A set as a support: balls of one radius around its samples."""

    points: UniqueRows
    neighbour_distances: Tensor  # [u, 2] float64, to the k-th and the (k+1)-th nearest other sample
    radius: float

    @classmethod
    def of(cls, features: Tensor, a: float, k: int) -> Self:
        """The support of `features` `[n, d]`; its radius is `a` times the mean distance to the k-th neighbour."""
        points, n = UniqueRows.of(features), len(features)
        distances = squared_ball_radii(points, [k, min(k + 1, n - 1)]).sqrt()
        return cls(points, distances, a * float((distances[:, 0] * points.copies).sum()) / n)

    def radius_growth(self, a: float) -> Tensor:
        """Change of the radius when one copy of each row is left out, `[u]`."""
        (rows, copies), n = (self.points.rows, self.points.copies), int(self.points.copies.sum())
        gap = self.neighbour_distances[:, 1] - self.neighbour_distances[:, 0]
        within, gain = self.neighbour_distances.mean(1).square(), -gap.clone()  # half-way, so that rounding is harmless
        pairs = Pairs(rows, rows)
        with ieee_products(rows.device):
            for above, across in block_tasks(len(rows), len(rows), one_set=True):
                block = squared_distance_block(pairs, above, across)
                gain[across] += (gap * copies)[above] @ (block <= within[above, None]).double()
                if above != across:
                    gain[above] += (block <= within[across]).double() @ (gap * copies)[across]
        total = float((self.neighbour_distances[:, 0] * copies).sum())
        return a * ((total - self.neighbour_distances[:, 0] + gain) / (n - 1) - total / n)


@dataclass(frozen=True, eq=False)
class Supports:
    """Two sets, each as a support for the samples of the other."""

    real: BallSupport
    fake: BallSupport
    of_real: Tensor  # [u] float64, sum of the log-terms of each distinct real row over the fake samples
    of_fake: Tensor  # [v], of each distinct fake row over the real samples

    def inside(self, side: str) -> Tensor:
        """Probability that each sample of `side` lies in the support of the other side, `[n]` float64."""
        own, sums = (self.real, self.of_real) if side == "real" else (self.fake, self.of_fake)
        return -torch.expm1(-sums)[own.points.place]


def _minus_log(squared: Tensor) -> Tensor:
    """-log distance, of squared distances."""
    return squared.log().mul_(-0.5)


def _log_term(minus_log: Tensor, radius: float) -> Tensor:
    """-log min(1, distance / radius), at most `CAP`; a ball of radius 0 holds its own centre alone."""
    return (minus_log + log(max(radius, 1e-300))).clamp_(0, CAP)


LOG_TERMS = RadialKernel(_minus_log, _log_term)


def supports(real: Rows, fake: Rows, a: float, k: int) -> Supports:
    """Both sets as supports of each other, with radii of `a` mean distances to the k-th neighbour; computed once.

    Raises:
        UsageError: `a` is not above 0, or `k` below 1.
        TooFewSamples: A side has k samples or fewer.
        FeatureError: The sides have different numbers of columns.
    """
    if not a > 0:
        raise UsageError(f"a={a} must be above 0: it is the radius in mean distances to the k-th neighbour.")
    same_width(real.d, fake.d)
    check_enough_rows(k, real.n, fake.n)
    return once((real, fake), ("probabilistic supports", a, k), lambda: _supports(real, fake, a, k))


def _supports(real: Rows, fake: Rows, a: float, k: int) -> Supports:
    sides = BallSupport.of(real.features, a, k), BallSupport.of(fake.features, a, k)
    copies = [side.points.copies.double() for side in sides]
    pairs = Pairs(*(side.points.rows for side in sides))
    (u, v), (of_real, of_fake) = [len(one) for one in copies], sides
    tasks = block_tasks(u, v)

    def share(mine: range) -> Tensor:
        sums = torch.zeros(u + v, dtype=torch.float64, device=real.features.device)
        for rows, columns in (tasks[task] for task in mine):
            minus_log = _minus_log(squared_distance_block(pairs, rows, columns))
            sums[rows] += _log_term(minus_log, of_fake.radius).double() @ copies[1][columns]
            sums[u:][columns] += copies[0][rows] @ _log_term(minus_log, of_real.radius).double()
        return sums[None]

    with ieee_products(real.features.device):
        sums = dist.spread(len(tasks), share).sum(0)
    return Supports(of_real, of_fake, sums[:u], sums[u:])


def variance(real: Rows, fake: Rows, a: float, k: int, side: str) -> float:
    """Variance of the mean of `inside(side)`: a delete-one jackknife over the support, plus that of a mean over `side`.

    Leaving a sample out of the support removes its log-terms, and changes the radius by its own neighbour distance and
    by those of the samples that it is a near neighbour of.
    """
    both = supports(real, fake, a, k)
    changes = once((real, fake), ("jackknife changes of inside", a, k), lambda: _changes(both, a))
    inside, support = both.inside(side), both.fake if side == "real" else both.real
    change, copies = changes[side], support.points.copies.double()
    n = float(copies.sum())
    spread = float((copies * (change - (copies @ change) / n).square()).sum())
    return spread * (n - 1) / n + float(inside.var()) / len(inside)


def _changes(both: Supports, a: float) -> dict[str, Tensor]:
    """Side -> change of its mean of `inside` when one copy of each distinct row of the other side is left out."""
    pairs = Pairs(both.real.points.rows, both.fake.points.rows)
    # [u] and [v]: weight of each row in the mean times its probability of being outside
    outside = {side: _outside(both, side) for side in ("real", "fake")}
    lost = {side: torch.zeros_like(outside[side]) for side in outside}
    slope = dict.fromkeys(outside, 0.0)  # derivative of the mean by the log of the support's radius
    copies = {"real": both.real.points.copies.double(), "fake": both.fake.points.copies.double()}
    with ieee_products(pairs.left.device):
        for rows, columns in block_tasks(len(pairs.left), len(pairs.right)):
            minus_log = _minus_log(squared_distance_block(pairs, rows, columns))
            of_fake = _log_term(minus_log, both.real.radius)  # the real side is the support
            lost["real"][rows] += of_fake.expm1().double() @ outside["fake"][columns]
            slope["fake"] += float(copies["real"][rows] @ (of_fake > 0).double() @ outside["fake"][columns])
            of_real = _log_term(minus_log, both.fake.radius)
            lost["fake"][columns] += outside["real"][rows] @ of_real.expm1().double()
            slope["real"] += float(outside["real"][rows] @ (of_real > 0).double() @ copies["fake"][columns])
    growth = [part.radius_growth(a) / max(part.radius, 1e-300) for part in (both.real, both.fake)]
    return {"fake": slope["fake"] * growth[0] - lost["real"], "real": slope["real"] * growth[1] - lost["fake"]}


def _outside(both: Supports, side: str) -> Tensor:
    """Weight of each distinct row of `side` in the mean, times its probability of being outside, `[u]`."""
    own, sums = (both.real, both.of_real) if side == "real" else (both.fake, both.of_fake)
    return own.points.copies * (-sums).exp() / float(own.points.copies.sum())


def on_splits(pool: TwoSamplePool, splits: Splits, a: float, k: int) -> dict[str, Tensor]:
    """Side -> mean of `inside` on each split `[B]` float64; both sides come from one pass over the pool."""
    real, fake = pool.real, pool.fake
    key = ("probabilistic supports on splits", a, k)
    return once((splits, real, fake), key, lambda: _on_splits(real, fake, splits, a, k))


def _on_splits(real: Rows, fake: Rows, splits: Splits, a: float, k: int) -> dict[str, Tensor]:
    parts = SplitCounts.of(pooled_distances(real, fake), splits)
    check_enough_rows(k, int(parts.real.sum(0).min()), int(parts.fake.sum(0).min()))
    side_radii = [a * torch.stack([(r @ c) / c.sum() for r, c in side]) for side in parts.radii(k)]
    sums = kernel_sums(parts.distances, LOG_TERMS, torch.cat([parts.real, parts.fake], 1), torch.cat(side_radii))
    inside = -torch.expm1(-sums).double()
    count = len(splits)
    of_fake = (inside[:, :count] * parts.fake).sum(0) / parts.fake.sum(0)
    of_real = (inside[:, count:] * parts.real).sum(0) / parts.real.sum(0)
    return {"real": of_real, "fake": of_fake}
