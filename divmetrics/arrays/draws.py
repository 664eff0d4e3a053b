"""Random draws of samples that depend on what the samples are, not on their places: renamed files change no number.

Samples are ranked by something that belongs to each of them, and a seeded permutation is dealt to the ranks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64


def drawn_order(rows: Tensor, seed: int) -> Tensor:
    """A random order of samples: any first part of it is a random subset.

    The ranks are those of the distances from the mean of the set, so that neither the order of the rows nor a
    translation, a rotation or another unit changes what is drawn, and round-off hardly ever does.

    Args:
        rows: Samples `[n, d]`.
        seed: Seed of the draw.

    Returns:
        Their places `[n]` int64, on the CPU.

    Example:
        >>> import torch
        >>> rows = torch.tensor([[0.0], [1.0], [5.0], [9.0]])
        >>> first, shuffled = drawn_order(rows, 0), drawn_order(rows.flip(0), 0)
        >>> rows[first].equal(rows.flip(0)[shuffled])
        True
    """
    exact = float64(rows.detach())
    ranked = torch.argsort((exact - exact.mean(0)).square().sum(1).cpu(), stable=True)
    return ranked[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]
