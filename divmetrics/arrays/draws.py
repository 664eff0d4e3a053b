"""Random draws of samples that depend on what the samples are, not on their places: renamed files change no number.

Samples are ranked by something that belongs to each of them, and a seeded permutation is dealt to the ranks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64

NUMBERS = 2**24
"""Numbers that are converted to float64 at once."""


def ranked(rows: Tensor) -> Tensor:
    """The places of samples in an order that is their own: that of their distances from the mean of the set.

    Neither the order of the rows nor a translation, a rotation or another unit changes it, and round-off hardly ever
    does.

    Args:
        rows: Samples `[n, ...]`.

    Returns:
        Their places `[n]` int64, on the CPU, the sample nearest to the mean first.

    Example:
        >>> import torch
        >>> ranked(torch.tensor([[0.0], [5.0], [1.0], [9.0]])).tolist()  # the mean is 3.75
        [1, 2, 0, 3]
    """
    return torch.argsort(_distances_from_mean(rows), stable=True)


def drawn_order(rows: Tensor, seed: int, *, copies_together: bool = False) -> Tensor:
    """A random order of samples, dealt to their ranks: any first part of it is a random subset.

    Args:
        rows: Samples `[n, ...]`.
        seed: Seed of the draw.
        copies_together: Whether equal samples are drawn one after the other, so that a cut parts at most one group.

    Returns:
        Their places `[n]` int64, on the CPU.

    Example:
        >>> import torch
        >>> rows = torch.tensor([[0.0], [1.0], [5.0], [9.0]])
        >>> first, shuffled = drawn_order(rows, 0), drawn_order(rows.flip(0), 0)
        >>> rows[first].equal(rows.flip(0)[shuffled])
        True
    """
    dealt = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    if not copies_together:
        return ranked(rows)[dealt]
    ranks = torch.unique(_distances_from_mean(rows), return_inverse=True)[1]  # one rank for copies
    return torch.argsort(dealt[ranks], stable=True)


def _distances_from_mean(rows: Tensor) -> Tensor:
    """Squared distances `[n]` float64 on the CPU of `rows` `[n, ...]` from their mean, a few rows at a time."""
    flat = rows.detach().flatten(1)
    parts = torch.split(flat, max(1, NUMBERS // flat.shape[1]))
    mean = torch.stack([float64(part).sum(0) for part in parts]).sum(0) / len(flat)
    return torch.cat([(float64(part) - mean).square().sum(1) for part in parts]).cpu()
