"""Files are written whole or not at all, and nothing but regular files is read.

An unwritable path is found before the work starts.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from divmetrics.errors import UsageError

NO_FILE = "not a regular file"
"""What errors say of pipes, sockets and devices."""
_PATH_AT_ONCE = 1000
"""Characters of a path that are opened at once: four bytes each at most, of the 4096 that Linux allows."""


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file whole or not at all.

    Yields:
        A temporary path beside `path`. It replaces `path` if the block succeeds and is removed if the block fails.

    Raises:
        UsageError: `path` cannot be written.
        OSError: The disk is full, or fails; the error names `path`.
    """
    target = Path(path)
    check_writable(target)
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        temporary = Path(name)
        os.close(handle)
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp's 0600 would lock out the colleague who reads the report
        temporary.replace(target)
    except OSError as error:
        if error.filename not in (None, str(temporary)) and temporary is not None:
            raise  # of another file
        raise OSError(error.errno, f"cannot be written: {error.strerror or error}", str(target)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` as UTF-8, atomically. Raises UsageError where `path` cannot be written."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise UsageError if `path` cannot be written, so that a long run does not end in nothing."""
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"cannot write {target}: it is a folder; name a file inside it.")
    if not target.parent.is_dir():
        raise UsageError(f"cannot write {target}: the folder {target.parent} does not exist; make it first.")
    if not os.access(target.parent, os.W_OK):
        raise UsageError(f"cannot write {target}: no permission to write in {target.parent}; choose another place.")


def check_regular(path: str | os.PathLike[str]) -> None:
    """Raise OSError unless `path` is a regular file: opening a pipe may wait for ever, and a device may never end."""
    _check_mode(os.stat(path).st_mode, path)  # noqa: PTH116 (as for a file descriptor below)


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a regular file for reading, by a path of any length. Raises OSError for anything else, without waiting."""
    handle = _open_long(os.fspath(path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check_mode(os.fstat(handle).st_mode, path)
    except OSError:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


@contextmanager
def folder_handle(path: str) -> Iterator[int | str]:
    """What `os.scandir` and `os.stat` take for a folder of a path of any length. Raises OSError."""
    if os.scandir not in os.supports_fd:
        yield path
        return
    handle = _open_long(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        yield handle
    finally:
        os.close(handle)


def _open_long(path: str, flags: int) -> int:
    """As `os.open`; a path longer than the system takes at once is opened folder by folder."""
    folder: int | None = None
    try:
        while os.open in os.supports_dir_fd and len(path) > _PATH_AT_ONCE and "/" in path[1:_PATH_AT_ONCE]:
            cut = path.rindex("/", 1, _PATH_AT_ONCE)
            inner = os.open(path[:cut], os.O_RDONLY | getattr(os, "O_DIRECTORY", 0), dir_fd=folder)
            if folder is not None:
                os.close(folder)
            folder, path = inner, path[cut:].lstrip("/")
        return os.open(path, flags, dir_fd=folder)
    finally:
        if folder is not None:
            os.close(folder)


def _check_mode(mode: int, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is a folder" if stat.S_ISDIR(mode) else NO_FILE, os.fspath(path))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
