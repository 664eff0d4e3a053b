"""The least entries of the rows of a block, of which only those below a limit are wanted."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor

SPARSE = 1 / 32
"""Share of the entries of a block up to which listing those below the limits is faster than sorting out its rows."""


def closest(block: Tensor, length: int, limit: Tensor) -> tuple[Tensor, Tensor]:
    """The `length` least entries of each row, or only those below its limit where that is faster.

    Lists of the nearest samples grow block by block, and all but the first blocks hold few samples that are nearer than
    the last one listed.

    Args:
        block: `[r, c]`, not NaN.
        length: Number of entries wanted, at most.
        limit: `[r]`; no entry at or above it is needed.

    Returns:
        Values `[r, w]` and columns `[r, w]` int64, in no order, with inf and 0 where a row has fewer.
    """
    below = block < limit[:, None]
    row, column = below.nonzero(as_tuple=True)
    if len(row) <= SPARSE * block.numel():
        counts = torch.bincount(row, minlength=len(block))
        width = int(counts.max()) if len(row) else 0
        if width <= 4 * length:
            slot = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
            values = torch.full((len(block), width), inf, dtype=block.dtype, device=block.device)
            places = torch.zeros(len(block), width, dtype=torch.int64, device=block.device)
            values[row, slot], places[row, slot] = block[row, column], column
            return values, places
    best = block.contiguous().topk(min(length, block.shape[1]), largest=False, sorted=False)
    return best.values, best.indices
