"""Which files of a folder or an archive are samples, which are none, and which are listed as skipped.

Three kinds of files, by their names alone:

- images: every suffix that Pillow reads (`image_suffixes`);
- what ordinary data sets hold beside their samples: hidden files, files of operating systems, notes, tables and
  metadata, and files named after an image in the same folder, such as `01.npy` or `01.seg.svg` beside `01.png`;
- everything else, which may be samples that nobody can read: it is listed as skipped.
"""

from __future__ import annotations

import posixpath
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from PIL import Image

from divmetrics.errors import SourceError
from divmetrics.records.results import Skipped

_NO_IMAGES = frozenset({"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"})
"""Formats that Pillow registers and does not decode by itself (EPS runs Ghostscript), or decodes without a bound."""
_BY_CONTENT = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM", "QOI", "PSD", "ICNS", "DDS")
"""Formats known by their first bytes, whatever the suffix; the others are tried where the suffix names them."""

_NOTES = frozenset({
    ".txt", ".text", ".md", ".rst", ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".toml",
    ".ini", ".cfg", ".conf", ".html", ".htm", ".css", ".js", ".log", ".cls", ".caption", ".tags", ".py", ".ipynb",
    ".sh", ".parquet", ".arrow", ".xls", ".xlsx", ".sqlite", ".md5", ".sha1", ".sha256", ".bib", ".tex", ".lock",
    ".url", ".lnk",
})  # fmt: skip
"""Suffixes of notes, tables and metadata: never images."""
_NOTE_NAMES = frozenset({
    "readme", "license", "licence", "copying", "notice", "authors", "citation", "changelog", "version", "manifest",
    "makefile", "dockerfile", "md5sums", "sha1sums", "sha256sums", "classes", "labels",
})  # fmt: skip
"""Names of such files without a suffix, in lower case."""
_SYSTEM_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
_HIDDEN_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})


@cache
def _formats() -> dict[str, str]:
    """Suffix -> format of Pillow, for the images that it decodes."""
    Image.init()
    known = Image.registered_extensions()
    return {suffix: form for suffix, form in known.items() if form in Image.OPEN and form not in _NO_IMAGES}


def image_suffixes() -> frozenset[str]:
    """Suffixes of the image files that are read, in lower case: those of every format that this Pillow decodes."""
    return frozenset(_formats())


def formats_of(name: str) -> list[str]:
    """Formats of Pillow to try on a file of this name."""
    named = _formats().get(suffix_of(name))
    found = [form for form in _BY_CONTENT if form in Image.OPEN]
    return found if named is None or named in found else [*found, named]


def suffix_of(name: str) -> str:
    """The last suffix in lower case, with its dot; empty where there is none."""
    return posixpath.splitext(name)[1].lower()


def is_hidden(part: str) -> bool:
    """Whether a file or folder of this name is ignored: dot files, and folders of operating systems."""
    return part.startswith(".") or part in _HIDDEN_FOLDERS


def is_visible(name: str) -> bool:
    """Whether no part of a relative path is hidden."""
    return not any(is_hidden(part) for part in name.split("/"))


@dataclass(frozen=True)
class Listing:
    """What lies in a folder or an archive, by relative POSIX path."""

    names: Sequence[str]
    """Every visible file."""
    lost: Mapping[str, str] = field(default_factory=dict)
    """What cannot be opened as a file, such as a named pipe -> why."""


@dataclass(frozen=True)
class Sorted:
    """The files of a listing by their kind."""

    images: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def sort_files(place: str, listing: Listing) -> Sorted:
    """The images of a listing, in order, and the files that are skipped. Raises SourceError where there are no images.

    Args:
        place: What messages call the folder or archive.
        listing: Its files.
    """
    suffixes = image_suffixes()
    images = tuple(sorted(name for name in listing.names if suffix_of(name) in suffixes))
    if not images:
        raise SourceError(
            f"{place} {_describe([*listing.names, *listing.lost])}; wanted images: .png, .jpg or another format that "
            "Pillow reads."
        )
    others = [name for name in listing.names if suffix_of(name) not in suffixes and not is_note(name)]
    stems = {_stem(name) for name in images} if others else set()
    foreign = [name for name in others if not any(start in stems for start in _starts(name))]
    if len(others) > len(foreign):
        beside = Counter(suffix_of(name) for name in set(others).difference(foreign))
        warnings.warn(f"{place}: {_counts(beside)} named after images are not read.", stacklevel=2)
    reasons = {**{name: _reason(name) for name in foreign}, **listing.lost}
    return Sorted(images, tuple(Skipped(name, reasons[name]) for name in sorted(reasons)))


def is_note(name: str) -> bool:
    """Whether a file is one that ordinary data sets hold beside their samples, by its name."""
    last = posixpath.basename(name).lower()
    return last in _SYSTEM_NAMES or last in _NOTE_NAMES or suffix_of(name) in _NOTES


def _stem(name: str) -> str:
    return posixpath.splitext(name)[0]


def _starts(name: str) -> Iterator[str]:
    """The path up to each dot of the file's name: `a/1`, `a/1.seg` for `a/1.seg.npy`."""
    folder, slash, file = name.rpartition("/")
    parts = file.split(".")
    return (folder + slash + ".".join(parts[:count]) for count in range(1, len(parts)))


def _reason(name: str) -> str:
    return f"{suffix_of(name)} files are not read" if suffix_of(name) else "files without a suffix are not read"


def _describe(names: Iterable[str]) -> str:
    """What a container without images holds, for an error message."""
    suffixes = Counter(suffix_of(name) for name in names)
    if not suffixes:
        return "is empty"
    return f"holds no images, but {suffixes.total()} other file(s): {_counts(suffixes)}"


def _counts(suffixes: Counter[str]) -> str:
    return ", ".join(f"{count} {suffix or 'no suffix'}" for suffix, count in suffixes.most_common(3))
