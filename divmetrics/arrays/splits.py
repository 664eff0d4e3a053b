"""`Pool` and `Splits`: what intervals and nulls are made of. The samples stay where they are; index sets move.

A half-sample of both sides says how much a value would move with other samples; a re-split of the pooled samples says
what it would be if fakes and reals came from one distribution. Both are the same thing here, an assignment of the
pool's samples to "real", "fake" or neither, so a metric that can re-index its one pass over the pairs serves both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from divmetrics.arrays.summaries import Rows

ABSENT, REAL, FAKE = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Pool:
    """Samples of both sides, the reals first. Sample i of the pool is real i, or fake i - n.

    For a metric that reads held-out reals these are the `real` side here, for under its null they and the fakes are
    alike; the training set stays `fixed`. A one-sample metric has no reals.
    """

    real: Rows | None
    fake: Rows
    fixed: Rows | None = None

    @property
    def n(self) -> int:
        """Number of reals."""
        return 0 if self.real is None else self.real.n

    @property
    def m(self) -> int:
        """Number of fakes."""
        return self.fake.n

    @cached_property
    def whole(self) -> Rows:
        """All samples as one set, the reals first, numbered from 0."""
        parts = [self.fake] if self.real is None else [self.real, self.fake]
        joined = {
            column.name: torch.cat([getattr(part, column.name) for part in parts]) for column in fields(self.fake)
        }
        return replace(self.fake, **{**joined, "index": torch.arange(self.n + self.m, device=joined["index"].device)})

    def features(self) -> Tensor:
        """All features `[n + m, d]`, the reals first."""
        return self.whole.features

    def part(self, places: Tensor) -> Rows:
        """The samples at `places` `[b]` of the pool as one set."""
        return self.whole.take(places)


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
