"""Class counts of a sample set, from labels or from logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from divmetrics.arrays.summaries._summary import Summary, as_rows
from divmetrics.errors import FeatureError


@dataclass(frozen=True, eq=False)
class ClassTally(Summary):
    """Number of samples in each class, `counts` `[classes]` int64: from integer labels `[n]` or logits `[n, classes]`.

    Counts that were corrected for the errors of a classifier are float64. Logits count as the class
    of the largest. Trailing classes without samples may be absent.

    Example:
        >>> ClassTally.from_array([0, 2, 2]).counts.tolist()
        [1, 0, 2]
    """

    counts: Tensor
    names: Sequence[str] = ()
    """Name of each class; empty where classes have numbers only."""

    @classmethod
    def from_array(cls, array: Any) -> Self:
        rows = as_rows(array)
        if rows.ndim == 2 and rows.shape[1] == 1:
            raise FeatureError(
                f"shape [{len(rows)}, 1] is logits of one class; give labels as [{len(rows)}], or logits [n, classes]."
            )
        return cls.of(rows, torch.arange(len(rows)))

    @classmethod
    def of(cls, rows: Tensor, index: Tensor) -> Self:  # noqa: ARG003
        if rows.ndim == 1:
            if rows.is_floating_point() or bool((rows < 0).any()):
                raise FeatureError("labels must be whole numbers from 0 on.")
            return cls(torch.bincount(rows.long()))
        return cls(torch.bincount(rows.argmax(1), minlength=rows.shape[1]))

    def merge(self, other: Self) -> Self:
        width = max(len(self.counts), len(other.counts))
        return type(self)(self.padded(width) + other.padded(width), self.names)

    def padded(self, width: int) -> Tensor:
        """The counts with zeros appended up to `width` classes, `[width]`."""
        return torch.nn.functional.pad(self.counts, (0, width - len(self.counts)))

    @property
    def n(self) -> int:
        return round(float(self.counts.sum()))
