"""Pooled samples, and assignments of them to the two sides: half-samples, permutations, real samples against real ones.

A half-sample of both sides shows how much a value varies with the samples drawn; a permutation of the pooled samples
shows what it is if both sides come from one distribution; two disjoint sets of real samples show what a perfect
generator scores. All are splits: assignments of the pooled samples to "real", "fake" or neither. No sample is copied,
so a metric that re-indexes one pass over the pairs evaluates many splits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor

from divmetrics.arrays.summaries import Rows

ABSENT, REAL, FAKE = 0, 1, 2


class Pool(ABC):
    """The samples behind one value, pooled: sample i is real sample i for i < n, else fake sample i - n."""

    fake: Rows

    @property
    @abstractmethod
    def sides(self) -> tuple[Rows, ...]:
        """The sample sets that splits are drawn from, the fake samples last."""

    @property
    def n(self) -> int:
        """Number of real samples; 0 for a metric that reads the fake samples alone."""
        return sum(side.n for side in self.sides[:-1])

    @property
    def m(self) -> int:
        """Number of fake samples."""
        return self.fake.n

    @cached_property
    def whole(self) -> Rows:
        """All samples as one set, the real ones first, numbered from 0; kept as long as the pool."""
        return self._joined(self.sides, torch.arange(self.n + self.m))

    def _joined(self, sides: Sequence[Rows], index: Tensor) -> Rows:
        """All columns of some samples of each side, one side after the other, numbered `index`."""
        joined: dict[str, Tensor | None] = {
            column.name: torch.cat([getattr(side, column.name) for side in sides])
            for column in fields(self.fake)
            if all(isinstance(getattr(side, column.name), Tensor) for side in sides)
        }
        if isinstance(self.fake, Rows):
            joined.setdefault("content", None)  # that of one side may not be known
        return replace(self.fake, **{**joined, "index": index.to(self.fake.index.device)})  # type: ignore[arg-type]

    def features(self) -> Tensor:
        """All features `[n + m, d]`, the real samples first: a copy as large as both sides, which is not kept."""
        return torch.cat([side.features for side in self.sides])

    @property
    def content(self) -> Tensor | None:
        """A number `[n + m]` int64 for the content of each sample; None where those of one side are not known."""
        known = [side.content for side in self.sides if side.content is not None]
        return torch.cat(known) if len(known) == len(self.sides) else None

    def part(self, places: Tensor) -> Rows:
        """A subset of the pool.

        Args:
            places: Numbers `[b]` int64 of the samples.

        Returns:
            These samples as one set, in the order of the pool.
        """
        chosen = torch.sort(places.to(self.fake.index.device)).values
        starts = torch.tensor([0, *(side.n for side in self.sides)], device=chosen.device).cumsum(0)
        ends = torch.searchsorted(chosen, starts).tolist()
        parts = [
            side.take(chosen[first:last] - start)
            for side, start, (first, last) in zip(self.sides, starts.tolist(), pairwise(ends), strict=False)
        ]
        return self._joined(parts, chosen)


@dataclass(frozen=True, eq=False)
class OneSamplePool(Pool):
    """The samples behind a metric that reads the fake samples alone."""

    fake: Rows

    @property
    def sides(self) -> tuple[Rows, ...]:
        """The fake samples."""
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

    The held-out samples are `real` here, because they and the fake samples are exchangeable under the null hypothesis;
    the training set `train` is never split.
    """

    train: Rows


@dataclass(frozen=True, eq=False)
class Splits:
    """B assignments of n real and m fake pooled samples to sides: `side` is `[B, n + m]` uint8: ABSENT, REAL or FAKE.

    Example:
        >>> splits = Splits.halves(4, 6, count=2, seed=0)
        >>> len(splits), len(splits.real(0)), len(splits.fake(0))
        (2, 2, 3)
    """

    side: Tensor

    @classmethod
    def halves(cls, n: int, m: int, count: int, seed: int) -> Self:
        """Half-samples: half of the real and half of the fake samples, drawn without replacement.

        Args:
            n: Number of real samples; may be 0.
            m: Number of fake samples.
            count: Number of splits.
            seed: Seed of the draws.
        """
        return cls.subsets(n, m, 0.5, count, seed)

    @classmethod
    def subsets(cls, n: int, m: int, kept: float, count: int, seed: int) -> Self:
        """Subsets of both sides, drawn without replacement.

        Args:
            n: Number of real samples; may be 0.
            m: Number of fake samples.
            kept: Share of each side in a subset, in (0, 1); rounded down to whole samples.
            count: Number of splits.
            seed: Seed of the draws.
        """
        rng = torch.Generator().manual_seed(seed)
        side = torch.zeros(count, n + m, dtype=torch.uint8)
        for row in side:
            row[torch.randperm(n, generator=rng)[: int(n * kept)]] = REAL
            row[n + torch.randperm(m, generator=rng)[: int(m * kept)]] = FAKE
        return cls(side)

    @classmethod
    def permutations(cls, n: int, m: int, count: int, seed: int) -> Self:
        """Random permutations of the pooled samples: any n of them are called real, the other m fake.

        Args:
            n: Number of real samples.
            m: Number of fake samples.
            count: Number of splits.
            seed: Seed of the draws.
        """
        rng = torch.Generator().manual_seed(seed)
        side = torch.full((count, n + m), FAKE, dtype=torch.uint8)
        for row in side:
            row[torch.randperm(n + m, generator=rng)[:n]] = REAL
        return cls(side)

    @classmethod
    def of_reals(
        cls, n: int, m: int, sizes: tuple[int, int], count: int, seed: int, kept: tuple[int, int] | None = None
    ) -> tuple[Self, Self]:
        """Disjoint sets of real samples against each other, and the fakes of the same sizes in their place.

        Args:
            n: Number of real samples.
            m: Number of fake samples.
            sizes: Samples of each split on the real and on the fake side; together at most n.
            count: Number of splits.
            seed: Seed of the draws.
            kept: Samples that are left of each side, for the same splits at smaller sizes (default None: all).

        Returns:
            Splits with real samples on both sides; and the same ones with fakes on the fake side, as many, or all m
            where there are fewer.

        Example:
            >>> reals, fakes = Splits.of_reals(6, 4, (3, 2), count=1, seed=0)
            >>> len(reals.real(0)), len(reals.fake(0)), bool((reals.fake(0) < 6).all())
            (3, 2, True)
            >>> bool((fakes.real(0) == reals.real(0)).all()), bool((fakes.fake(0) >= 6).all())
            (True, True)
        """
        rng = torch.Generator().manual_seed(seed)
        reals, fakes = (torch.zeros(count, n + m, dtype=torch.uint8) for _ in range(2))
        first, (n_kept, m_kept) = sizes[0], kept or sizes
        for of_reals, of_fakes in zip(reals, fakes, strict=True):
            drawn = torch.randperm(n, generator=rng)
            of_reals[drawn[:n_kept]] = of_fakes[drawn[:n_kept]] = REAL
            of_reals[drawn[first : first + m_kept]] = FAKE
            of_fakes[n + torch.randperm(m, generator=rng)[:m_kept]] = FAKE
        return cls(reals), cls(fakes)

    @classmethod
    def of(cls, parts: Sequence[Splits]) -> Self:
        """Several sets of splits of one pool, concatenated."""
        return cls(torch.cat([part.side for part in parts]))

    def __len__(self) -> int:
        return len(self.side)

    def first(self, count: int) -> Splits:
        """The first `count` splits."""
        return Splits(self.side[:count])

    def real(self, b: int) -> Tensor:
        """Numbers in the pool, ascending, int64, of the samples that split `b` calls real."""
        return (self.side[b] == REAL).nonzero()[:, 0]

    def fake(self, b: int) -> Tensor:
        """Numbers in the pool, ascending, int64, of the samples that split `b` calls fake."""
        return (self.side[b] == FAKE).nonzero()[:, 0]
