"""Smooth functions of the pairs of a pool: sums of a kernel over any part of it, for many parts in one pass.

A metric that compares a distance with a radius needs it to the last bit (`pairs/`). Those here take a smooth function
of it, so a matrix product is exact enough, but for pairs so near that rounding would show: they are computed directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Any, Self
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor

from divmetrics.arrays.pairs import Distinct, Pairs, blocks, ieee_products, lower_bounds
from divmetrics.arrays.splits import FAKE, REAL, Splits
from divmetrics.arrays.summaries import Rows

SURE = 100
"""Squared distances are kept from a product where they are this many times their proven error bound."""
KEPT = 2**30
"""Bytes up to which all distances of a pool are kept; beyond, each pass computes them again."""
CLOSE = 0.01
"""Logarithm of the ratio of two radii between which sums are interpolated."""


@dataclass(frozen=True)
class Kernel:
    """A smooth function of a distance and a radius."""

    prepare: Callable[[Tensor], Tensor]
    """Squared distances -> what the radius does not change, a new tensor."""
    value: Callable[[Tensor, float], Tensor]
    """That and a radius -> kernel values, a new tensor."""

    def __call__(self, squared: Tensor, radius: float) -> Tensor:
        """Kernel values of squared distances."""
        return self.value(self.prepare(squared), radius)


def remembered(
    store: WeakKeyDictionary[Any, Any], owners: tuple[object, ...], key: object, make: Callable[[], Any]
) -> Any:
    """`make()`, once for these owners and `key`; forgotten when one of the owners is gone."""
    *outer, last = owners
    for owner in outer:
        store = store.setdefault(owner, WeakKeyDictionary())
    known = store.setdefault(last, {})
    if key not in known:
        known[key] = make()
    return known[key]


def squares(pairs: Pairs, rows: slice, columns: slice) -> Tensor:
    """Squared distances `[r, c]` of a block in its working precision; 0 for equal rows.

    In float32 the worst-case error is 1 %, the usual one some 1e-6: it is proven for the sum of all roundings alike.
    """
    left, right = pairs.float32
    low = lower_bounds(left, right, rows, columns)
    doubt = left.error_bound[rows].to(low.dtype)[:, None] + right.error_bound[columns].to(low.dtype)
    i, j = (low < SURE * doubt).nonzero(as_tuple=True)
    exact = None
    if len(i):
        exact = pairs.settle(rows, columns, i, j, low, lambda least, most: SURE * (most - least) > least)
    low.add_(doubt, alpha=0.5)  # a lower bound is the product less half the doubt
    if exact is not None:
        low[i, j] = exact.to(low.dtype)
    return low


def tasks_of(u: int, v: int, *, one_set: bool = False) -> list[tuple[slice, slice]]:
    """All blocks of u by v pairs; of one set with itself those on and above the diagonal."""
    return [
        (rows, columns) for rows in blocks(u) for columns in blocks(v) if not one_set or rows.start <= columns.start
    ]


@dataclass(frozen=True, eq=False)
class Field:
    """All squared distances between the distinct rows of a pool, a block of rows at a time."""

    place: Tensor  # [n] int64, sample i is row place[i]
    pairs: Pairs
    dtype: torch.dtype
    kept: Tensor | None  # [u, u]
    _near: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    @classmethod
    def of(cls, features: Tensor) -> Self:
        """`features` `[n, d]` of the whole pool. Sums over its rows are taken in their precision."""
        points = Distinct.of(features)
        rows, u = points.rows, len(points.rows)
        pairs, dtype = Pairs(rows, rows), torch.promote_types(rows.dtype, torch.float32)
        if u * u * dtype.itemsize > KEPT:
            return cls(points.place, pairs, dtype, None)
        kept = torch.empty(u, u, dtype=dtype, device=rows.device)
        with ieee_products(rows.device):
            for above, across in tasks_of(u, u, one_set=True):
                block = squares(pairs, above, across).to(dtype)
                kept[above, across], kept[across, above] = block, block.T
        return cls(points.place, pairs, dtype, kept)

    @property
    def rows(self) -> Tensor:
        """The distinct rows `[u, d]`."""
        return self.pairs.left

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        """Rows and their squared distances `[r, u]` to all."""
        for rows in blocks(len(self.pairs.left)):
            yield rows, self._block(rows)

    def _block(self, rows: slice) -> Tensor:
        if self.kept is not None:
            return self.kept[rows]
        with ieee_products(self.pairs.left.device):
            return squares(self.pairs, rows, slice(0, len(self.pairs.right))).to(self.dtype)

    def of_rows(self, index: Tensor) -> Tensor:
        """Squared distances `[i, u]` of single rows to all."""
        if self.kept is not None:
            return self.kept[index]
        some = Pairs(self.pairs.left[index], self.pairs.right)
        with ieee_products(index.device):
            return squares(some, slice(0, len(index)), slice(0, len(some.right))).to(self.dtype)

    def nearest(self, length: int) -> tuple[Tensor, Tensor]:
        """Of each row the `length` nearest, itself first, ascending: squared distances and places `[u, length]`."""
        length = min(length, len(self.rows))
        if length not in self._near:
            found = [block.topk(length, largest=False) for _, block in self]
            self._near[length] = torch.cat([one.values for one in found]), torch.cat([one.indices for one in found])
        return self._near[length]


_last: WeakKeyDictionary[Rows, tuple[ref[Rows], object, Field]] = WeakKeyDictionary()


def field_of(real: Rows, fake: Rows, change: Callable[[Tensor], Tensor] | None = None, key: object = None) -> Field:
    """The field of the two sets' features, after `change`, which `key` names; the last one made is remembered.

    Metrics of one kind are asked one after the other, and two such fields would be a burden on memory.
    """
    if fake in _last and _last[fake][0]() is real and _last[fake][1] == key:
        return _last[fake][2]
    _last.clear()
    features = torch.cat([real.features, fake.features])
    made = Field.of(features if change is None else change(features))
    _last[fake] = (ref(real), key, made)
    return made


@dataclass(frozen=True, eq=False)
class Parts:
    """A pool's distinct rows, and how often each occurs on the two sides of each split."""

    field: Field
    real: Tensor  # [u, B] counts, in the precision of the field
    fake: Tensor  # [u, B]

    @classmethod
    def of(cls, pool: Field, splits: Splits) -> Self:
        """The sides of splits of a pool."""
        side = splits.side.T.to(pool.place.device)  # [n + m, B]
        return cls.counted(pool, side == REAL, side == FAKE)

    @classmethod
    def counted(cls, pool: Field, real: Tensor, fake: Tensor) -> Self:
        """How often each sample of a pool is among the reals and the fakes of each part, `[n + m, B]`."""
        empty = torch.zeros(len(pool.rows), real.shape[1], dtype=pool.dtype, device=pool.place.device)
        counts = [empty.index_add(0, pool.place, side.to(pool.dtype)) for side in (real, fake)]
        return cls(pool, counts[0], counts[1])

    def radii(self, k: int) -> tuple[list[tuple[Tensor, Tensor]], list[tuple[Tensor, Tensor]]]:
        """Of reals and of fakes, for each split: distances of rows to their k-th nearest other sample; their copies.

        Where a split has no k others, the farthest is meant.
        """
        rarest = min(float((side.sum(0) / side.shape[0]).min()) for side in (self.real, self.fake))
        enough = ceil((k + 5 + 3 * sqrt(k + 5)) / max(rarest, 1e-9))  # that a list lacks a k-th is then rare
        near = self.field.nearest(min(enough, 2**31))
        return self._radii(self.real, k, near), self._radii(self.fake, k, near)

    def _radii(self, counts: Tensor, k: int, near: tuple[Tensor, Tensor]) -> list[tuple[Tensor, Tensor]]:
        squared, index = near
        found = []
        for column in counts.T:
            last = min(k, int(column.sum()) - 1)
            members = column.nonzero()[:, 0]
            position, reached = _kth(column[index[members]], last)
            radius = squared[members].gather(1, position[:, None])[:, 0]
            lacking = (~reached).nonzero()[:, 0]
            if len(lacking):
                block, order = self.field.of_rows(members[lacking])[:, members].sort(1)
                position, _ = _kth(column[members][order], last)
                radius[lacking] = block.gather(1, position[:, None])[:, 0]
            found.append((radius.double().sqrt(), column[members].double()))
        return found


def _kth(copies: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Where in ascending lists `[r, t]` that begin with the row itself the k-th other lies, and whether it does."""
    short = copies.cumsum(1) <= k
    return short.sum(1).clamp(max=copies.shape[1] - 1), ~short[:, -1]


def kernel_sums(pool: Field, kernel: Kernel, weights: Tensor, radii: Tensor) -> Tensor:
    """Sum over v of weights[v, c] kernel(|u - v|^2, radii[c]), `[u, C]` in the field's precision.

    `radii` `[C]`. Columns whose radii nearly agree share two passes, at the least and at the greatest of them, and are
    interpolated between, geometrically where both sums have one sign: a power of the radius is then exact.
    """
    groups = [(c, weights[:, c], radii[c].min(), radii[c].max()) for c in _groups(radii)]
    sums = torch.empty(len(weights), weights.shape[1], dtype=weights.dtype, device=weights.device)
    with ieee_products(weights.device):
        for rows, squared in pool:
            ready = kernel.prepare(squared)
            for columns, own, least, most in groups:
                found = kernel.value(ready, float(least)) @ own
                if most > least:
                    share = ((radii[columns] / least).log() / (most / least).log()).to(found)
                    found = _between(found, kernel.value(ready, float(most)) @ own, share)
                sums[rows, columns] = found
    return sums


def _groups(radii: Tensor) -> list[Tensor]:
    """Columns whose radii lie within `CLOSE` of each other."""
    ordered, order = radii.sort()
    groups, start = [], 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or float(ordered[end]) > float(ordered[start]) * (1 + CLOSE):
            groups.append(order[start:end])
            start = end
    return groups


def _between(low: Tensor, high: Tensor, share: Tensor) -> Tensor:
    """Between `low` and `high` `[u, C]` at `share` `[C]` of the way, which is exact at 0 and at 1."""
    ratio = high / low
    powers = low * ratio.clamp(min=0).pow(share)
    return torch.where((ratio > 0) & ratio.isfinite(), powers, torch.lerp(low, high, share.expand_as(low)))
