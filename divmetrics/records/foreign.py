"""Code of others: what a network, data set or plug-in of the user raises becomes one error, saying who and where."""

from __future__ import annotations

import dis
import re
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

from divmetrics.errors import DivmetricsError, ForeignError, InternalError, Unavailable

_PACKAGE = str(Path(__file__).parent.parent)
_LIBRARIES = (
    "site-packages",
    "dist-packages",
    "<frozen",
    sysconfig.get_paths()["stdlib"],
    sysconfig.get_paths()["platstdlib"],
)
_MOST_TEXT = 120
_FRAME = re.compile(r'File "(?P<file>.+)", line (?P<line>\d+), in (?P<function>\S+)')


@contextmanager
def foreign(
    what: str, way_out: str = "mend it there", passing: Callable[[BaseException], bool] = lambda _: False
) -> Iterator[None]:
    """Turn whatever the block raises into ForeignError. For blocks that call code of users, and nothing else.

    `sys.exit` and other exceptions that would end the process are turned, too: a gate must not pass because a module
    says `sys.exit(0)`. Errors of divmetrics, Ctrl-C and lack of memory go through.

    Args:
        what: Who is called, as the beginning of a sentence: `the network python:mine:net`.
        way_out: What to do about it, as the end of the sentence.
        passing: Tells errors that are to go through as they are.

    Raises:
        ForeignError: The block raised; the traceback is among the notes of the error.

    Example:
        >>> from divmetrics.errors import ForeignError
        >>> try:
        ...     with foreign("the function f"):
        ...         [][0]
        ... except ForeignError as error:
        ...     print(str(error).partition(" at ")[0])
        the function f raised IndexError: list index out of range
    """
    try:
        yield
    except DivmetricsError:
        raise
    except BaseException as error:
        if is_lack_of_memory(error) or _is_interrupt(error) or passing(error):
            raise
        raise foreign_error(what, error, way_out) from None


@contextmanager
def guarded(what: str, function: Callable[..., Any]) -> Iterator[None]:
    """Turn whatever the block raises into an error of divmetrics. For blocks that call `function`, ours or a plug-in's.

    Args:
        what: What is computed, as the beginning of a sentence: `the metric fid`.
        function: Who computes it, which says whose fault an exception is.

    Raises:
        ForeignError: `function` is of a plug-in and raised.
        Unavailable: There was too little memory.
        InternalError: `function` is ours and raised something that it must not raise.
    """
    try:
        with foreign(what) if is_foreign(function) else nullcontext():
            yield
    except (DivmetricsError, Warning):
        raise
    except Exception as error:
        if is_lack_of_memory(error):
            text = f"{what} needs more memory than there is; draw fewer samples with --num, or choose another metric."
            raise Unavailable(text) from error
        raise internal_error(what, error) from error


def internal_error(what: str, error: BaseException) -> InternalError:
    """The error that says that `error`, raised in `what`, is a fault of divmetrics; `what` may be empty."""
    fact = " ".join(f"{type(error).__name__}: {error}".split())
    place = f" in {what}" if what else ""
    way_out = "run it again with --debug and report what it prints"
    found = InternalError(f"this is a bug in divmetrics ({fact[:_MOST_TEXT]}{place}); {way_out}.")
    found.add_note("".join(traceback.format_exception(error)))
    return found


def foreign_error(what: str, error: BaseException, way_out: str = "mend it there") -> ForeignError:
    """The error that says that `what` raised `error`, and where.

    Args:
        what: Who was called, as the beginning of a sentence.
        error: What it raised.
        way_out: What to do about it.
    """
    name, text = type(error).__name__, str(error)
    place = _place(error)
    if "Original Traceback" in text and (frames := list(_FRAME.finditer(text))):  # raised by a worker of a DataLoader
        place = _named(
            *([f for f in frames if not _is_library(f["file"])] or frames)[-1].group("file", "line", "function")
        )
        name, _, text = text.strip().splitlines()[-1].partition(": ")
    if "Traceback of TorchScript" in text:
        text = text.strip().splitlines()[-1].removeprefix("RuntimeError: ")
    text = " ".join(text.split())
    shown = text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}..."
    found = ForeignError(f"{what} raised {name}{': ' if shown else ''}{shown}{place}; {way_out}.")
    found.add_note("".join(traceback.format_exception(error)))
    return found


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out: only CUDA and Python have an exception for it."""
    own = any(kind.__name__ in ("MemoryError", "OutOfMemoryError") for kind in type(error).__mro__)
    return own or any(text in str(error) for text in ("MPS backend out of memory", "DefaultCPUAllocator", "bad_alloc"))


def is_foreign(value: Any) -> bool:
    """Whether the class of an object, or a function, is neither of divmetrics nor of the libraries that it builds on.

    Args:
        value: A network, a preparer, a metric's function.
    """
    module = getattr(value, "__module__", None) if callable(value) else None
    owner = str(module if module and hasattr(value, "__qualname__") else type(value).__module__)
    return owner.partition(".")[0] not in ("divmetrics", "torch", "torchvision", "timm")


def _is_interrupt(error: BaseException) -> bool:
    """Whether it is Ctrl-C, by whoever raised it, or the end of a generator by no statement of the code called."""
    if isinstance(error, KeyboardInterrupt):
        return True
    if type(error) is not GeneratorExit:
        return False
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is None or _opcode(last) != "RAISE_VARARGS"


def _opcode(last: TracebackType) -> str:
    return dis.opname[last.tb_frame.f_code.co_code[last.tb_lasti]]


def _place(error: BaseException) -> str:
    """` at FILE:LINE in FUNCTION`, of the innermost call that is in no library; empty where there is none."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_PACKAGE)]
    if isinstance(error, SyntaxError) and error.filename:
        return _named(error.filename, error.lineno or 0, "")
    if not frames:
        return ""
    frame = ([frame for frame in frames if not _is_library(frame.filename)] or frames)[-1]
    if "/torch/" in frame.filename.replace("\\", "/"):
        return ""
    return _named(frame.filename, frame.lineno or 0, frame.name)


def _named(file: str, line: int | str, function: str) -> str:
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    text = str(path) if len(str(path)) <= 80 else f".../{path.name}"
    return f" at {text}:{line}{f' in {function}' if function and function != '<module>' else ''}"


def _is_library(file: str) -> bool:
    return file.startswith((_PACKAGE, *_LIBRARIES[3:])) or any(part in file for part in _LIBRARIES[:3])
