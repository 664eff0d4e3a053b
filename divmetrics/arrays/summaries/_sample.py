"""A random subset of a sample set that does not depend on the order or the number of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar, Self

import torch
from torch import Tensor

from divmetrics.arrays.summaries._summary import Summary
from divmetrics.errors import FeatureError


@dataclass(frozen=True, eq=False)
class Sample(Summary):
    """A random subset of at most `SIZE` rows in their own shape: for images that would not fit into memory as `Rows`.

    Each row has a pseudo-random number, a hash of its number in the set, and the rows with the lowest ones are kept:
    the same rows for any batches, order or number of ranks. A set appended to another keeps its pseudo-random numbers,
    so that both are represented in proportion.
    """

    SIZE: ClassVar[int] = 256
    """Images of 3 x 256 x 256 floats then take 0.2 GB a side."""
    NUMBERS: ClassVar[int] = 2**26
    """Numbers of all rows together: of larger ones fewer are kept, in 0.27 GB, but always two."""

    features: Tensor  # [k, ...], as given, by ascending `draw`: any first rows of them are a random subset as well
    index: Tensor  # [k] int64, their numbers in the whole set
    draw: Tensor  # [k] int64, pseudo-random numbers, ascending
    count: int  # samples of the whole set

    @classmethod
    def sampled_as(cls) -> type[Summary]:
        return cls

    @classmethod
    def chosen(cls, places: Tensor) -> Tensor:
        """Positions in `places` `[n]`, sample numbers, of those that will be kept, so that only these need be read."""
        return torch.argsort(_mixed(places), stable=True)[: cls.SIZE]

    @classmethod
    def of(cls, rows: Tensor, index: Tensor) -> Self:
        index, draw = index.to(rows.device), _mixed(index.cpu()).to(rows.device)
        kept = cls._lowest(index, draw, rows.shape[1:])
        return cls(rows[kept], index[kept], draw[kept], len(rows))

    def merge(self, other: Self) -> Self:
        mine, theirs = self.features.shape[1:], other.features.shape[1:]
        if mine != theirs:
            raise FeatureError(f"samples have shape {tuple(mine)} in one part and {tuple(theirs)} in the other.")
        index, draw = torch.cat([self.index, other.index]), torch.cat([self.draw, other.draw])
        kept = self._lowest(index, draw, mine)
        from_here = kept < len(self.index)
        if len(kept) == len(self.index) and bool(from_here.all()):  # none of the others is kept
            return replace(self, count=self.count + other.count)
        features = self.features.new_empty(len(kept), *mine)  # joined first, they would be in memory three times
        for row, place, here in zip(features, kept.tolist(), from_here.tolist(), strict=True):
            row.copy_(self.features[place] if here else other.features[place - len(self.index)])
        return type(self)(features, index[kept], draw[kept], self.count + other.count)

    @classmethod
    def _lowest(cls, index: Tensor, draw: Tensor, shape: Sequence[int]) -> Tensor:
        """Places of the rows to keep, by ascending draw, where one has `shape`."""
        order = torch.argsort(index, stable=True)  # of appended sets, equal draws are ordered by number
        most = min(cls.SIZE, max(2, cls.NUMBERS // max(1, prod(shape))))
        return order[torch.argsort(draw[order], stable=True)][:most]

    @property
    def n(self) -> int:
        return self.count


def _mixed(places: Tensor) -> Tensor:
    """Hash of each int64 number, a bijection (splitmix64; Steele 2014, doi:10.1145/2714064.2660195)."""

    def folded(bits: Tensor, by: int) -> Tensor:
        return bits ^ ((bits >> by) & ((1 << (64 - by)) - 1))  # int64 shifts drag the sign along; the mask removes it

    bits = places - 0x61C8864680B583EB  # products and sums wrap, as they are meant to
    bits = folded(bits, 30) * -0x40A7B892E31B1A47
    bits = folded(bits, 27) * -0x6B2FB644ECCEEE15
    return folded(bits, 31)
