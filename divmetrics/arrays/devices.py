"""The device that networks run on, and settings of torch that hold for a while: one thread, float32 without TF32.

The settings are changed by context managers that threads may enter and leave in any order: each thread computes as it
asked to, and when the last has left, torch is as it was before the first came.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import islice
from typing import Any, Generic, Literal, TypeVar

import torch

from divmetrics.arrays.freed_memory import return_freed
from divmetrics.errors import Unavailable, UnknownName

Task = TypeVar("Task")
Value = TypeVar("Value")


def resolve(given: object) -> torch.device:
    """The device that is given, or called so; `auto` takes CUDA before MPS before the CPU.

    Raises UnknownName where there is no such device, Unavailable where this machine lacks it.
    """
    name = str(given)
    if name == "auto":
        found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(found)
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise UnknownName.of("device", name, ["auto", "cpu", "cuda", "cuda:0", "mps"])
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise Unavailable(f"no device {name} here: torch finds {torch.cuda.device_count()} CUDA devices. {_WAY_OUT}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise Unavailable(f"no device mps here: this torch or this machine has no Metal. {_WAY_OUT}")
    return device


_WAY_OUT = "Use --device auto or --device cpu."


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


_thread_counts = threading.Lock()
_inside_one_thread = 0
"""Threads that are inside `one_thread` now."""
_usual_count = 1
"""Number of threads that torch used before the first of them came."""
_own = threading.local()


@contextmanager
def no_autocast() -> Iterator[None]:
    """Autocast is off inside, on every device where the caller has switched it on: half floats are asked for by name.

    The setting belongs to the calling thread.
    """
    with ExitStack() as stack:
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch uses one thread inside: for work so small that several would mostly wait for each other.

    The number belongs to the calling thread, except that a new thread begins with the one set last. So a thread that
    began while another one was in here would take 1 for its usual number; it gets that of the others.

    Example:
        >>> with one_thread():
        ...     torch.get_num_threads()
        1
    """
    global _inside_one_thread, _usual_count
    if getattr(_own, "inside", False):
        yield
        return
    with _thread_counts:
        before = torch.get_num_threads()
        if _inside_one_thread == 0:
            _usual_count = before
        elif before == 1:
            before = _usual_count
        _inside_one_thread += 1
        _own.inside = True
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _thread_counts:
            torch.set_num_threads(before)
            _own.inside = False
            _inside_one_thread -= 1


FEW_TASKS = 8
"""Tasks up to which each is computed by all cores in turn: threads that wait for the last one would gain nothing."""


def in_turn(
    tasks: Sequence[Task], compute: Callable[[Task], Value], take: Callable[[Task, Value], None], device: torch.device
) -> None:
    """`take(task, compute(task))` for each task, in their order, while other cores compute the next ones.

    On a CPU each core computes a task alone. Cores that share a task wait for each other at every step of it, and on
    a machine that is busy with other things they spent six times as long.

    Args:
        tasks: What to do.
        compute: Called by several threads at once, without gradients.
        take: Called by this thread alone, so that what it adds up does not depend on the number of cores.
        device: Where the tensors are.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1 or len(tasks) <= FEW_TASKS:
        for task in tasks:
            take(task, compute(task))
        return
    coming, waiting = iter(tasks), deque[tuple[Task, Future[Value]]]()
    without_gradients = torch.no_grad()(compute)  # the setting belongs to a thread
    with one_thread(), ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                more = islice(coming, threads + 1 - len(waiting))
                waiting += ((task, pool.submit(without_gradients, task)) for task in more)
                if not waiting:
                    return
                task, found = waiting.popleft()
                take(task, found.result())
        finally:
            pool.shutdown(cancel_futures=True)
            return_freed()  # glibc keeps what a thread has freed, also for threads that have ended


class SharedSetting(Generic[Value]):
    """A setting of the whole process for which several threads may need a value at once.

    Args:
        context: Makes a context manager that sets a value and puts the former one back; never entered twice at a time.
        strictest_first: All values that may be asked for. Where threads ask for different ones at the same time, the
            first in this order holds for all of them.

    Example:
        >>> exact = SharedSetting(_matmul_precision, ("highest", "high"))
        >>> with exact("highest"), exact("high"):
        ...     torch.get_float32_matmul_precision()
        'high'
    """

    def __init__(
        self, context: Callable[[Value], AbstractContextManager[None]], strictest_first: Sequence[Value]
    ) -> None:
        self._context, self._order = context, strictest_first
        self._lock = threading.Lock()
        self._wanted: dict[int, list[Value]] = {}  # thread -> the values that it asked for, the innermost last
        self._active: tuple[Value, AbstractContextManager[None]] | None = None

    @contextmanager
    def __call__(self, value: Value) -> Iterator[None]:
        """The setting is `value` inside, or stricter if another thread asks for it."""
        thread = threading.get_ident()
        with self._lock:
            self._wanted.setdefault(thread, []).append(value)
            self._apply()
        try:
            yield
        finally:
            with self._lock:
                self._wanted[thread].pop()
                if not self._wanted[thread]:
                    del self._wanted[thread]
                self._apply()

    def _apply(self) -> None:
        """Replace the active context by that of the strictest value, if it is another."""
        innermost = [values[-1] for values in self._wanted.values()]
        value = min(innermost, key=self._order.index) if innermost else None
        if self._active is not None and self._active[0] != value:
            self._active[1].__exit__(None, None, None)
            self._active = None
        if value is not None and self._active is None:
            context = self._context(value)
            context.__enter__()
            self._active = (value, context)


MatmulPrecision = Literal["highest", "high"]


@contextmanager
def _matmul_precision(precision: MatmulPrecision) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


Convolutions = Literal["exact", "fast"]


def _cudnn_flags(convolutions: Convolutions) -> Any:
    exact = convolutions == "exact"
    return torch.backends.cudnn.flags(torch.backends.cudnn.enabled, deterministic=exact, allow_tf32=not exact)


matmul: SharedSetting[MatmulPrecision] = SharedSetting(_matmul_precision, ("highest", "high"))
"""Products of float32 matrices: `highest` in float32, `high` in TF32 where a GPU has it."""
convolutions: SharedSetting[Convolutions] = SharedSetting(_cudnn_flags, ("exact", "fast"))
"""Convolutions on CUDA: `exact` in float32 by deterministic algorithms, `fast` in TF32 by any."""
