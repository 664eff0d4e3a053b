"""Random draws of samples that depend on what the samples are, not on their places: renamed files change no number.

Samples are sorted by something that belongs to each of them, and then permuted by the seed. They are sorted by a digest
of their content where it is known, as it is of images, so that the last bits of features decide nothing; else by the
distance of their features from the mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64
from divmetrics.arrays.memo import once

if TYPE_CHECKING:
    from divmetrics.arrays.summaries import Rows

NUMBERS = 2**24
"""Numbers that are converted to float64 at once."""


def ranked(rows: Tensor, content: Tensor | None = None) -> Tensor:
    """The places of samples in an order that is their own: of their contents, or of their distances from the mean.

    The order of the rows does not change it. Neither does, by distances, a translation, a rotation or another unit, and
    round-off hardly ever does.

    Args:
        rows: Samples `[n, ...]`.
        content: A number for the content of each `[n]` int64; None where it is not known.

    Returns:
        Their places `[n]` int64, on the CPU, the sample nearest to the mean first.

    Example:
        >>> import torch
        >>> ranked(torch.tensor([[0.0], [5.0], [1.0], [9.0]])).tolist()  # the mean is 3.75
        [1, 2, 0, 3]
    """
    return torch.argsort(_own(rows, content), stable=True)


def drawn_order(rows: Tensor, seed: int, *, copies_together: bool = False, content: Tensor | None = None) -> Tensor:
    """A random order of samples that depends on what they are: any first part of it is a random subset.

    Args:
        rows: Samples `[n, ...]`.
        seed: Seed of the draw.
        copies_together: Whether equal samples are drawn one after the other, so that a cut parts at most one group.
        content: As in `ranked`.

    Returns:
        Their places `[n]` int64, on the CPU.

    Example:
        >>> import torch
        >>> rows = torch.tensor([[0.0], [1.0], [5.0], [9.0]])
        >>> first, shuffled = drawn_order(rows, 0), drawn_order(rows.flip(0), 0)
        >>> rows[first].equal(rows.flip(0)[shuffled])
        True
    """
    permuted = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    if not copies_together:
        return ranked(rows, content)[permuted]
    ranks = torch.unique(_own(rows, content), return_inverse=True)[1]  # one rank for copies
    return torch.argsort(permuted[ranks], stable=True)


def drawn_order_of(rows: Rows, seed: int) -> Tensor:
    """`drawn_order` of the features of a sample set; computed once for each set and seed."""
    return once((rows,), ("drawn order", seed), lambda: drawn_order(rows.features, seed))


def joined(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """The contents of two sets together; None where those of one are not known."""
    return None if first is None or second is None else torch.cat([first, second])


def _own(rows: Tensor, content: Tensor | None) -> Tensor:
    """What samples are ranked by, `[n]` on the CPU."""
    return _distances_from_mean(rows) if content is None else content.cpu()


def _distances_from_mean(rows: Tensor) -> Tensor:
    """Squared distances `[n]` float64 on the CPU of `rows` `[n, ...]` from their mean, a few rows at a time."""
    flat = rows.detach().flatten(1)
    parts = torch.split(flat, max(1, NUMBERS // flat.shape[1]))
    mean = torch.stack([float64(part).sum(0) for part in parts]).sum(0) / len(flat)
    return torch.cat([(float64(part) - mean).square().sum(1) for part in parts]).cpu()
