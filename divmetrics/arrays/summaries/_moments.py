"""Mean and covariance of a sample set, the sufficient statistics of a Gaussian fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64, gram
from divmetrics.arrays.summaries._summary import Summary, as_rows, same_width


@dataclass(frozen=True, eq=False)
class Moments(Summary):
    """Number, mean `[d]` and scatter of the samples, float64: the sufficient statistics of a Gaussian fit.

    The scatter is kept as r centred rows while r < d, and as a `[d, d]` matrix from then on: 400 images of 12288 pixels
    need 39 MB instead of 1.2 GB, and the distance of two such fits is exact without a matrix square root.

    Example:
        >>> moments = Moments.from_array([[0.0], [2.0], [4.0]])
        >>> moments.mean.tolist(), moments.covariance.tolist()
        ([2.0], [[4.0]])
    """

    count: int
    mean: Tensor
    centred: Tensor | None  # [r, d] with centred' centred = scatter, while r < d
    scatter: Tensor | None  # [d, d], sum of (x - mean)(x - mean)', from r >= d on

    @classmethod
    def of(cls, rows: Tensor, index: Tensor) -> Self:  # noqa: ARG003  the moments do not depend on places
        flat = float64(rows.flatten(1))
        mean = flat.mean(0)
        return cls._smaller(len(flat), mean, flat - mean)

    @classmethod
    def from_statistics(cls, mean: Any, covariance: Any, n: int) -> Self:
        """From a known mean and covariance, as other tools save them.

        Args:
            mean: `[d]`.
            covariance: `[d, d]`, unbiased (ddof 1).
            n: Number of samples that they were computed from.
        """
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
    def total_variance(self) -> float:
        """Trace of the covariance, which is not made for it."""
        total = self._as_scatter().trace() if self.centred is None else self.centred.square().sum()
        return float(total / (self.count - 1))

    @property
    def factor(self) -> Tensor | None:
        """F `[r, d]` with F'F the covariance, r < d; None where the scatter is kept as a matrix."""
        return None if self.centred is None else self.centred / (self.count - 1) ** 0.5
