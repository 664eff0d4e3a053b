"""`write_page`: a page as one file, or as a folder in which the page is replaced last and at once."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from divmetrics.errors import UsageError
from divmetrics.records.comparison import Comparison
from divmetrics.records.exhibits import Pictures
from divmetrics.records.files import (
    WHOLE_SETS,
    atomic,
    check_apart,
    check_path,
    check_writable,
    open_regular,
    write_text,
)
from divmetrics.records.lazy import late
from divmetrics.records.results import Report
from divmetrics.report.gate.outcomes import GateResult
from divmetrics.report.html.comparison_page import comparison_page_of
from divmetrics.report.html.gate_section import GateSection, gate_section, unjudged
from divmetrics.report.html.render import MARK, render
from divmetrics.report.html.report_page import page_of

INDEX = "index.html"
_OURS = re.compile(r"(?:style|script)-[0-9a-f]{16}\.(?:css|js)|i-[0-9a-f]{16}\.(?:webp|jpg|png|gif)")
"""Names of the files that stand beside a page of ours."""
PathLike = str | os.PathLike[str]


def is_folder(path: PathLike) -> bool:
    """Whether a page goes into a folder: the path ends with a slash, or a folder is there."""
    return os.fspath(path).endswith(("/", os.sep)) or Path(path).is_dir()


def write_report(report: Report, path: PathLike, gate: GateSection | None = None) -> None:
    """Write the page of a report, which begins with the judgement of a gate where there is one.

    Raises UsageError where `path` cannot be written, OSError where the disk fails.
    """
    check_page(path, _sources((report,)))
    pictures = _pictures(report)
    html, files = page_of(report, pictures.uris, beside=is_folder(path), notes=pictures.notes, gate=gate)
    write_page(html, files, path)


def write_gate(gated: GateResult, path: PathLike) -> None:
    """Write the page of a report that a gate has judged: the rules first, then the report. Raises as `write_report`."""
    write_report(gated.report, path, gate_section(gated))


def write_unjudged(sentence: str, report: Report | None, path: PathLike) -> None:
    """Write the page of a gate that could not judge: why, and the report where something was measured."""
    if report is not None:
        write_report(report, path, unjudged(sentence))
        return
    check_page(path)
    html, files = render("unjudged.html", beside=is_folder(path), title="Gate could not judge", gate=unjudged(sentence))
    write_page(html, files, path)


def write_comparison(comparison: Comparison, path: PathLike) -> None:
    """Write the page of a comparison. Raises UsageError where `path` cannot be written, OSError on a full disk."""
    check_page(path, _sources(comparison.reports))
    pictures = [_pictures(report) for report in comparison.reports]
    html, files = comparison_page_of(comparison, pictures, beside=is_folder(path))
    write_page(html, files, path)


def _sources(reports: Iterable[Report]) -> list[str]:
    """Where the samples of reports lay, which is where no page goes."""
    sides = [side for report in reports for side in (report.real, report.fake, report.held_out) if side is not None]
    return list(
        dict.fromkeys(side.source for side in sides if Path(side.source).is_dir() or glob.has_magic(side.source))
    )


def _pictures(report: Report) -> Pictures:
    """Pictures of what the exhibits of a report show: those that were made, else from where the samples lay."""
    if report.pictures is not None:
        return report.pictures
    if report.exhibits is None:
        return Pictures()
    found: Pictures = late("scoring.pictures:saved_pictures")(report)
    return found


def write_page(html: str, files: Mapping[str, bytes], path: PathLike) -> None:
    """Write a page, whole or not at all.

    Args:
        html: The page.
        files: What stands beside it: relative path -> content. Names hold a digest of the content, so no file of an
            earlier page changes before the new page is in its place.
        path: The file, or the folder, which is made where there is none.

    Raises:
        UsageError: `path` cannot be written.
        OSError: The disk is full, or fails.
    """
    check_page(path)
    if not is_folder(path):
        write_text(path, html)
        return
    folder = Path(path)
    made = [place for place in (folder, folder / "images") if not place.exists()]
    new: list[Path] = []
    try:
        folder.mkdir(exist_ok=True)
        if any(name.startswith("images/") for name in files):
            (folder / "images").mkdir(exist_ok=True)
        for name, content in files.items():
            if not (folder / name).exists():
                with atomic(folder / name) as temporary:
                    temporary.write_bytes(content)
                new.append(folder / name)
        write_text(folder / INDEX, html)
    except BaseException:
        for file in new:
            file.unlink(missing_ok=True)
        for place in reversed(made):
            with suppress(OSError):
                place.rmdir()
        raise
    _remove_old(folder, files)


def check_page(path: PathLike, inputs: Iterable[Any] = ()) -> None:
    """Raise UsageError where a page cannot be written there, or would be written among the samples that are read.

    Args:
        path: The file or folder.
        inputs: What the command reads.
    """
    check_path(path)
    if not is_folder(path):
        check_writable(path)
        return
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"cannot write {path}: there is a file of that name; name a folder, or leave out the slash.")
    if not folder.exists():
        check_writable(os.path.normpath(folder))
    elif not os.access(folder, os.W_OK):
        raise UsageError(f"cannot write {path}: no permission to write in this folder; choose another place.")
    index = folder / INDEX
    if index.exists() and not _is_ours(index):
        raise UsageError(f"cannot write {path}: {index} is not a page of divmetrics; name another folder.")
    read = [os.fspath(given) for given in inputs if isinstance(given, (str, os.PathLike))]
    for given in read:
        if any(_is_within(folder, place) for place in _folders_of(given)):
            raise UsageError(
                f"a page in {path} would be among samples that are read ({given}); name another folder (--html)."
            )
    check_apart({"--html": index}, read)


def _folders_of(source: str) -> Iterator[str]:
    """The folders whose files are samples of a source: itself, or those of what a pattern stands for."""
    if "\0" in source:
        return
    if os.path.isdir(source):  # noqa: PTH112
        yield source
    elif glob.has_magic(source) and not os.path.exists(source):  # noqa: PTH110
        holders: dict[str, None] = {}
        for match in glob.iglob(source, recursive=True):  # noqa: PTH207
            if os.path.isdir(match):  # noqa: PTH112
                holders[match] = None
            elif not match.lower().endswith(WHOLE_SETS):  # whose folder is none of samples
                holders[os.path.dirname(match) or "."] = None  # noqa: PTH120
        yield from holders


def _is_within(folder: Path, samples: str) -> bool:
    """Whether the folder of a page, or its folder of images, lies in a folder of samples."""
    top = os.path.join(os.path.realpath(samples), "")  # noqa: PTH118
    return any(os.path.join(os.path.realpath(place), "").startswith(top) for place in (folder, folder / "images"))  # noqa: PTH118


def _is_ours(index: Path) -> bool:
    try:
        with open_regular(index) as file:
            return f'name="generator" content="{MARK} '.encode() in file.read(2048)
    except OSError:
        return False


def _remove_old(folder: Path, files: Mapping[str, bytes]) -> None:
    """Remove what stood beside an earlier page and is not used any more."""
    kept = {folder / name for name in files}
    for place in (folder, folder / "images"):
        with suppress(OSError):
            for file in place.iterdir():
                if file not in kept and _OURS.fullmatch(file.name) and file.is_file():
                    file.unlink(missing_ok=True)
