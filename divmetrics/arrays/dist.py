"""Work and values shared by the processes of a torch.distributed job; the only importer of torch.distributed.

**Alone is the default**: each process computes on its own arrays, whatever process group exists. Inside `collective()`
all of them compute one result together, and then every rank must call the same functions in the same order. Metrics
never ask which of the two it is: each function here is the identity when alone.

- `shard` is this rank's contiguous part of a range, without padding (padded samplers count samples twice);
- `gather` and `fold` bring the values of all ranks to all ranks, in rank order;
- `spread` computes each rank's part of the rows and concatenates the parts;
- `all_or_none` raises an error of one rank on all of them.

A rank may own zero samples.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as td

T = TypeVar("T")

_in_collective: ContextVar[bool] = ContextVar("in_collective", default=False)
_blocks: ContextVar[int] = ContextVar("blocks", default=0)
"""Number of `all_or_none` that this thread is in."""


@contextmanager
def collective() -> Iterator[None]:
    """All processes of the torch.distributed job compute together inside; without a job nothing changes.

    Every rank must enter it, with the same samples or with its share of them, and call the same functions in the same
    order. It holds for the thread that enters it alone: collective calls of several threads would meet in any order.
    Also a decorator: `@collective()`.

    Example:
        >>> import torch
        >>> with collective():
        ...     total = spread(4, lambda rows: torch.tensor([float(row) for row in rows]))
        >>> total.tolist()
        [0.0, 1.0, 2.0, 3.0]
    """
    token = _in_collective.set(True)
    try:
        yield
    finally:
        _in_collective.reset(token)


@contextmanager
def alone() -> Iterator[None]:
    """This process computes by itself inside, as outside of `collective()`: for what one rank does without the others.

    Example:
        >>> with collective(), alone():
        ...     world()
        (0, 1)
    """
    token = _in_collective.set(False)
    try:
        yield
    finally:
        _in_collective.reset(token)


@contextmanager
def launched_job() -> Iterator[None]:
    """Inside, the processes that a launcher such as torchrun has started are a torch.distributed job."""
    td.init_process_group("gloo")  # values are exchanged as objects, whatever device computes them
    try:
        yield
    finally:
        td.destroy_process_group()


def group_size() -> int:
    """Number of processes of the torch.distributed job, whether or not they compute together; 1 without a job."""
    return td.get_world_size() if td.is_available() and td.is_initialized() else 1


def group_rank() -> int:
    """Number of this process in the torch.distributed job, whether or not they compute together; 0 without a job."""
    return td.get_rank() if td.is_available() and td.is_initialized() else 0


def world() -> tuple[int, int]:
    """(rank, number of ranks) of those that compute together; (0, 1) outside `collective()`."""
    if _in_collective.get() and td.is_available() and td.is_initialized():
        return td.get_rank(), td.get_world_size()
    return 0, 1


def store() -> Any:
    """The key-value store of the job, where ranks compute together; None alone."""
    return td.distributed_c10d._get_default_store() if world()[1] > 1 else None


def inside_all_or_none() -> bool:
    """Whether an error of one rank is raised on all here."""
    return _blocks.get() > 0


def shard(n: int) -> range:
    """This rank's contiguous part of `range(n)`; parts differ in size by at most one and are not padded."""
    rank, ranks = world()
    return range(n * rank // ranks, n * (rank + 1) // ranks)


def first_of_rank() -> int:
    """First number for samples that only this rank sees: far enough from other ranks' numbers, in rank order."""
    return world()[0] << 40


@dataclass(frozen=True)
class _Failure:
    """What a rank sends in place of a value."""

    error: Exception
    block: int | None
    """Number of `all_or_none` around the one that the rank leaves with the error; None where it leaves none."""


class _RankFailed(Exception):
    """Raised by `gather` on every rank; no handler between there and `all_or_none` is meant to catch it."""

    def __init__(self, failure: _Failure) -> None:
        super().__init__(str(failure.error))
        self.failure = failure


@contextmanager
def all_or_none() -> Iterator[None]:
    """An error that one rank meets inside is raised on all ranks: at their next `gather`, or at the end.

    Every rank must enter it. Without it, the others would wait for ever for the rank that failed.
    """
    block = _blocks.get()
    token = _blocks.set(block + 1)
    try:
        try:
            yield
        except _RankFailed:
            raise
        except Exception as error:
            gather(_failure(error, block))
            raise  # alone
        gather(None)
    except _RankFailed as failed:
        if failed.failure.block == block:
            raise failed.failure.error from failed.__context__
        raise  # the other rank leaves a block further out
    finally:
        _blocks.reset(token)


def _failure(error: Exception, block: int | None) -> _Failure:
    return _Failure(sendable(error), block)


def sendable(error: Exception) -> Exception:
    """`error` itself, or its text where it does not survive pickling."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def gather(value: T) -> list[T]:
    """`value` of every rank, in rank order, on every rank."""
    _, ranks = world()
    if ranks == 1:
        return [value]
    everyone: list[Any] = [None] * ranks
    td.all_gather_object(everyone, value)
    failures = [entry for entry in everyone if isinstance(entry, _Failure)]
    if failures:
        outermost = min(failures, key=lambda failure: sys.maxsize if failure.block is None else failure.block)
        raise _RankFailed(outermost)
    return everyone


def fold(summary: Any) -> Any:
    """The summaries of all ranks merged in rank order; None stands for a rank without samples."""
    present = [part for part in gather(summary) if part is not None]
    if not present:
        return None
    merged = present[0]
    for part in present[1:]:
        merged = merged.merge(part)
    return merged


def spread(n: int, function: Callable[[range], Tensor]) -> Tensor:
    """`function(range)` over this rank's part of `range(n)`, concatenated over the ranks along the first axis.

    An error of the function on one rank is raised by `spread` on all.
    """
    if world()[1] == 1:
        return function(shard(n))
    part: Any
    try:
        part = function(shard(n))
    except Exception as error:
        part = _failure(error, None)
    try:
        parts: list[Tensor] = gather(part)
    except _RankFailed as failed:
        if failed.failure.block is not None:
            raise
        raise failed.failure.error from None
    return torch.cat([part.to(parts[0].device) for part in parts])
