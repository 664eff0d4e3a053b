"""Freed memory goes back to the system, where the C library is glibc; others do so by themselves, or cannot.

glibc keeps freed blocks of up to 32 MB for the thread that had them, and images of some megapixels take that much: a
run that never held more than 1.5 GB grew to 4.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LARGE = 2**22
"""Bytes of a block from which on it is returned."""
USUAL = 2**25
"""The bound up to which glibc moves its own, that of large blocks, while a process runs."""
_MMAP_THRESHOLD = -3
_lock = threading.Lock()
_inside = 0
"""Threads that are inside `large_blocks_returned` now."""


def return_freed() -> None:
    """Give back what was freed so far."""
    with suppress(AttributeError, OSError, TypeError):  # other C libraries have no such function
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def large_blocks_returned() -> Iterator[None]:
    """Large blocks are given back as soon as they are freed: for work on images, which page faults slow down little.

    It holds for the whole process, while a thread is inside.
    """
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1:
            _set_threshold(LARGE)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _set_threshold(USUAL)
        return_freed()


def _set_threshold(size: int) -> None:
    if "MALLOC_MMAP_THRESHOLD_" in os.environ:  # the user's own
        return
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, size)
