"""The standard streams of the command: whatever becomes of them, the exit code is that of the work.

A stream that is closed, or whose reader is gone, or whose disk is full, swallows what is written to it. Standard output
remembers the failure, so that a lost result can be told.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any


class Forgiving(io.RawIOBase):
    """Raw output to a descriptor that never fails; the first failure is kept."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.failure: OSError | None = None

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        try:
            return os.isatty(self._descriptor)
        except OSError:
            return False

    def write(self, content: Any) -> int:
        """Write all of it, or pretend to."""
        view = memoryview(content).cast("B")
        done = 0
        while self.failure is None and done < len(view):
            try:
                done += os.write(self._descriptor, view[done:])
            except OSError as error:
                self.failure = error
        return len(view)


def harden() -> None:
    """Put forgiving streams in the place of standard output and standard error.

    A descriptor that is closed becomes the null device: the next file that is opened would get its number, and with it
    whatever libraries print.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                null = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
                os.set_inheritable(null, True)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, io.TextIOWrapper):
            continue  # somebody has put a stream of their own there
        encoding = "utf-8" if stream is None else stream.encoding
        raw = Forgiving(descriptor)
        text = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=name == "stderr" or raw.isatty()
        )
        setattr(sys, name, text)


def lost_output() -> str:
    """Why standard output took no more; empty where it took all, or where its reader had seen enough."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    failure = raw.failure if isinstance(raw, Forgiving) else None
    if failure is None or failure.errno in (errno.EPIPE, errno.EBADF):
        return ""
    return failure.strerror or str(failure)
