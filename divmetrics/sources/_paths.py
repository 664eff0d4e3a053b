"""Image files by their paths: a list or an iterator of them, or a pattern such as `real/*.png`."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import IOBase
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from divmetrics.errors import SourceError
from divmetrics.records.files import NO_FILE, WHOLE_SETS
from divmetrics.records.foreign import foreign
from divmetrics.sources._files import ImageFiles, image_files
from divmetrics.sources._folder import Folder
from divmetrics.sources._labels import check_label_shape, label_name
from divmetrics.sources._listing import Listing, is_hidden

Paths = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class Chosen(Folder):
    """Some of the files below `root`."""

    found: Listing

    def listing(self) -> Listing:
        """As `Container.listing`."""
        return self.found


def is_pattern(text: str) -> bool:
    """Whether a path that does not exist is a pattern for the names of files."""
    return glob.has_magic(text)


def open_pattern(text: str) -> ImageFiles | str:
    """The images that match a pattern, and those below folders that do; the path of another file that alone matches.

    `**` matches folders at any depth. Raises SourceError where nothing matches.
    """
    matches = glob.glob(text, recursive=True)  # noqa: PTH207  of absolute and of relative paths
    found = sorted(path for path in matches if not is_hidden(Path(path).name))
    if not found:
        raise SourceError(f"no file matches {text!r}; check the pattern.")
    if len(found) == 1 and found[0].lower().endswith(WHOLE_SETS):
        return found[0]
    fixed = text[: next(place for place, mark in enumerate(text) if mark in "*?[")].rpartition("/")
    return _open_below(text, fixed[0] + fixed[1] or ".", found)


def as_paths(value: Any) -> tuple[Paths, Sequence[Any] | None] | Iterator[Any] | None:
    """(paths, labels or None) of a list or an iterator of paths, of pairs (path, label), or of a pair of two lists.

    An iterator of other things is returned as one that begins where it did; None stands for any other value.
    """
    if isinstance(value, Iterator) and not isinstance(value, IOBase):
        with foreign(f"the {type(value).__name__}"):
            head = next(value, None)
        whole = chain([] if head is None else [head], value)
        return as_paths(list(whole)) if _is_path(head) or _is_labelled(head) else whole
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "OU":
        value = value.tolist()
    if isinstance(value, (set, frozenset)) and value and all(map(_is_path, value)):
        value = sorted(value, key=os.fspath)
    if not isinstance(value, (list, tuple)) or not value:
        return None
    if all(map(_is_path, value)):
        return value, None
    if all(map(_is_labelled, value)):
        return [path for path, _ in value], [label for _, label in value]
    if len(value) == 2 and isinstance(value[0], (list, tuple)) and value[0] and all(map(_is_path, value[0])):
        return value[0], value[1]
    return None


def open_paths(paths: Paths, labels: Sequence[Any] | None = None) -> ImageFiles:
    """Image files in the order of their paths, with a label each, or labelled by their folders as a folder would be.

    Folders among them are searched as usual; reports name files relative to the folder that holds all of them. Raises
    SourceError where there are no images, or another number of labels.
    """
    places = [os.path.abspath(path) for path in paths]  # noqa: PTH100 (of a million paths)
    holders = {os.path.dirname(place) for place in places}  # noqa: PTH120
    root = os.path.commonpath(holders)
    name = f"{len(paths)} path(s) in {root}"
    if labels is None:
        return _open_below(name, root, places)
    if len(labels) != len(paths):
        raise SourceError(f"{len(paths)} paths come with {len(labels)} labels; give one label a path.")
    check_label_shape(labels)
    source = _open_below(name, root, places)
    named = dict(zip((_below(root, place) for place in places), map(label_name, labels), strict=True))
    if lost := [file for file in source.files if file not in named]:
        raise SourceError(f"{name}: {lost[0]} lies in a folder of the list, which has one label; list the files.")
    return replace(source, labels=tuple(named[file] for file in source.files))


def _open_below(name: str, root: str, places: Iterable[str]) -> ImageFiles:
    """The images among the files `places`, all below `root`, and below the folders among them, in that order."""
    names: list[str] = []
    lost: dict[str, str] = {}
    for place in places:
        below = _below(root, place)
        if Path(place).is_dir():
            found = Folder(Path(place)).listing()
            names += sorted(f"{below}/{inner}" for inner in found.names)
            lost.update({f"{below}/{inner}": reason for inner, reason in found.lost.items()})
        elif place.lower().endswith(WHOLE_SETS):
            raise SourceError(f"{name}: {place} is no image file; give archives and arrays one at a time.")
        elif not os.path.exists(place):  # noqa: PTH110 (of a million paths)
            lost[below] = "no such file or directory"
        elif not os.path.isfile(place):  # noqa: PTH113
            lost[below] = NO_FILE
        else:
            names.append(below)
    if lost and not names:
        raise SourceError(f"{name}: none is a file, {next(iter(lost))} for one; check the paths.")
    source = image_files(name, Chosen(Path(root), Listing(names, lost)))
    order = {file: number for number, file in enumerate(names)}
    places_of = sorted(range(len(source)), key=lambda index: order[source.files[index]])
    labels = None if source.labels is None else tuple(source.labels[index] for index in places_of)
    return replace(source, files=tuple(source.files[index] for index in places_of), labels=labels)


def _below(root: str, place: str) -> str:
    """Relative POSIX path of `place` below `root`."""
    return Path(place).relative_to(root).as_posix()


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def _is_labelled(value: Any) -> bool:
    """Whether `value` is a pair (path, label)."""
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and _is_path(value[0])
        and isinstance(value[1], (int, str, np.integer))
    )
