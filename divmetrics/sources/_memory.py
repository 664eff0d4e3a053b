"""One large image at a time: the memory of a run is that of one, whatever the number of threads that decode."""

from __future__ import annotations

import os
import threading
from types import TracebackType

from divmetrics.arrays.freed_memory import return_freed

LARGE = 2**23
"""Pixels, or bytes of a file's content, from which on a sample is handled alone."""


class _OneLarge:
    """Context around the decoding and preparing of one sample; `claim` waits until no other thread has a large one.

    Example:
        >>> with one_large:
        ...     one_large.claim(12_000_000)  # alone until the block ends
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own = threading.local()

    def __enter__(self) -> None:
        self._own.depth = self._own.__dict__.get("depth", 0) + 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._own.depth -= 1
        if self._own.depth == 0 and self._own.__dict__.pop("holds", False):
            return_freed()
            self._lock.release()

    def claim(self, size: int) -> None:
        """Wait, if `size`, in pixels or bytes, is large, until this thread's is the only one."""
        own = self._own.__dict__
        if size >= LARGE and own.get("depth") and not own.get("holds"):
            self._lock.acquire()
            self._own.holds = True


one_large = _OneLarge()
if hasattr(os, "register_at_fork"):  # a thread that holds the lock does not exist in the child
    os.register_at_fork(after_in_child=one_large.__init__)  # type: ignore[misc]
