"""Runs that several processes share: when they work together, and that all of them mean the same run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from divmetrics.arrays import dist
from divmetrics.errors import UsageError


@contextmanager
def together(distributed: bool) -> Iterator[None]:
    """Inside, the ranks of the process group work as one, and an error of one rank is raised on all.

    Nothing changes where `distributed` is False, or where there is one process only. Raises UsageError where a launcher
    has started several processes that do not know each other.

    Blocks may stand in one another: where several ranks fail, the error of the outermost block is raised on all. So a
    public call has one around its arguments, and one for its work: a wrong argument goes before a file that is missing.
    """
    if not distributed:
        yield
        return
    launched = os.environ.get("WORLD_SIZE", "1")
    if not launched.isdecimal():
        raise UsageError(f"WORLD_SIZE is {launched!r}; a launcher sets a whole number: unset it.")
    if int(launched) > dist.group_size():
        raise UsageError(
            f"distributed=True in one of {launched} processes without a process group; call "
            "torch.distributed.init_process_group first."
        )
    with dist.collective(), dist.all_or_none():
        yield


def check_same(what: Mapping[str, Any]) -> None:
    """Raise UsageError, the same on all ranks, where one of them has another value under a name of `what`."""
    first, *others = dist.gather({name: _comparable(value) for name, value in what.items()})
    for rank, other in enumerate(others, 1):
        for name, value in first.items():
            if other[name] != value:
                raise UsageError(
                    f"the ranks of a distributed run must ask for the same: {name} is {value} on rank 0 and "
                    f"{other[name]} on rank {rank}."
                )


def _comparable(value: Any) -> str:
    """`value` as text; an array, which text would shorten, by its digest."""
    if hasattr(value, "__array__"):
        array = np.ascontiguousarray(value)
        return f"{array.dtype}{list(array.shape)} {hashlib.sha256(array.tobytes()).hexdigest()[:8]}"
    return str(value)
