"""The base class of summaries, and the simplest one: the rows of a sample set, with or without class labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.array_likes import as_array
from divmetrics.errors import FeatureError, UsageError
from divmetrics.records.extractor import Layer
from divmetrics.records.metric import Need


@dataclass(frozen=True, eq=False)
class Summary(ABC):
    """Base class of all summaries: computed from rows, merged with others of its class, saved as tensors."""

    by_class: ClassVar[bool] = False
    """Whether it holds the class of each sample, taken from the labels."""

    @classmethod
    def collected_as(cls) -> type[Summary]:
        """The summary that is kept while samples are collected: itself, unless it needs both sides to be known."""
        return cls

    @classmethod
    def sampled_as(cls) -> type[Summary]:
        """The summary from which parts of the set can be summarised again, for half-samples: the rows."""
        return Rows

    @classmethod
    def on(cls, *layers: Layer) -> Need:
        """Declare what a metric reads of a side: this summary of a layer of the extractor.

        Args:
            *layers: Names of layers; of several, the first that both sides have is read.

        Returns:
            The declaration, for the arguments `real`, `fake` and `held_out` of `@metric`.

        Example:
            >>> from divmetrics.arrays.summaries import Rows
            >>> Rows.on("pooled").layers
            ('pooled',)
        """
        return Need(cls, layers)

    @classmethod
    @abstractmethod
    def of(cls, rows: Tensor, index: Tensor) -> Self:
        """Summarise a batch of a sample set.

        Args:
            rows: Rows `[b, ...]`.
            index: Their numbers `[b]` int64 within the whole set.
        """

    @abstractmethod
    def merge(self, other: Self) -> Self:
        """The summary of both sets together.

        Args:
            other: Summary of another part of the sample set.

        Raises:
            FeatureError: The two parts have different numbers of columns.
        """

    @property
    @abstractmethod
    def n(self) -> int:
        """Number of samples."""

    @classmethod
    def from_array(cls, array: Any) -> Self:
        """Summarise a whole sample set.

        Args:
            array: `[n, ...]` array, tensor or nested list, one row a sample.

        Returns:
            The summary, rows numbered in their order.

        Raises:
            FeatureError: NaN or Inf, no rows or no columns, or no numbers.
        """
        rows = as_rows(array)
        if rows.ndim < 2:
            raise FeatureError(
                f"features have shape [{len(rows)}]; wanted [n, d]: give x[:, None] for {len(rows)} samples of one "
                "number, x[None] for one sample."
            )
        return cls.of(rows, torch.arange(len(rows)))


def as_rows(array: Any, places: Tensor | None = None, total: int | None = None) -> Tensor:
    """An array as a tensor of finite numbers.

    Args:
        array: `[n, ...]` array, tensor or nested list.
        places: Numbers `[n]` of the rows within their source, for messages; None for 0 to n - 1.
        total: Number of rows of the source, if it is known.

    Returns:
        Tensor `[n, ...]`: float32 and float64 as given, lower precisions as float32; integers as float64, except
        labels `[n]`, which stay integers.

    Raises:
        FeatureError: NaN or Inf, no rows or no columns, or no numbers.
    """
    found = as_array(array)
    if isinstance(found, np.ndarray):
        if found.dtype.kind == "u" and found.dtype.itemsize > 1:  # torch lacks arithmetic on them
            found = found.astype(np.float64 if found.ndim > 1 else np.int64)
        rows = torch.from_numpy(np.require(found, requirements=["C", "W"]))  # a copy where it is mapped read-only
    else:
        rows = found
    if rows.ndim == 0 or 0 in rows.shape:
        raise FeatureError(f"features have shape {tuple(rows.shape)}; at least one row and one column are needed.")
    if rows.ndim > 1 and not rows.is_floating_point():
        rows = rows.double()
    if rows.dtype in (torch.float16, torch.bfloat16):
        rows = rows.float()
    check_finite(rows, places, total)
    return rows


def check_finite(rows: Tensor, places: Tensor | None = None, total: int | None = None) -> None:
    """Check that all numbers are finite.

    Args:
        rows: Tensor `[n, ...]`.
        places: Numbers `[n]` of the rows within the source that they are a part of; None for 0 to n - 1.
        total: Number of rows of the source, if it is known.

    Raises:
        FeatureError: Some rows hold NaN or Inf; it says how many, and which is the first, as the source counts.
    """
    if not rows.is_floating_point() or torch.isfinite(rows.sum()):
        return  # a finite sum proves every term finite, in one pass and without a mask
    bad = (~torch.isfinite(rows.flatten(1) if rows.ndim > 1 else rows[:, None])).any(1).nonzero()[:, 0]
    if len(bad):
        numbers = torch.arange(len(rows)) if places is None else places.cpu()
        among = ""
        if (int(numbers.max()) + 1 if total is None else total) > len(rows):  # a part: others were not looked at
            among = f" among rows {int(numbers.min())} to {int(numbers.max())}"
        first = int(numbers[bad.cpu()].min())
        raise FeatureError(
            f"{len(bad)} of {len(rows)} rows hold NaN or Inf{among}, the first is row {first}; drop them."
        )


def same_width(left: int, right: int) -> None:
    """Check that two sets of features have the same number of columns.

    Args:
        left: Columns of one set.
        right: Columns of the other.

    Raises:
        FeatureError: They differ.
    """
    if left != right:
        raise FeatureError(f"features have {left} columns on one side and {right} on the other; use one extractor.")


@dataclass(frozen=True, eq=False)
class Rows(Summary):
    """The rows themselves, sorted by their numbers within the whole set.

    `features` is a tensor `[n, d]` in the precision given; `index` `[n]` int64 holds the numbers of the samples,
    ascending.

    Example:
        >>> rows = Rows.from_array([[1.0, 2.0], [3.0, 4.0]])
        >>> rows.n, rows.d
        (2, 2)
    """

    features: Tensor
    index: Tensor
    content: Tensor | None = field(default=None, kw_only=True)
    """A number for the content of each sample `[n]` int64, by which samples are drawn; None where only features are
    known."""

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
        """Number of columns."""
        return self.features.shape[1]

    def take(self, places: Tensor) -> Self:
        """A subset of the samples.

        Args:
            places: Positions `[b]` int64 in `features`, in any order.

        Returns:
            These samples, in the order of the whole set.
        """
        return self._at(torch.sort(places.to(self.features.device)).values)

    def _at(self, places: Tensor) -> Self:
        return replace(self, features=self.features[places], index=self.index[places], content=self._content_at(places))

    def _content_at(self, places: Tensor) -> Tensor | None:
        return None if self.content is None else self.content[places.to(self.content.device)]


@dataclass(frozen=True, eq=False)
class Labelled(Rows):
    """Rows with the class of each, `labels` `[n]` int64: for metrics that compare one class at a time.

    Made from a pair `(features, labels)`. While samples are collected, their `Rows` are kept; the labels are added when
    both sides are known, so that a class number means the same on both.

    Example:
        >>> Labelled.from_array(([[1.0], [2.0], [3.0]], [0, 1, 1])).labels.tolist()
        [0, 1, 1]
    """

    labels: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    names: Sequence[str] = ()
    """Name of each class number; empty where classes have numbers only."""

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
        return type(self)(joined.features, joined.index, torch.cat([self.labels, other.labels])[order], self.names)

    def _at(self, places: Tensor) -> Self:
        return replace(super()._at(places), labels=self.labels[places.to(self.labels.device)])
