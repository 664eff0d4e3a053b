"""Files are written whole or not at all, and nothing but regular files is read.

An unwritable path is found before the work starts.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any

from divmetrics.errors import UsageError
from divmetrics.records.options import shortened

READER_AWAITED = 10.0
"""Seconds to wait for someone who reads a named pipe."""
NO_FILE = "not a regular file"
"""What errors say of pipes, sockets and devices."""
CACHE_TAG = "CACHEDIR.TAG"
CACHE_MARK = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Features cached by divmetrics. It removes files here by itself; all of them can be computed again.\n"
    "# Programs that back up files leave this folder out: https://bford.info/cachedir/\n"
)
"""The file that marks a folder as a cache of ours, and what it says."""
WHOLE_SETS = (".zip", ".tar", ".tar.gz", ".tgz", ".npy", ".npz", ".pt", ".pth", ".dms")
"""Ends of the names of files that hold a whole set of samples each."""
MOST_TEXT = 2**28
"""Bytes of a report or of a rule file at most."""
_PATH_AT_ONCE = 1000
"""Characters of a path that are opened at once: four bytes each at most, of the 4096 that Linux allows."""


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file whole or not at all.

    Links are followed, and a file that exists keeps its permissions. A pipe, a device, or a file whose folder cannot be
    written is written into, once all is there.

    Yields:
        A temporary path. Its content goes to `path` if the block succeeds; it is removed in any case.

    Raises:
        UsageError: `path` cannot be written.
        OSError: The disk is full, or fails; the error names `path`.
    """
    check_writable(path)
    into = _must_be_written_into(path)
    target = Path(path if into else os.path.realpath(path))
    temporary: Path | None = None
    try:
        temporary = _beside(Path(tempfile.gettempdir()) / target.name if into else target)
        yield temporary
        if into or not _put_in_place(temporary, target):
            _write_into(target, temporary)
    except OSError as error:
        if error.filename not in (None, str(temporary), str(target)) and temporary is not None:
            raise  # of another file
        raise OSError(error.errno, f"cannot be written: {error.strerror or error}", os.fspath(path)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_together(*paths: str | os.PathLike[str]) -> Iterator[tuple[Path, ...]]:
    """Write several files, all of them or none.

    All are written before the first is put in its place, and where one cannot be, those before it are taken back.

    Args:
        *paths: Regular files, in folders that can be written.

    Yields:
        A temporary path for each.

    Raises:
        UsageError: A path cannot be written, or is a pipe or a device.
        OSError: The disk is full, or fails; the error names the path.
    """
    for path in paths:
        check_writable(path)
        if _must_be_written_into(path):
            raise UsageError(f"cannot write {path} together with another file: it cannot be replaced; name another.")
    targets = [Path(os.path.realpath(path)) for path in paths]
    temporaries: list[Path] = []
    try:
        temporaries.extend(map(_beside, targets))
        yield tuple(temporaries)
        _put_all_in_place(dict(zip(temporaries, targets, strict=True)))
    except OSError as error:
        named = dict(zip(map(str, temporaries), map(str, targets), strict=False))
        target = named.get(str(error.filename), error.filename or " and ".join(map(str, targets)))
        raise OSError(error.errno, f"cannot be written: {error.strerror or error}", target) from error
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


def _put_all_in_place(files: Mapping[Path, Path]) -> None:
    """Give each temporary file its name, or, where one cannot have it, none of them."""
    earlier: dict[Path, Path | None] = {}
    try:
        for temporary, target in files.items():
            earlier[target] = _second_name(target)
            if not _put_in_place(temporary, target):
                raise OSError(errno.EBUSY, "it is mounted, and cannot be replaced", str(target))
    except BaseException:
        for target, kept in reversed(earlier.items()):
            if kept is not None:
                kept.replace(target)
            else:
                target.unlink(missing_ok=True)
        raise
    finally:
        for kept in filter(None, earlier.values()):
            kept.unlink(missing_ok=True)


def _beside(target: Path) -> Path:
    """A new file in the folder of another, for its content."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    os.close(handle)
    return Path(name)


def _second_name(target: Path) -> Path | None:
    """A second name of a file, under which it stays when the first one is given to another; None of none."""
    if not target.exists():
        return None
    name = _beside(target)
    try:
        name.unlink()
        os.link(target, name)
    except OSError:  # a file system without links
        try:
            shutil.copy2(target, name)
        except BaseException:
            name.unlink(missing_ok=True)
            raise
    return name


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` as UTF-8, atomically. Raises UsageError where `path` cannot be written."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def read_text(path: str | os.PathLike[str], what: str) -> str:
    """The text of a file that the user calls `what`, without a byte order mark; lines end in a line feed.

    The standard input and `<(command)` are read, too; other pipes and devices are not waited for. Raises UsageError
    where there is no text.
    """
    is_open = os.path.normpath(os.fspath(path)) == "/dev/stdin" or _descriptor(path) is not None
    try:
        with Path(path).open("rb") if is_open else open_regular(path) as file:
            content = file.read(MOST_TEXT + 1)
        if len(content) > MOST_TEXT:
            raise OSError(errno.EFBIG, f"more than {MOST_TEXT >> 20} MiB")
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UsageError(f"cannot read the {what} {path}: {reason}.") from None


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise UsageError if `path` cannot be written, so that a long run does not end in nothing."""
    if "\0" in os.fspath(path):
        raise UsageError(f"cannot write {os.fspath(path)!r}: a path holds no null character.")
    check_path(path)
    if (descriptor := _descriptor(path)) is not None:
        try:
            os.fstat(descriptor)
        except OSError:
            raise UsageError(f"cannot write {path}: this process has no such open file.") from None
        return
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder; name a file inside it.")
    if os.path.lexists(target) and target.is_symlink():
        raise UsageError(f"cannot write {path}: it is a link to itself; name a file.")
    if Path(path).exists():
        if not os.access(path, os.W_OK):
            raise UsageError(f"cannot write {path}: no permission to write this file; choose another place.")
        return
    if not target.parent.is_dir():
        raise UsageError(f"cannot write {path}: the folder {target.parent} does not exist; make it first.")
    if not os.access(target.parent, os.W_OK):
        raise UsageError(f"cannot write {path}: no permission to write in {target.parent}; choose another place.")


def check_path(path: str | os.PathLike[str]) -> None:
    """Raise UsageError where the path of an output is empty, or longer than the system takes."""
    if not os.fspath(path):
        raise UsageError("cannot write an output whose path is empty; name a file.")
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UsageError(
                f"cannot write {shortened(os.fspath(path))}: {error.strerror}; choose a shorter one."
            ) from None


def check_apart(outputs: Mapping[str, Any], inputs: Iterable[Any]) -> None:
    """Raise UsageError where an output would overwrite an input or another output.

    Args:
        outputs: Option -> the path that it names, or None.
        inputs: Paths of files and folders; anything else is no path and cannot be overwritten.
    """
    named = {option: os.fspath(path) for option, path in outputs.items() if path is not None and not _is_stream(path)}
    places: dict[str, str] = {}
    for option, path in named.items():
        if (other := places.setdefault(os.path.realpath(path), option)) != option:
            raise UsageError(f"{other} and {option} both name {path}; name two files.")
    given = [os.fspath(what) for what in inputs if isinstance(what, (str, os.PathLike))]
    matches = [match for text in given if glob.has_magic(text) for match in glob.glob(text, recursive=True)]  # noqa: PTH207
    for source in dict.fromkeys([*(part for text in given for part in (text, *text.split("+"))), *matches]):
        if not source or "\0" in source or not os.path.exists(source):  # noqa: PTH110  names such as zoo:digits, too
            continue
        for option, path in named.items():
            if _overwrites(path, source):
                raise UsageError(
                    f"{option} {path} would overwrite samples or files that are read ({source}); name another."
                )


def _overwrites(path: str, source: str) -> bool:
    """Whether `path` is the file `source`, or a file in that folder that no earlier run of ours has left there."""
    if not os.path.exists(path):  # noqa: PTH110
        return False
    if not os.path.isdir(source):  # noqa: PTH112
        return os.path.samefile(path, source)  # noqa: PTH121
    within = os.path.realpath(path).startswith(os.path.join(os.path.realpath(source), ""))  # noqa: PTH118
    return within and not _is_ours(path)


def _is_ours(path: str) -> bool:
    """Whether a file is a report, a table or features that divmetrics wrote."""
    with suppress(OSError), open_regular(path) as file:
        head = file.read(4096)
        return b"divmetrics" in head or head.startswith(b"path,side")
    return False


def _is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a pipe, a device or an open stream of this process: what is written there replaces nothing."""
    try:
        return _descriptor(path) is not None or not stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except (OSError, ValueError):
        return False


def _descriptor(path: str | os.PathLike[str]) -> int | None:
    """The number of the open file of this process that a path such as /dev/stdout or /dev/fd/63 names, or None."""
    text = os.path.normpath(os.fspath(path))
    if text in (named := {"/dev/stdout": 1, "/dev/stderr": 2}):
        return named[text]
    found = re.fullmatch(rf"/(?:dev|proc/(?:self|{os.getpid()}))/fd/(\d+)", text)
    return int(found[1]) if found else None


def _must_be_written_into(path: str | os.PathLike[str]) -> bool:
    """Whether `path` cannot be replaced by another file: it is no regular file, or its folder cannot be written."""
    if _is_stream(path):
        return True
    target = Path(os.path.realpath(path))
    return target.exists() and not os.access(target.parent, os.W_OK)


def _put_in_place(temporary: Path, target: Path) -> bool:
    """Put the file there; False where the system refuses, as for a single file that is mounted in a container."""
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask()
    temporary.chmod(mode)  # mkstemp's 0600 would lock out the colleague who reads the report
    try:
        temporary.replace(target)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        raise
    return True


def _write_into(target: Path, content: Path) -> None:
    """Write `content` into a pipe, a device or an existing file."""
    if (descriptor := _descriptor(target)) is not None:
        for stream in (sys.stdout, sys.stderr):  # what was printed before comes first
            if stream is not None:
                stream.flush()
        handle = os.dup(descriptor)
    else:
        handle = _open_for_writing(target)
    with content.open("rb") as source, os.fdopen(handle, "wb") as sink:
        shutil.copyfileobj(source, sink)


def _open_for_writing(target: Path) -> int:
    """Open for writing. Raises UsageError where it is a pipe that nobody reads: opening it would wait for ever."""
    until = time.monotonic() + READER_AWAITED
    while True:
        try:
            handle = os.open(target, os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > until:
                raise UsageError(
                    f"cannot write {target}: nothing reads from this pipe; start its reader first."
                ) from None
            time.sleep(0.05)
        else:
            os.set_blocking(handle, True)
            return handle


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


def is_our_cache(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is marked as a cache of ours."""
    try:
        with open_regular(os.path.join(folder, CACHE_TAG)) as file:  # noqa: PTH118 (a path of any length)
            return file.read(len(CACHE_MARK)) == CACHE_MARK.encode()
    except OSError:
        return False


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
