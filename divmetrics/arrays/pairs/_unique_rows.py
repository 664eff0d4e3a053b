"""`UniqueRows`: a set with its repeated rows folded, since a collapsed generator repeats itself, row for row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from divmetrics.arrays.pairs._distances import blocks


@dataclass(frozen=True, eq=False)
class UniqueRows:
    """The different rows of a set and how often each occurs. Without folding, n equal rows are n² undecidable pairs."""

    rows: Tensor  # [u, d], as given
    copies: Tensor  # [u] int64, sums to n
    place: Tensor  # [n] int64, sample i is rows[place[i]]

    @classmethod
    def of(cls, features: Tensor) -> Self:
        """Fold equal rows of `features` `[n, d]`."""
        n, device = len(features), features.device
        sums = torch.cat([features[block].double().sum(1) for block in blocks(n)])
        if len(torch.unique(sums)) == n:  # n different sums are n different rows, found without sorting rows
            return cls(features, torch.ones(n, dtype=torch.int64, device=device), torch.arange(n, device=device))
        rows, place, copies = torch.unique(features, dim=0, return_inverse=True, return_counts=True)
        return cls(rows, copies, place)

    @property
    def first(self) -> Tensor:
        """Place `[u]` int64 of the first sample that each row is."""
        n, device = len(self.place), self.place.device
        absent = torch.full((len(self.rows),), n, dtype=torch.int64, device=device)
        return absent.scatter_reduce(0, self.place, torch.arange(n, device=device), "amin")
