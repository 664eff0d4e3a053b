"""Output: results go to stdout, everything else to stderr; files are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from divmetrics.errors import DivmetricsError, UsageError
from divmetrics.records.files import check_writable, write_text
from divmetrics.records.foreign import internal_error, is_lack_of_memory

if TYPE_CHECKING:
    from divmetrics.records.results import Report
    from divmetrics.report.page import Page

WRONG, FAILED = 2, 3
"""Exit codes of a wrong request, and of one that could not be measured."""
STDOUT = "-"
"""The path that means standard output."""


def say(text: str) -> None:
    """Print a result to stdout. A closed pipe (`| head`) is no error: files and the exit code still follow."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit fails again


def tell(text: str) -> None:
    """Print one line to stderr."""
    print(text, file=sys.stderr)  # noqa: T201


def show(page: Page) -> None:
    """Print a page as a table, as wide as the terminal is, coloured where it is one (and NO_COLOR is not set)."""
    from divmetrics.report import table

    say(table.render(page, shutil.get_terminal_size((100, 24)).columns, colour=sys.stdout.isatty()))


def deliver(page: Page, as_json: str, json_path: str | None, md_path: str | None, *others: Callable[[], None]) -> None:
    """Print the table, or the JSON if that is to go to stdout, then write the files that were asked for.

    Args:
        page: The result.
        as_json: The result as JSON.
        json_path: Where the JSON goes.
        md_path: Where the page goes as Markdown.
        *others: Functions that write further files.

    Raises:
        UsageError, OSError: A file cannot be written. What can be is written nevertheless.
    """
    from divmetrics.report import markdown

    if json_path == STDOUT:
        say(as_json)
    else:
        show(page)
    writers = list(others)
    if json_path not in (None, STDOUT):
        writers.append(lambda: write_text(json_path, as_json))
    if md_path is not None:
        writers.append(lambda: write_text(md_path, markdown.render(page)))
    failed: list[Exception] = []
    for write in writers:
        try:
            write()
        except (UsageError, OSError) as error:
            failed.append(error)
    if failed:
        raise failed[0]


def check_outputs(json_path: str | None, *others: str | None) -> None:
    """Raise UsageError if one of the paths cannot be written, before the work starts."""
    if STDOUT in others:
        raise UsageError("only --json can go to stdout with -; name a file.")
    for path in (json_path if json_path != STDOUT else None, *others):
        if path is not None:
            check_writable(path)


@contextmanager
def plain_warnings(*, quiet: bool = False) -> Iterator[None]:
    """Python warnings as one short line on stderr each; none if `quiet`."""

    def show_line(message: Warning | str, *_: object) -> None:
        if not quiet:
            tell(f"warning: {str(message).splitlines()[0]}")

    with warnings.catch_warnings():
        warnings.showwarning = show_line  # type: ignore[assignment]  # *_ takes the places
        yield


def save_samples(report: Report, path: str) -> None:
    """Write the per-sample values as csv; warn where no metric of the report has any."""
    from divmetrics.report import samples

    samples.write_csv(report, path)
    if not report.samples:
        warnings.warn("no metric here has per-sample values; precision, recall, density and coverage do.", stacklevel=2)


MOST_CHARACTERS = 300
"""Length of an error's sentence."""


def sentence_and_code(error: BaseException) -> tuple[str, int]:
    """The sentence, one line of at most 300 characters, and the exit code for an exception."""
    sentence, code = _sentence_and_code(error)
    line = " ".join(sentence.split())
    if len(line) > MOST_CHARACTERS:  # the beginning says where and what, the end the way out
        line = f"{line[:180]} ... {line[-115:]}"
    return line, code


def _sentence_and_code(error: BaseException) -> tuple[str, int]:
    if isinstance(error, DivmetricsError):
        return str(error), error.exit_code
    if isinstance(error, click.ClickException):
        return error.format_message(), WRONG
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'operating system'}: {error.strerror}.", FAILED
    if is_lack_of_memory(error):
        return "there is too little memory; use fewer samples (--num), smaller batches or fewer --workers.", FAILED
    return str(internal_error("", error)), FAILED
