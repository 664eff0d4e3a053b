"""The least entries of the rows of a block, of which only those below a limit are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

SPARSE = 1 / 32
"""Share of the entries of a block up to which listing those below the limits is faster than sorting out its rows."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The entries of a block that are below the limits of their rows, ordered by row, then by column."""

    row: Tensor  # [p] int64
    column: Tensor  # [p] int64
    value: Tensor  # [p]

    def below(self, limit: Tensor) -> Candidates:
        """Those that are also below other limits `[r]`, one a row."""
        kept = self.value < limit[self.row]
        return self if bool(kept.all()) else Candidates(self.row[kept], self.column[kept], self.value[kept])


def candidates(block: Tensor, limit: Tensor) -> Candidates | None:
    """The entries of a block below limits.

    Args:
        block: `[r, c]`, not NaN.
        limit: `[r]`, one a row.

    Returns:
        The entries; None where they are many, so that sorting out the whole rows is faster.
    """
    if limit.isinf().sum() > SPARSE * len(limit):  # lists that have just begun
        return None
    if block.stride(0) < block.stride(1):  # a transposed block is read as it lies in memory
        column, row = (limit > block.T).nonzero(as_tuple=True)
        if len(row) > SPARSE * block.numel():
            return None
        row, order = row.sort(stable=True)
        column = column[order]
    else:
        row, column = (block < limit[:, None]).nonzero(as_tuple=True)
        if len(row) > SPARSE * block.numel():
            return None
    return Candidates(row, column, block[row, column])


def closest(block: Tensor, length: int, limit: Tensor, found: Candidates | None = None) -> tuple[Tensor, Tensor]:
    """The `length` least entries of each row, or only those below its limit where that is faster.

    Lists of the nearest samples grow block by block, and all but the first blocks hold few samples that are nearer than
    the last one listed.

    Args:
        block: `[r, c]`, not NaN.
        length: Number of entries wanted, at most.
        limit: `[r]`; no entry at or above it is needed.
        found: What `candidates` returned for these limits or for higher ones (default None: it is called here).

    Returns:
        Values `[r, w]` and columns `[r, w]` int64, in no order, with inf and 0 where a row has fewer. Higher limits of
        `found` change nothing.
    """
    few = candidates(block, limit) if found is None else found.below(limit)
    if few is not None:
        row, places = few.row, torch.arange(len(few.row), device=limit.device)
        counts = torch.bincount(row, minlength=len(block))
        width = int(counts.max()) if len(row) else 0
        if width <= 4 * length:
            slot = places - (counts.cumsum(0) - counts)[row]
            values = torch.full((len(block), width), inf, dtype=block.dtype, device=block.device)
            columns = torch.zeros(len(block), width, dtype=torch.int64, device=block.device)
            values[row, slot], columns[row, slot] = few.value, few.column
            return values, columns
    best = block.contiguous().topk(min(length, block.shape[1]), largest=False, sorted=False)
    return best.values, best.indices
