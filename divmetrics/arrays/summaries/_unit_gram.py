"""Cosine-similarity matrix of a sample set, kept as unit rows or as their Gram matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64, gram
from divmetrics.arrays.summaries._summary import Summary, same_width
from divmetrics.errors import FeatureError


@dataclass(frozen=True, eq=False)
class UnitGram(Summary):
    """Rows scaled to unit length: the rows themselves while n < d, their `[d, d]` Gram matrix from then on.

    Both determine the non-zero eigenvalues of the cosine-similarity matrix of the samples; the smaller one is kept.

    Example:
        >>> UnitGram.from_array([[3.0, 0.0], [0.0, 2.0], [1.0, 0.0]]).gram.tolist()
        [[2.0, 0.0], [0.0, 1.0]]
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
        """Number of columns."""
        kept = self.units if self.units is not None else self.gram
        assert kept is not None  # noqa: S101
        return kept.shape[1]

    def similarity(self) -> Tensor:
        """Matrix `[k, k]` of trace 1, k = min(n, d), with the non-zero eigenvalues of the cosine similarities K / n."""
        return (gram(self.units.T) if self.units is not None else self._as_gram()) / self.count
