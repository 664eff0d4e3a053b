"""The unique rows of a sample set and how often each occurs; a collapsed generator repeats rows exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from divmetrics.arrays.pairs._distances import blocks


@dataclass(frozen=True, eq=False)
class UniqueRows:
    """The unique rows of a set with their multiplicities.

    Without them, n equal rows would be n² pairs at distance 0 that no error bound can order.
    """

    rows: Tensor  # [u, d], in the dtype given
    copies: Tensor  # [u] int64, multiplicity of each row; sums to n
    place: Tensor  # [n] int64, sample i is rows[place[i]]

    @classmethod
    def of(cls, features: Tensor) -> Self:
        """Unique rows of `features` `[n, d]`.

        Example:
            >>> import torch
            >>> points = UniqueRows.of(torch.tensor([[1.0], [2.0], [1.0]]))
            >>> points.copies.tolist(), points.place.tolist()
            ([2, 1], [0, 1, 0])
        """
        n, device = len(features), features.device
        sums = torch.cat([features[block].double().sum(1) for block in blocks(n)])
        if len(torch.unique(sums)) == n:  # n different sums prove n different rows, without sorting them
            return cls(features, torch.ones(n, dtype=torch.int64, device=device), torch.arange(n, device=device))
        rows, place, copies = torch.unique(features, dim=0, return_inverse=True, return_counts=True)
        return cls(rows, copies, place)

    @property
    def first(self) -> Tensor:
        """Number `[u]` int64 of the first sample that equals each unique row."""
        n, device = len(self.place), self.place.device
        absent = torch.full((len(self.rows),), n, dtype=torch.int64, device=device)
        return absent.scatter_reduce(0, self.place, torch.arange(n, device=device), "amin")

    @property
    def once_each(self) -> UniqueRows:
        """The set that holds each unique row once."""
        every = torch.arange(len(self.rows), device=self.rows.device)
        return UniqueRows(self.rows, torch.ones_like(every), every)
