"""`ChunkedSummaries`: summaries of rows that come in batches, the same numbers whatever the size of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from divmetrics.arrays.summaries import Sample, Summary, merged, summarised

CHUNK = 2048
"""Rows summarised at a time. Fixed, so that no number depends on the size of the batches."""
WIDE = 2**25
"""Numbers in a chunk at most: rows as large as images are summarised in smaller ones."""


@dataclass
class ChunkedSummaries:
    """Summaries of the rows of one layer, computed in chunks and merged in pairs of equal size."""

    kinds: Sequence[type[Summary]]
    waiting: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    done: list[tuple[int, tuple[Summary, ...]]] = field(default_factory=list)

    def add(self, rows: Tensor, index: Tensor) -> None:
        """Take in rows `[b, ...]` and their places `[b]`."""
        self.waiting.append((rows, index))
        exact = all(kind is Sample for kind in self.kinds)  # large, and merged in any order
        chunk = min(CHUNK, max(1, (WIDE // 4 if exact else WIDE) // max(1, rows[:1].numel())))
        while sum(len(part) for part, _ in self.waiting) >= chunk:
            rows, index = self._joined()
            self.waiting = [(rows[chunk:], index[chunk:])] if len(rows) > chunk else []
            self.done.append((1, self._summarise(rows[:chunk], index[:chunk])))
            while len(self.done) > 1 and (exact or self.done[-1][0] == self.done[-2][0]):
                (size, last), (_, before) = self.done.pop(), self.done.pop()
                self.done.append((2 * size, _merged(before, last)))

    def _joined(self) -> tuple[Tensor, Tensor]:
        return torch.cat([rows for rows, _ in self.waiting]), torch.cat([index for _, index in self.waiting])

    def _summarise(self, rows: Tensor, index: Tensor) -> tuple[Summary, ...]:
        return tuple(summarised(kind, rows, index) for kind in self.kinds)

    def summaries(self) -> tuple[Summary, ...]:
        """The summaries of all rows so far; nothing is used up."""
        parts = [part for _, part in self.done]
        if self.waiting:
            parts.append(self._summarise(*self._joined()))
        merged = parts[-1]
        for part in reversed(parts[:-1]):  # the small ones first, as in pairwise summation
            merged = _merged(part, merged)
        return merged


def _merged(first: Sequence[Summary], second: Sequence[Summary]) -> tuple[Summary, ...]:
    return tuple(merged(a, b) for a, b in zip(first, second, strict=True))
