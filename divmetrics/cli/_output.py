"""Output: results go to stdout, everything else to stderr; files are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from divmetrics.errors import DivmetricsError, UsageError
from divmetrics.records.files import check_apart, check_writable, write_text
from divmetrics.records.foreign import internal_error, is_lack_of_memory
from divmetrics.records.printing import printable

if TYPE_CHECKING:
    from divmetrics.records.results import Report
    from divmetrics.report.page import Page

WRONG, FAILED = 2, 3
"""Exit codes of a wrong request, and of one that could not be measured."""
STDOUT = "-"
"""The path that means standard output."""


def say(text: str) -> None:
    """Print a result to stdout. A closed pipe (`| head`) is no error: files and the exit code still follow."""
    with suppress(BrokenPipeError):
        sys.stdout.write(text)
        sys.stdout.flush()


def say_line(text: str) -> None:
    """Print one line of a result to stdout, whatever the names in it hold; a terminal gets it broken between words."""
    line = printable(text)
    if sys.stdout.isatty():  # which would break it within a number
        width = max(40, shutil.get_terminal_size((100, 24)).columns)
        line = "\n".join(textwrap.wrap(line, width, break_on_hyphens=False, subsequent_indent="  "))
    say(f"{line}\n")


def tell(text: str) -> None:
    """Print one line to stderr, whatever the names in it hold."""
    tell_all(printable(text))


def tell_all(text: str) -> None:
    """Print lines to stderr; control characters other than line breaks are escaped."""
    lines = text.rstrip("\n").split("\n")
    sys.stderr.write("".join(f"{printable(line)}\n" for line in lines))


def show(page: Page) -> None:
    """Print a page as a table, as wide as the terminal is; plain in a pipe, and where NO_COLOR or TERM=dumb says so."""
    from divmetrics.report import table

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    say(table.render(page, shutil.get_terminal_size((100, 24)).columns, colour=colour))


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


def check_outputs(outputs: Mapping[str, str | None], inputs: Iterable[Any] = ()) -> None:
    """Raise UsageError if an output cannot be written, or would overwrite another or an input, before the work starts.

    Args:
        outputs: Option -> the path that it names, or None.
        inputs: What the command reads.
    """
    if STDOUT in (path for option, path in outputs.items() if option != "--json"):
        raise UsageError("only --json can go to stdout with -; name a file.")
    read = list(inputs)
    files = {option: str(path) for option, path in outputs.items() if path not in (None, STDOUT)}
    if (page := files.get("--html")) is not None:
        from divmetrics.report.html.writing import INDEX, check_page, is_folder

        check_page(page, read)
        if is_folder(page):
            files["--html"] = os.path.join(page, INDEX)  # noqa: PTH118
    for option, path in files.items():
        if option != "--html":
            check_writable(path)
    check_apart(files, read)


@contextmanager
def plain_warnings(*, quiet: bool = False) -> Iterator[None]:
    """Python warnings as one short line on stderr each, equal ones once; none if `quiet`."""
    told = set[str]()

    def show_line(message: Warning | str, *_: object) -> None:
        line = f"warning: {str(message).splitlines()[0]}"
        if not quiet and line not in told:
            told.add(line)
            tell(line)

    with warnings.catch_warnings():
        warnings.showwarning = show_line  # type: ignore[assignment]  # *_ takes the places
        yield


def save_samples(reports: Report | Mapping[str, Report], path: str) -> None:
    """Write the per-sample values as csv; warn where no metric of the reports has any."""
    from divmetrics.report import samples

    samples.write_csv(reports, path)
    found = reports.values() if isinstance(reports, Mapping) else [reports]
    if not any(report.samples for report in found):
        warnings.warn("no metric here has per-sample values; precision, recall, density and coverage do.", stacklevel=2)


MOST_CHARACTERS = 300
"""Length of an error's sentence."""


def sentence_and_code(error: BaseException) -> tuple[str, int]:
    """The sentence, one line of at most 300 characters, and the exit code for an exception."""
    sentence, code = _sentence_and_code(error)
    line = printable(" ".join(sentence.split()))
    if len(line) > MOST_CHARACTERS:  # the beginning says where and what, the end the way out
        line = f"{line[:180]} ... {line[-115:]}"
    return line, code


def _sentence_and_code(error: BaseException) -> tuple[str, int]:
    if isinstance(error, DivmetricsError):
        return str(error), error.exit_code
    if isinstance(error, click.ClickException):
        return error.format_message(), WRONG
    if isinstance(error, EOFError):
        return f"a file ends too early ({error or 'no reason given'}); make it again.", FAILED
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'operating system'}: {error.strerror}.", FAILED
    if is_lack_of_memory(error):
        return "there is too little memory; use fewer samples (--num), smaller batches or fewer --workers.", FAILED
    return str(internal_error("", error)), FAILED
