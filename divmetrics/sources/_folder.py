"""A folder of image files, searched recursively."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from divmetrics.sources._base import UnreadableSample
from divmetrics.sources._files import NO_FILE, UNREADABLE, Container, ImageFiles, image_files
from divmetrics.sources._listing import Listing, is_hidden


def open_folder(path: str) -> ImageFiles:
    """The images below the folder `path`; symbolic links are followed. Raises SourceError where there are none."""
    return image_files(path, Folder(Path(path)))


@dataclass(frozen=True)
class Folder(Container):
    """The files below `root`."""

    root: Path

    def listing(self) -> Listing:
        """As `Container.listing`; broken links are files, so that they are reported as unreadable."""
        names: list[str] = []
        lost: dict[str, str] = {}
        for name, reason in _walk(str(self.root), "", frozenset()):
            if reason is None:
                names.append(name)
            else:
                lost[name] = reason
        return Listing(names, lost)

    def content(self, name: str) -> bytes:
        """Content of one file. Raises UnreadableSample."""
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise UnreadableSample(name, (error.strerror or str(error)).lower()) from None

    def hashes(self, names: Sequence[str]) -> Iterator[bytes]:
        """As `Container.hashes`, several files at a time, none of them held in memory."""
        blocks = [names[start : start + 64] for start in range(0, len(names), 64)]
        with ThreadPoolExecutor() as threads:
            yield from chain.from_iterable(threads.map(self._hash_each, blocks))

    def _hash_each(self, names: Sequence[str]) -> list[bytes]:
        """As `hashes`, one file after the other."""
        return [self._hash(name) for name in names]

    def _hash(self, name: str) -> bytes:
        """sha256 of one file, or UNREADABLE."""
        try:
            with (self.root / name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except OSError:
            return UNREADABLE


def _walk(folder: str, below: str, above: frozenset[tuple[int, int]]) -> Iterator[tuple[str, str | None]]:
    """(relative name, why it cannot be opened) of the files in `folder`.

    `above` holds device and inode of its parents, which end loops of links.
    """
    status = os.stat(folder)  # noqa: PTH116 (strings, since a Path for each of a million entries takes seconds)
    if (status.st_dev, status.st_ino) in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_hidden(entry.name):
                continue
            if entry.is_dir():
                yield from _walk(entry.path, f"{below}{entry.name}/", above | {(status.st_dev, status.st_ino)})
            elif entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path)):  # noqa: PTH110
                yield below + entry.name, None
            else:
                yield below + entry.name, NO_FILE
