"""Several processes without a second code path: the only importer of torch.distributed.

Three verbs, each the identity when alone. `shard` gives this rank's contiguous range, without padding (padded samplers
count samples twice); `fold` gathers summaries and merges them in rank order, so that all ranks hold the same value;
`spread` runs a function over this rank's slice and concatenates the pieces. A rank may own zero samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as td

T = TypeVar("T")


def world() -> tuple[int, int]:
    """(rank, number of ranks); (0, 1) when alone."""
    if td.is_available() and td.is_initialized():
        return td.get_rank(), td.get_world_size()
    return 0, 1


def shard(n: int) -> range:
    """This rank's share of `range(n)`: contiguous, sizes differing by at most one, nobody padded."""
    rank, ranks = world()
    return range(n * rank // ranks, n * (rank + 1) // ranks)


def first_of_rank() -> int:
    """Where this rank numbers samples from that no other rank sees: far enough from the others, in rank order."""
    return world()[0] << 40


def gather(value: T) -> list[T]:
    """`value` of every rank, in rank order, on every rank."""
    _, ranks = world()
    if ranks == 1:
        return [value]
    everyone: list[Any] = [None] * ranks
    td.all_gather_object(everyone, value)
    return everyone


def fold(summary: Any) -> Any:
    """The summaries of all ranks merged in rank order; None stands for a rank without samples."""
    found = [part for part in gather(summary) if part is not None]
    if not found:
        return None
    merged = found[0]
    for part in found[1:]:
        merged = merged.merge(part)
    return merged


def spread(n: int, function: Callable[[range], Tensor]) -> Tensor:
    """`function(range)` over this rank's share of `range(n)`, concatenated over the ranks along the first axis."""
    pieces = gather(function(shard(n)))
    return pieces[0] if len(pieces) == 1 else torch.cat([piece.to(pieces[0].device) for piece in pieces])
