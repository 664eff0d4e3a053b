"""A folder of image files, searched recursively."""

from __future__ import annotations

import os
import stat
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO

from divmetrics.records.files import CACHE_TAG, NO_FILE, folder_handle, is_our_cache, open_regular
from divmetrics.sources._files import Container, ImageFiles, image_files, reading
from divmetrics.sources._listing import Listing, is_hidden

Identity = tuple[int, int]
"""Device and inode of a folder."""


def open_folder(path: str) -> ImageFiles:
    """The images below the folder `path`; symbolic links are followed, each folder is read once.

    Raises SourceError where there are none.
    """
    return image_files(path, Folder(Path(path)))


@dataclass(frozen=True)
class Folder(Container):
    """The files below `root`."""

    root: Path

    def listing(self) -> Listing:
        """As `Container.listing`; broken links are files, so that they are reported as unreadable."""
        return _Walk(str(self.root)).listing()

    def open(self, name: str) -> tuple[IO[bytes], int]:
        """As `Container.open`."""
        with reading(name):
            file = open_regular(self.place(name))
            return file, os.fstat(file.fileno()).st_size

    def place(self, name: str) -> str:
        """Path of one file."""
        return f"{self.root}/{name}"

    def hashes(self, names: Sequence[str]) -> Iterator[bytes]:
        """As `Container.hashes`, several files at a time, none of them held in memory."""
        blocks = [names[start : start + 64] for start in range(0, len(names), 64)]
        with ThreadPoolExecutor() as threads:
            yield from chain.from_iterable(threads.map(self._hash_each, blocks))

    def _hash_each(self, names: Sequence[str]) -> list[bytes]:
        """As `hashes`, one file after the other."""
        return [self.hash(name) for name in names]


@dataclass
class _Walk:
    """A walk through all folders below `root`, each of them once, by its own path rather than by a link's.

    Links to folders are followed after all folders that lie below `root` themselves, in the order of their names.
    """

    root: str
    names: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    _seen: set[Identity] = field(default_factory=set)
    _links: deque[str] = field(default_factory=deque)
    """Relative names of links to folders."""

    def listing(self) -> Listing:
        """The files that were found."""
        self._folders_below("")
        again = []
        while self._links:
            found, self._links = sorted(self._links), deque()
            again += [link for link in found if not self._folders_below(f"{link}/") and not self._leads_up(link)]
        if again:
            warnings.warn(
                f"{self.root}: {len(again)} link(s), such as {again[0]}, lead to folders that are read already.",
                stacklevel=2,
            )
        return Listing(self.names, self.lost)

    def _folders_below(self, first: str) -> bool:
        """Take in the folder of the relative name `first`, which ends in a slash, and all below; False if it was."""
        waiting = [first]
        while waiting:
            below = waiting.pop()
            with folder_handle(f"{self.root}/{below}") as handle:
                if self._is_new(os.stat(handle)):  # noqa: PTH116 (a file descriptor)
                    with os.scandir(handle) as scanned:
                        entries = list(scanned)
                    if below and any(entry.name == CACHE_TAG for entry in entries):
                        entries = [] if is_our_cache(f"{self.root}/{below}") else entries
                    waiting += [f"{below}{entry.name}/" for entry in entries if self._is_folder(below, entry)]
                elif below == first:
                    return False
        return True

    def _is_new(self, status: os.stat_result) -> bool:
        identity = _identity(status)
        if identity in self._seen:
            return False
        self._seen.add(identity)
        return True

    def _is_folder(self, below: str, entry: os.DirEntry[str]) -> bool:
        """Whether an entry is a folder to go into; files and links are taken down."""
        name = below + entry.name
        if is_hidden(entry.name):
            return False
        if entry.is_dir(follow_symlinks=False):
            return True
        if entry.is_symlink():
            try:
                mode = entry.stat().st_mode
            except OSError:  # leads nowhere, or in a circle: reading it tells
                self.names.append(name)
                return False
            if stat.S_ISDIR(mode):
                self._links.append(name)
            elif stat.S_ISREG(mode):
                self.names.append(name)
            else:
                self.lost[name] = NO_FILE
        elif entry.is_file(follow_symlinks=False):
            self.names.append(name)
        else:
            self.lost[name] = NO_FILE
        return False

    def _leads_up(self, link: str) -> bool:
        """Whether a link leads to a folder above it: a loop, which hides nothing."""
        parts = link.split("/")
        above = [self.root, *("/".join([self.root, *parts[:count]]) for count in range(1, len(parts)))]
        try:
            target = _identity(Path(self.root, link).stat())
            return any(_identity(Path(folder).stat()) == target for folder in above)
        except OSError:  # a path too long for the system
            return True


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino
