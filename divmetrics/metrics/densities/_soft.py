"""Membership by probability: how likely a sample lies in a support that is known from samples. Park and Kim 2023."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any, Self
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from divmetrics.arrays import dist
from divmetrics.arrays.pairs import Distinct, Pairs, enough_rows, ieee_products, radii
from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows, same_width
from divmetrics.errors import UsageError
from divmetrics.metrics.densities._field import Kernel, Parts, field_of, kernel_sums, remembered, squares, tasks_of

CAP = 60.0
"""Largest log-term of one pair: exp(-60) beside 1 is nothing in float64, and sums of it stay finite."""

_found: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class _Side:
    """A set as a support: balls of one radius about its samples."""

    points: Distinct
    near: Tensor  # [u, 2] float64, distance to the k-th and the (k+1)-th nearest other sample
    radius: float

    @classmethod
    def of(cls, features: Tensor, a: float, k: int) -> Self:
        points, n = Distinct.of(features), len(features)
        near = radii(points, [k, min(k + 1, n - 1)]).sqrt()
        return cls(points, near, a * float((near[:, 0] * points.copies).sum()) / n)

    def moved(self, a: float) -> Tensor:
        """By how much the radius grows when one copy of a row is left out, `[u]`."""
        (rows, copies), n = (self.points.rows, self.points.copies), int(self.points.copies.sum())
        gap = self.near[:, 1] - self.near[:, 0]
        within, gain = self.near.mean(1).square(), -gap.clone()  # between the two, rounding cannot change the answer
        pairs = Pairs(rows, rows)
        with ieee_products(rows.device):
            for above, across in tasks_of(len(rows), len(rows), one_set=True):
                block = squares(pairs, above, across)
                gain[across] += (gap * copies)[above] @ (block <= within[above, None]).double()
                if above != across:
                    gain[above] += (block <= within[across]).double() @ (gap * copies)[across]
        total = float((self.near[:, 0] * copies).sum())
        return a * ((total - self.near[:, 0] + gain) / (n - 1) - total / n)


@dataclass(frozen=True, eq=False)
class Soft:
    """Two sets, each as the support of the other."""

    real: _Side
    fake: _Side
    of_real: Tensor  # [u] float64, sum of log-terms of each distinct real over the fakes
    of_fake: Tensor  # [v]

    def inside(self, side: str) -> Tensor:
        """Probability of each sample of `side` to lie in the support of the other, `[n]` float64."""
        own, sums = (self.real, self.of_real) if side == "real" else (self.fake, self.of_fake)
        return -torch.expm1(-sums)[own.points.place]


def _closeness(squared: Tensor) -> Tensor:
    """-log distance."""
    return squared.log().mul_(-0.5)


def _term(closeness: Tensor, radius: float) -> Tensor:
    """-log min(1, distance / radius), at most `CAP`; a radius of 0 holds what is at distance 0."""
    return (closeness + log(max(radius, 1e-300))).clamp_(0, CAP)


TERMS = Kernel(_closeness, _term)


def soft(real: Rows, fake: Rows, a: float, k: int) -> Soft:
    """Log-terms of both sets in each other's support; one pass, remembered.

    Raises UsageError on a <= 0 or k < 1, TooFewSamples below k + 1 rows a side, FeatureError on different widths.
    """
    if not a > 0:
        raise UsageError(f"a={a} must be above 0: it is the radius in mean distances to the k-th neighbour.")
    same_width(real.d, fake.d)
    enough_rows(k, real.n, fake.n)
    found: Soft = remembered(_found, (real, fake), ("soft", a, k), lambda: _soft(real, fake, a, k))
    return found


def _soft(real: Rows, fake: Rows, a: float, k: int) -> Soft:
    sides = _Side.of(real.features, a, k), _Side.of(fake.features, a, k)
    copies = [side.points.copies.double() for side in sides]
    pairs = Pairs(*(side.points.rows for side in sides))
    (u, v), (reals, fakes) = [len(one) for one in copies], sides
    tasks = tasks_of(u, v)

    def share(mine: range) -> Tensor:
        sums = torch.zeros(u + v, dtype=torch.float64, device=real.features.device)
        for rows, columns in (tasks[task] for task in mine):
            near = _closeness(squares(pairs, rows, columns))
            sums[rows] += _term(near, fakes.radius).double() @ copies[1][columns]
            sums[u:][columns] += copies[0][rows] @ _term(near, reals.radius).double()
        return sums[None]

    with ieee_products(real.features.device):
        sums = dist.spread(len(tasks), share).sum(0)
    return Soft(reals, fakes, sums[:u], sums[u:])


def variance(real: Rows, fake: Rows, a: float, k: int, side: str) -> float:
    """Variance of the mean of `inside(side)`: delete-one jackknife over the support, variance of a mean over the rest.

    A sample left out of the support takes its log-terms with it, and moves the radius by its distance to its own k-th
    neighbour and by what it was to the distances of others.
    """
    both = soft(real, fake, a, k)
    changes: dict[str, Tensor] = remembered(_found, (real, fake), ("changes", a, k), lambda: _changes(both, a))
    inside, support = both.inside(side), both.fake if side == "real" else both.real
    change, copies = changes[side], support.points.copies.double()
    n = float(copies.sum())
    spread = float((copies * (change - (copies @ change) / n).square()).sum())
    return spread * (n - 1) / n + float(inside.var()) / len(inside)


def _changes(both: Soft, a: float) -> dict[str, Tensor]:
    """Side -> what leaving out one sample of its support, the other side, adds to its mean of `inside`.

    Of the support's distinct rows, `[u]` float64.
    """
    pairs = Pairs(both.real.points.rows, both.fake.points.rows)
    # [u] and [v]: weight of each sample in the mean times its probability of being outside
    outside = {side: _outside(both, side) for side in ("real", "fake")}
    lost = {side: torch.zeros_like(outside[side]) for side in outside}
    slope = dict.fromkeys(outside, 0.0)  # of the mean over the logarithm of the support's radius
    copies = {"real": both.real.points.copies.double(), "fake": both.fake.points.copies.double()}
    with ieee_products(pairs.left.device):
        for rows, columns in tasks_of(len(pairs.left), len(pairs.right)):
            near = _closeness(squares(pairs, rows, columns))
            of_fake = _term(near, both.real.radius)  # the reals are the support
            lost["real"][rows] += of_fake.expm1().double() @ outside["fake"][columns]
            slope["fake"] += float(copies["real"][rows] @ (of_fake > 0).double() @ outside["fake"][columns])
            of_real = _term(near, both.fake.radius)
            lost["fake"][columns] += outside["real"][rows] @ of_real.expm1().double()
            slope["real"] += float(outside["real"][rows] @ (of_real > 0).double() @ copies["fake"][columns])
    growth = [part.moved(a) / max(part.radius, 1e-300) for part in (both.real, both.fake)]
    return {"fake": slope["fake"] * growth[0] - lost["real"], "real": slope["real"] * growth[1] - lost["fake"]}


def _outside(both: Soft, side: str) -> Tensor:
    own, sums = (both.real, both.of_real) if side == "real" else (both.fake, both.of_fake)
    return own.points.copies * (-sums).exp() / float(own.points.copies.sum())


def on_splits(pool: TwoSamplePool, splits: Splits, a: float, k: int) -> dict[str, Tensor]:
    """Mean of `inside` on each split `[B]` float64, of reals and of fakes, from one pass over the pool; remembered."""
    real, fake = pool.real, pool.fake
    found: dict[str, Tensor] = remembered(
        _found, (splits, real, fake), ("splits", a, k), lambda: _on_splits(real, fake, splits, a, k)
    )
    return found


def _on_splits(real: Rows, fake: Rows, splits: Splits, a: float, k: int) -> dict[str, Tensor]:
    parts = Parts.of(field_of(real, fake), splits)
    enough_rows(k, int(parts.real.sum(0).min()), int(parts.fake.sum(0).min()))
    found = [a * torch.stack([(r @ c) / c.sum() for r, c in side]) for side in parts.radii(k)]
    sums = kernel_sums(parts.field, TERMS, torch.cat([parts.real, parts.fake], 1), torch.cat(found))
    inside = -torch.expm1(-sums).double()
    count = len(splits)
    of_fake = (inside[:, :count] * parts.fake).sum(0) / parts.fake.sum(0)
    of_real = (inside[:, count:] * parts.real).sum(0) / parts.real.sum(0)
    return {"real": of_real, "fake": of_fake}
