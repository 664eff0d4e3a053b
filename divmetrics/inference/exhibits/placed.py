"""Samples chosen to be shown, by their places in the pool of the tested samples, and distances between these."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.summaries import Rows
from divmetrics.records.exhibits import ShownSide


@dataclass(frozen=True)
class Placed:
    """One sample to be shown."""

    place: int
    """In the pool: real samples first."""
    value: float | None = None
    """The number that it was chosen by."""
    caption: str = ""


@dataclass(frozen=True)
class PlacedRow:
    """Samples that are looked at together."""

    title: str
    real: tuple[Placed, ...] = ()
    fake: tuple[Placed, ...] = ()


@dataclass(frozen=True)
class PlacedGallery:
    """Rows that show one thing."""

    kind: str
    title: str
    text: str
    rows: tuple[PlacedRow, ...]
    members: Collection[int] = ()
    """Places of all samples that the finding is about, as far as they are known; more than are shown."""
    total: int = 0
    """Rows that there are, of which `rows` may hold the first only."""


@dataclass(frozen=True, eq=False)
class PooledRows:
    """Features of the tested samples, the real ones first, in a unit that keeps squares finite."""

    rows: Tensor  # [n + m, d] float32
    n: int
    """Number of real samples."""

    @classmethod
    def of(cls, real: Rows, fake: Rows) -> Self:
        """The pool of two sets of features."""
        rows = torch.cat([real.features.cpu(), fake.features.cpu()]).double()
        rows -= rows.mean(0)
        largest = float(rows.abs().max()) if rows.numel() else 0.0
        return cls((rows / largest if largest > 0 else rows).float(), real.n)

    def side(self, side: ShownSide) -> range:
        """The places of one side."""
        return range(self.n) if side == "real" else range(self.n, len(self.rows))

    def nearest(self, places: Sequence[int], side: ShownSide, count: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """The nearest samples of one side, other than the sample itself.

        Args:
            places: The q samples whose neighbours are wanted.
            side: Where they are looked for.
            count: How many of each.

        Returns:
            Distances `[q, c]` and places `[q, c]`, nearest first; c is smaller where the side has fewer samples.
        """
        own = self.side(side)
        count = min(count, len(own) - 1 if any(place in own for place in places) else len(own))
        if not len(places) or count < 1:
            return np.empty((len(places), 0)), np.empty((len(places), 0), int)
        queries, base = self.rows[list(places)], self.rows[own.start : own.stop]
        apart = torch.cdist(queries, base, compute_mode="donot_use_mm_for_euclid_dist")
        for row, place in enumerate(places):
            if place in own:
                apart[row, place - own.start] = torch.inf
        found = apart.topk(count, largest=False)
        return found.values.numpy(), found.indices.numpy() + own.start


def unlike(places: Sequence[int], most: int) -> list[int]:
    """The first `most` different places, in their order."""
    return list(dict.fromkeys(places))[:most]


def times(value: float) -> str:
    """A factor in words."""
    return f"{value:.2g} times" if value < 100 else f"{value:.0f} times"
