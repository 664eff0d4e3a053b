"""Summaries: the values a sample set is reduced to, once, before any metric sees it.

**The merge law**, tested in `tests/arrays/test_summaries.py`: `of(a ++ b) == of(a).merge(of(b))`; merging is
associative and order-free up to round-off. So batches, shards, devices and saved files are all the same thing.
State that merges is centred and float64: raw sums of x and x x' lose the variance of features that lie far from zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64, gram
from divmetrics.errors import FeatureError, UsageError
from divmetrics.records.extractor import Layer
from divmetrics.records.metric import Need


@dataclass(frozen=True, eq=False)
class Summary(ABC):
    """Base of all summaries: built from rows, merged with its like, saved as tensors."""

    by_class: ClassVar[bool] = False
    """Whether it holds the class of each sample, which comes from the samples' labels."""

    @classmethod
    def collected_as(cls) -> type[Summary]:
        """What is kept while samples come in: itself, unless it can only be made when both sides are known."""
        return cls

    @classmethod
    def sampled_as(cls) -> type[Summary]:
        """What is kept so that parts of the set can be summarised again: the rows."""
        return Rows

    @classmethod
    def on(cls, *layers: Layer) -> Need:
        """The declaration "this summary of that layer"; of several layers the first that both sides have is taken."""
        return Need(cls, layers)

    @classmethod
    @abstractmethod
    def of(cls, rows: Tensor, index: Tensor) -> Self:
        """Summarise `rows` `[b, ...]`; `index` `[b]` int64 holds their places in the whole set."""

    @abstractmethod
    def merge(self, other: Self) -> Self:
        """The summary of both sets together."""

    @property
    @abstractmethod
    def n(self) -> int:
        """Number of samples summarised."""

    @classmethod
    def from_array(cls, array: Any) -> Self:
        """Summarise a whole `[n, ...]` array, tensor or nested list, rows in their order.

        Raises FeatureError on NaN, Inf, no rows or no columns.
        """
        rows = as_rows(array)
        return cls.of(rows, torch.arange(len(rows)))


def as_rows(array: Any) -> Tensor:
    """`array` as a finite tensor `[n, ...]`: floats keep their precision, integers stay integers where 1-d labels."""
    if isinstance(array, Tensor):
        rows = array.detach()
    else:
        values = np.asarray(array)
        if values.dtype.kind not in "fiub":
            raise UsageError(f"features must be numbers, got an array of {values.dtype}.")
        rows = torch.from_numpy(np.ascontiguousarray(values))
    if rows.ndim == 0 or 0 in rows.shape:
        raise FeatureError(f"features have shape {tuple(rows.shape)}; at least one row and one column are needed.")
    if rows.ndim > 1 and not rows.is_floating_point():
        rows = rows.double()
    if rows.dtype in (torch.float16, torch.bfloat16):
        rows = rows.float()
    check_finite(rows)
    return rows


def check_finite(rows: Tensor) -> None:
    """Raise FeatureError if `rows` holds NaN or Inf, naming how many rows and the first of them."""
    if not rows.is_floating_point() or torch.isfinite(rows.sum()):
        return  # a finite sum proves every term finite, in one pass and without a mask
    bad = (~torch.isfinite(rows.flatten(1) if rows.ndim > 1 else rows[:, None])).any(1).nonzero()[:, 0]
    if len(bad):
        raise FeatureError(
            f"{len(bad)} of {len(rows)} rows hold NaN or Inf, the first is row {int(bad[0])}; drop them."
        )


def same_width(left: int, right: int) -> None:
    """Raise FeatureError where two sets of features differ in width."""
    if left != right:
        raise FeatureError(f"features have {left} columns on one side and {right} on the other; use one extractor.")


@dataclass(frozen=True, eq=False)
class Rows(Summary):
    """The rows themselves, sorted by their place in the whole set: the feature store is a summary like any other."""

    features: Tensor  # [n, d], as given: float32 from networks, float64 if the caller has it
    index: Tensor  # [n] int64, ascending

    @classmethod
    def of(cls, rows: Tensor, index: Tensor) -> Self:
        return cls._sorted(rows.flatten(1) if rows.ndim > 1 else rows[:, None], index.to(rows.device))

    def merge(self, other: Self) -> Self:
        same_width(self.features.shape[1], other.features.shape[1])
        return self._sorted(torch.cat([self.features, other.features]), torch.cat([self.index, other.index]))

    @classmethod
    def _sorted(cls, features: Tensor, index: Tensor) -> Self:
        if len(index) > 1 and not bool((index[1:] > index[:-1]).all()):
            index, order = torch.sort(index, stable=True)
            features = features[order]
        return cls(features, index)

    @property
    def n(self) -> int:
        return len(self.features)

    @property
    def d(self) -> int:
        """Width of the features."""
        return self.features.shape[1]

    def take(self, places: Tensor) -> Self:
        """The samples at `places` `[b]` int64 alone, in the order of their places in the whole set."""
        return self._at(torch.sort(places.to(self.features.device)).values)

    def _at(self, places: Tensor) -> Self:
        return type(self)(self.features[places], self.index[places])


@dataclass(frozen=True, eq=False)
class Labelled(Rows):
    """Rows with the class of each: for metrics that look at one class at a time.

    From arrays it is made of the pair `(features, labels)`. Collected as `Rows`; the labels join them when both sides
    are known, so that a class number means the same on both.
    """

    labels: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))  # [n] int64

    by_class: ClassVar[bool] = True

    @classmethod
    def collected_as(cls) -> type[Summary]:
        return Rows

    @classmethod
    def from_array(cls, array: Any) -> Self:
        if not (isinstance(array, tuple) and len(array) == 2):
            raise UsageError("features and their classes are needed: give the pair (features, labels).")
        rows, labels = as_rows(array[0]), as_rows(array[1])
        if labels.ndim != 1 or labels.is_floating_point() or len(labels) != len(rows):
            raise UsageError(f"labels must be {len(rows)} whole numbers, one a row; got shape {tuple(labels.shape)}.")
        found = Rows.of(rows, torch.arange(len(rows)))
        return cls(found.features, found.index, labels.long())

    def merge(self, other: Self) -> Self:
        joined = super().merge(other)
        order = torch.argsort(torch.cat([self.index, other.index]), stable=True)
        return type(self)(joined.features, joined.index, torch.cat([self.labels, other.labels])[order])

    def _at(self, places: Tensor) -> Self:
        return type(self)(self.features[places], self.index[places], self.labels[places.to(self.labels.device)])


@dataclass(frozen=True, eq=False)
class Moments(Summary):
    """Mean and centred scatter, float64: all that a Gaussian fit needs.

    The scatter is kept as centred rows while those are fewer than d, and as a `[d, d]` matrix from then on: 400 images
    of 12288 pixels need 39 MB, not 1.2 GB, and the distance of two such fits is exact without any root.
    """

    count: int
    mean: Tensor  # [d]
    centred: Tensor | None  # [r, d] with centred' centred = scatter, while r < d
    scatter: Tensor | None  # [d, d], sum of (x - mean)(x - mean)', from r >= d on

    @classmethod
    def of(cls, rows: Tensor, index: Tensor) -> Self:  # noqa: ARG003  the moments do not depend on places
        flat = float64(rows.flatten(1))
        mean = flat.mean(0)
        return cls._smaller(len(flat), mean, flat - mean)

    @classmethod
    def from_statistics(cls, mean: Any, covariance: Any, n: int) -> Self:
        """From a known mean `[d]` and covariance `[d, d]` (ddof 1), as other tools save them."""
        return cls(n, as_rows(mean).double(), None, as_rows(covariance).double() * (n - 1))

    @classmethod
    def _smaller(cls, count: int, mean: Tensor, centred: Tensor) -> Self:
        thin = len(centred) < centred.shape[1]
        return cls(count, mean, centred, None) if thin else cls(count, mean, None, gram(centred))

    def merge(self, other: Self) -> Self:
        same_width(len(self.mean), len(other.mean))
        total = self.count + other.count
        gap = other.mean - self.mean  # [d]
        mean = self.mean + gap * (other.count / total)
        weight = self.count * other.count / total
        if self.centred is not None and other.centred is not None:
            rows = torch.cat([self.centred, other.centred, weight**0.5 * gap[None]])
            return self._smaller(total, mean, rows)
        return type(self)(total, mean, None, self._as_scatter() + other._as_scatter() + weight * torch.outer(gap, gap))

    def _as_scatter(self) -> Tensor:
        if self.scatter is not None:
            return self.scatter
        assert self.centred is not None  # noqa: S101  one of the two is always there
        return gram(self.centred)

    @property
    def n(self) -> int:
        return self.count

    @cached_property
    def covariance(self) -> Tensor:
        """Unbiased covariance `[d, d]` (ddof 1)."""
        return self._as_scatter() / (self.count - 1)

    @property
    def factor(self) -> Tensor | None:
        """F `[r, d]` with F'F the covariance, r < d; None where only the covariance itself is kept."""
        return None if self.centred is None else self.centred / (self.count - 1) ** 0.5


@dataclass(frozen=True, eq=False)
class UnitGram(Summary):
    """Rows scaled to unit length, as themselves while n < d and as their `[d, d]` Gram matrix from then on.

    Both have the non-zero eigenvalues of the cosine-similarity matrix, so the smaller one is kept.
    """

    count: int
    units: Tensor | None  # [n, d] float64 while n < d
    gram: Tensor | None  # [d, d] float64, sum of u u', from n >= d on

    @classmethod
    def of(cls, rows: Tensor, index: Tensor) -> Self:
        flat = float64(rows.flatten(1))
        lengths = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
        zero = (lengths[:, 0] == 0).nonzero()[:, 0]
        if len(zero):
            raise FeatureError(
                f"row {int(index[zero[0]])} is all zeros and has no direction; cosine similarity needs one."
            )
        return cls._smaller(len(flat), flat / lengths)

    @classmethod
    def _smaller(cls, count: int, units: Tensor) -> Self:
        return cls(count, units, None) if count < units.shape[1] else cls(count, None, gram(units))

    def merge(self, other: Self) -> Self:
        same_width(self.d, other.d)
        if self.units is not None and other.units is not None:
            return self._smaller(self.count + other.count, torch.cat([self.units, other.units]))
        return type(self)(self.count + other.count, None, self._as_gram() + other._as_gram())

    def _as_gram(self) -> Tensor:
        if self.gram is not None:
            return self.gram
        assert self.units is not None  # noqa: S101  one of the two is always there
        return gram(self.units)

    @property
    def n(self) -> int:
        return self.count

    @property
    def d(self) -> int:
        """Width of the features."""
        kept = self.units if self.units is not None else self.gram
        assert kept is not None  # noqa: S101
        return kept.shape[1]

    def similarity(self) -> Tensor:
        """The smaller matrix `[m, m]`, m = min(n, d), with the non-zero eigenvalues of K / n; its trace is 1."""
        return (gram(self.units.T) if self.units is not None else self._as_gram()) / self.count


@dataclass(frozen=True, eq=False)
class ClassTally(Summary):
    """How often each class occurs: from integer labels `[n]`, or as the argmax of logits `[n, classes]`."""

    counts: Tensor  # [classes] int64; trailing classes that never occurred may be absent

    @classmethod
    def of(cls, rows: Tensor, index: Tensor) -> Self:  # noqa: ARG003
        if rows.ndim == 1:
            if rows.is_floating_point() or bool((rows < 0).any()):
                raise FeatureError("labels must be whole numbers from 0 on.")
            return cls(torch.bincount(rows.long()))
        return cls(torch.bincount(rows.argmax(1), minlength=rows.shape[1]))

    def merge(self, other: Self) -> Self:
        width = max(len(self.counts), len(other.counts))
        return type(self)(self.padded(width) + other.padded(width))

    def padded(self, width: int) -> Tensor:
        """The counts, zeros appended up to `width` classes."""
        return torch.nn.functional.pad(self.counts, (0, width - len(self.counts)))

    @property
    def n(self) -> int:
        return int(self.counts.sum())


@dataclass(frozen=True, eq=False)
class Sample(Summary):
    """At most `SIZE` of the rows, in their own shape, drawn by chance: for images that would not fit as `Rows`.

    The draw of a row is a fixed mix of the bits of its place, and the rows of the lowest draws stay: whatever the
    batches, their order or the ranks, the same rows. A set appended to another keeps its draws, so that both have a
    fair share of the whole.
    """

    SIZE: ClassVar[int] = 256
    """As pixels of 3 x 256 x 256 that is 0.2 GB a side."""

    features: Tensor  # [k, ...], as given, in the order of their draws: any first few of them are a sample as well
    index: Tensor  # [k] int64, their places in the whole set
    draw: Tensor  # [k] int64, ascending
    count: int

    @classmethod
    def sampled_as(cls) -> type[Summary]:
        return cls

    @classmethod
    def chosen(cls, places: Tensor) -> Tensor:
        """Which of `places` `[n]` will stay, as positions in it, so that only those need be looked at."""
        return torch.argsort(_mixed(places), stable=True)[: cls.SIZE]

    @classmethod
    def of(cls, rows: Tensor, index: Tensor) -> Self:
        return cls._lowest(rows, index.to(rows.device), _mixed(index.cpu()).to(rows.device), len(rows))

    def merge(self, other: Self) -> Self:
        mine, theirs = self.features.shape[1:], other.features.shape[1:]
        if mine != theirs:
            raise FeatureError(f"samples have shape {tuple(mine)} in one part and {tuple(theirs)} in the other.")
        features, index, draw = (torch.cat(pair) for pair in zip(self._drawn(), other._drawn(), strict=True))
        return self._lowest(features, index, draw, self.count + other.count)

    def _drawn(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.features, self.index, self.draw

    @classmethod
    def _lowest(cls, features: Tensor, index: Tensor, draw: Tensor, count: int) -> Self:
        order = torch.argsort(index, stable=True)  # where sets were appended, equal draws are put in order by place
        kept = order[torch.argsort(draw[order], stable=True)][: cls.SIZE]
        return cls(features[kept], index[kept], draw[kept], count)

    @property
    def n(self) -> int:
        return self.count


def _mixed(places: Tensor) -> Tensor:
    """`places` int64, their bits mixed one to one (splitmix64; Steele 2014, doi:10.1145/2714064.2660195)."""

    def folded(bits: Tensor, by: int) -> Tensor:
        return bits ^ ((bits >> by) & ((1 << (64 - by)) - 1))  # int64 shifts drag the sign along; the mask removes it

    bits = places - 0x61C8864680B583EB  # products and sums wrap, as they are meant to
    bits = folded(bits, 30) * -0x40A7B892E31B1A47
    bits = folded(bits, 27) * -0x6B2FB644ECCEEE15
    return folded(bits, 31)


SUMMARIES: dict[str, type[Summary]] = {cls.__name__: cls for cls in (Rows, Moments, UnitGram, ClassTally, Sample)}
