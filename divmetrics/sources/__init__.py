"""Sample sets as a `Source` or a `Stream`: folders, archives, arrays, Python objects and the zoo."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from divmetrics.errors import DivmetricsError, SourceError, UsageError
from divmetrics.records.files import check_regular
from divmetrics.sources._array_files import open_named_arrays, open_npy, statistics_file
from divmetrics.sources._base import Kind, Source, Stream, UnreadableSample
from divmetrics.sources._decode import decode, strict
from divmetrics.sources._folder import open_folder
from divmetrics.sources._memory import one_large
from divmetrics.sources._objects import open_object
from divmetrics.sources._paths import as_paths, is_pattern, open_paths, open_pattern
from divmetrics.sources._statistics import Statistics
from divmetrics.sources._tar import open_tar
from divmetrics.sources._traits import Look, Traits, content_of, look_of_content, look_of_pixels, traits_of_rows
from divmetrics.sources._views import Drawn, chosen_by_seed, labels_from_csv, subset, whole_source, with_labels
from divmetrics.sources._zip import open_zip
from divmetrics.sources._zoo import open_zoo
from divmetrics.zoo.draw import SCHEME

__all__ = [
    "OPENERS",
    "Drawn",
    "Kind",
    "Look",
    "Source",
    "Statistics",
    "Stream",
    "Traits",
    "UnreadableSample",
    "chosen_by_seed",
    "content_of",
    "decode",
    "labels_from_csv",
    "look_of_content",
    "look_of_pixels",
    "one_large",
    "open_source",
    "statistics_file",
    "strict",
    "subset",
    "traits_of_rows",
    "whole_source",
    "with_labels",
]


def _refuse_pickle(path: str) -> Source:
    """Raise SourceError: a pickle is never loaded."""
    raise SourceError(
        f"{path} is a pickle, which runs code when it is read; load it where you trust it and save what it holds: "
        "numpy.savez(FILE, mu=..., sigma=...) for statistics, numpy.save for samples."
    )


OPENERS: dict[str, Callable[[str], Source | Stream]] = {
    ".zip": open_zip,
    ".tar": open_tar,
    ".tar.gz": open_tar,
    ".tgz": open_tar,
    ".npy": open_npy,
    ".npz": open_named_arrays,
    ".pt": open_named_arrays,
    ".pth": open_named_arrays,
    ".pkl": _refuse_pickle,  # the format of NVlabs' reference statistics
    ".pickle": _refuse_pickle,
}
"""Suffix of a file's name, in lower case -> function that opens the file. A new file format is one line here."""
READABLE = [suffix for suffix, opener in OPENERS.items() if opener is not _refuse_pickle]
"""Suffixes of the files that can be read."""


def open_source(what: Any, *, side: str = "samples") -> Source | Stream:
    """Open a set of samples given by a path or as a Python object. Files are listed, not decoded.

    Args:
        what: Path of a folder (searched recursively), `.zip`, `.tar`, `.tar.gz`, `.npy`, `.npz` or `.pt`; a pattern
            such as `real/*.png`; `zoo:NAME`; a list or an iterator of paths of images, or of pairs (path, label); an
            array or tensor of images (`[n, h, w, c]`, `[n, c, h, w]` or `[n, h, w]`, uint8 or floats in [0, 1]) or
            features (`[n, d]`, float), or what holds one (a data frame, nested lists, `__array__`); a list, a dict of
            columns, a Dataset of torch or Hugging Face, a DataLoader, or any iterable of samples or batches. A
            `Source` or a `Stream` is returned unchanged.
        side: What error messages call the samples.

    Returns:
        A `Source` where samples can be read by index, a `Stream` where they come once.

    Raises:
        SourceError: where there are no samples to read.
        UsageError: where the scheme of a path is unknown.

    Example:
        >>> import numpy as np
        >>> source = open_source(np.zeros((3, 8, 8, 3), np.uint8))
        >>> len(source), source.kind, source.path(2)
        (3, 'image', '#2')
    """
    if isinstance(what, (Source, Stream)):
        return what
    try:
        if isinstance(what, (str, os.PathLike)):
            return _open_path(os.fspath(what))
        listed = as_paths(what)
        if isinstance(listed, tuple):
            return open_paths(*listed)
        return open_object(what) if listed is None else open_object(listed, type(what).__name__)
    except OSError as error:
        given = what if isinstance(what, (str, os.PathLike)) else f"the {type(what).__name__}"
        place = error.filename if isinstance(error.filename, str) else given
        raise SourceError(f"{side}: cannot read {place}: {(error.strerror or str(error)).lower()}.") from None
    except DivmetricsError as error:
        raise error.within(side) from None


def _open_path(text: str) -> Source | Stream:
    """As `open_source`, for a path or `zoo:NAME`."""
    if text.startswith(SCHEME):
        return open_zoo(text)
    path = Path(text)
    if path.is_dir():
        return open_folder(text)
    opener = next((opener for suffix, opener in OPENERS.items() if text.lower().endswith(suffix)), None)
    if not path.exists():
        if scheme := re.match(r"[a-z][a-z0-9+.-]+:", text):  # two letters at least: C: is a drive
            raise UsageError(f"nothing here opens {scheme.group()!r} in {text!r}; give a file or a folder.")
        if is_pattern(text):
            found = open_pattern(text)
            return _open_path(found) if isinstance(found, str) else found
        raise SourceError(f"there is no file or folder {text!r}; check the path.")
    check_regular(path)
    if opener is None:
        raise SourceError(f"{text} is no folder and ends in none of {', '.join(READABLE)}; give one of these.")
    return opener(text)
