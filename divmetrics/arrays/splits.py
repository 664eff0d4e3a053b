"""`Pool` and `Splits`: what intervals and nulls are made of. The samples stay where they are; index sets move.

A half-sample of both sides says how much a value would move with other samples; a re-split of the pooled samples says
what it would be if fakes and reals came from one distribution. Both are the same thing here, an assignment of the
pool's samples to "real", "fake" or neither, so a metric that can re-index its one pass over the pairs serves both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from divmetrics.arrays.summaries import Rows

ABSENT, REAL, FAKE = 0, 1, 2


class Pool(ABC):
    """The samples behind one number, those of the real side first. Sample i of the pool is real i, or fake i - n."""

    fake: Rows

    @property
    @abstractmethod
    def sides(self) -> tuple[Rows, ...]:
        """The sample sets that splits draw from, the fakes last."""

    @property
    def n(self) -> int:
        """Number of real samples; 0 for a metric that reads the fakes alone."""
        return sum(side.n for side in self.sides[:-1])

    @property
    def m(self) -> int:
        """Number of fakes."""
        return self.fake.n

    @cached_property
    def whole(self) -> Rows:
        """All samples as one set, the real ones first, numbered from 0."""
        joined = {
            column.name: torch.cat([getattr(side, column.name) for side in self.sides]) for column in fields(self.fake)
        }
        return replace(self.fake, **{**joined, "index": torch.arange(self.n + self.m, device=joined["index"].device)})

    def features(self) -> Tensor:
        """All features `[n + m, d]`, the real samples first."""
        return self.whole.features

    def part(self, places: Tensor) -> Rows:
        """The samples at `places` `[b]` of the pool as one set."""
        return self.whole.take(places)


@dataclass(frozen=True, eq=False)
class OneSamplePool(Pool):
    """The samples behind a metric that reads the fakes alone."""

    fake: Rows

    @property
    def sides(self) -> tuple[Rows, ...]:
        """The fakes."""
        return (self.fake,)


@dataclass(frozen=True, eq=False)
class TwoSamplePool(Pool):
    """The samples behind a metric that compares two sides."""

    real: Rows
    fake: Rows

    @property
    def sides(self) -> tuple[Rows, ...]:
        """Both sides."""
        return (self.real, self.fake)


@dataclass(frozen=True, eq=False)
class HeldOutPool(TwoSamplePool):
    """The samples behind a metric that reads held-out real samples.

    These are `real` here, for under the null hypothesis they and the fakes are alike; the training set is never split.
    """

    train: Rows


@dataclass(frozen=True, eq=False)
class Splits:
    """Assignments of the samples of a pool of n reals and m fakes: `[B, n + m]` uint8, ABSENT, REAL or FAKE."""

    side: Tensor

    @classmethod
    def halves(cls, n: int, m: int, count: int, seed: int) -> Self:
        """Half of the reals and half of the fakes, drawn without replacement; no reals where n is 0."""
        rng = torch.Generator().manual_seed(seed)
        side = torch.zeros(count, n + m, dtype=torch.uint8)
        for row in side:
            row[torch.randperm(n, generator=rng)[: n // 2]] = REAL
            row[n + torch.randperm(m, generator=rng)[: m // 2]] = FAKE
        return cls(side)

    @classmethod
    def permutations(cls, n: int, m: int, count: int, seed: int) -> Self:
        """The pooled samples dealt out again into n reals and m fakes."""
        rng = torch.Generator().manual_seed(seed)
        side = torch.full((count, n + m), FAKE, dtype=torch.uint8)
        for row in side:
            row[torch.randperm(n + m, generator=rng)[:n]] = REAL
        return cls(side)

    @classmethod
    def of(cls, parts: Sequence[Splits]) -> Self:
        """Several sets of splits of one pool as one, in their order."""
        return cls(torch.cat([part.side for part in parts]))

    def __len__(self) -> int:
        return len(self.side)

    def first(self, count: int) -> Splits:
        """The first `count` splits."""
        return Splits(self.side[:count])

    def real(self, b: int) -> Tensor:
        """Places in the pool, ascending, of the reals of split `b`."""
        return (self.side[b] == REAL).nonzero()[:, 0]

    def fake(self, b: int) -> Tensor:
        """Places in the pool, ascending, of the fakes of split `b`."""
        return (self.side[b] == FAKE).nonzero()[:, 0]
