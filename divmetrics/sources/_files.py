"""Image files in a folder or an archive: `ImageFiles` is the source, a `Container` gives names and contents."""

from __future__ import annotations

import hashlib
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import IO, Self

import numpy as np

from divmetrics.records.results import Skipped
from divmetrics.records.run_options import MAX_PIXELS
from divmetrics.sources._base import Kind, Source, UnreadableSample
from divmetrics.sources._decode import inspect, thumbnail_of_file
from divmetrics.sources._layout import labels_of
from divmetrics.sources._listing import Listing, sort_files
from divmetrics.sources._memory import one_large
from divmetrics.sources._traits import Look

MOST_NOTES = 2**26
"""Bytes of a file with labels at most."""
MOST_HASHED = 2**30
"""Bytes of a file whose content is hashed."""
UNREADABLE = b""
"""In place of the hash of a file that cannot be read."""


class Container(ABC):
    """Files by name, which is a POSIX path relative to the top. Containers are picklable."""

    @abstractmethod
    def listing(self) -> Listing:
        """Every visible file, in any order, and what cannot be opened as one."""

    @abstractmethod
    def open(self, name: str) -> tuple[IO[bytes], int]:
        """A file, opened at its start, and its size in bytes. Raises UnreadableSample, or OSError at a damaged part."""

    def content(self, name: str, most: int = MOST_NOTES) -> bytes:
        """Content of one file of at most `most` bytes. Raises UnreadableSample."""
        file, size = self.open(name)
        with file, reading(name):
            if size > most:
                raise UnreadableSample(name, f"a file of {size} bytes, more than --max-pixels can need")
            one_large.claim(size)
            return file.read(size)

    def hashes(self, names: Sequence[str]) -> Iterator[bytes]:
        """sha256 of each file, or UNREADABLE; that of one too large to be read stands for its size alone."""
        for name in names:
            yield self.hash(name)

    def hash(self, name: str) -> bytes:
        """As `hashes`, of one file."""
        try:
            file, size = self.open(name)
            with file, reading(name):
                if size > MOST_HASHED:
                    return hashlib.sha256(f"{size} bytes".encode()).digest()
                return hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]
        except UnreadableSample:
            return UNREADABLE


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what reading a file raises into UnreadableSample."""
    try:
        yield
    except OSError as error:
        raise UnreadableSample(name, (error.strerror or str(error)).lower()) from None


def most_bytes(max_pixels: int) -> int:
    """Bytes of an image file that are read at most: 8 for each of its pixels, which is 16-bit RGBA as it is."""
    return 8 * max_pixels + 2**20


def member_name(member: str) -> str:
    """Name of an archive's member as a relative path, without a leading `./` or `/`."""
    return posixpath.normpath(member.lstrip("/"))


def link_target(name: str, text: str) -> str:
    """Relative name that the symbolic link `name` in an archive leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), text))


def follow_links(links: Mapping[str, str], files: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Links in an archive, name -> target: those that end at one of its `files`, and the others with the reason."""
    found: dict[str, str] = {}
    lost: dict[str, str] = {}
    for name, target in links.items():
        passed = {name}
        while target in links and target not in files and target not in passed:
            passed.add(target)
            target = links[target]
        if target in files:
            found[name] = target
        else:
            lost[name] = f"a link to {target}, which is no file in the archive"
    return found, lost


@dataclass(frozen=True, eq=False)
class ImageFiles(Source):
    """Images in a container, sorted by relative POSIX path, code point by code point."""

    name: str
    container: Container
    files: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    skipped: tuple[Skipped, ...] = ()
    max_pixels: int = MAX_PIXELS
    kind: Kind = "image"
    threadsafe = True

    def __len__(self) -> int:
        return len(self.files)

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """As `Source.read`."""
        return [self.inspect(i)[0] for i in indices]

    def inspect(self, index: int) -> tuple[np.ndarray, Look]:
        """As `Source.inspect`."""
        return inspect(self._content(index), self.files[index], self.max_pixels)

    def inspect_hashed(self, index: int) -> tuple[np.ndarray, Look, bytes | None]:
        """As `Source.inspect_hashed`: a file may have been replaced since it was hashed."""
        content = self._content(index)
        return *inspect(content, self.files[index], self.max_pixels), hashlib.sha256(content).digest()

    def thumbnail(self, index: int, side: int) -> np.ndarray:
        """As `Source.thumbnail`."""
        return thumbnail_of_file(self._content(index), self.files[index], self.max_pixels, side)

    def jpeg(self, index: int) -> bytes | None:
        """As `Source.jpeg`."""
        content = self._content(index)
        return content if content.startswith(b"\xff\xd8\xff") else None

    def _content(self, index: int) -> bytes:
        """Content of a file. Raises UnreadableSample, also where it takes more bytes than its pixels can."""
        with one_large:
            return self.container.content(self.files[index], most_bytes(self.max_pixels))

    def limited(self, max_pixels: int) -> Self:
        """As `Source.limited`."""
        if max_pixels == self.max_pixels:
            return self
        limited = replace(self, max_pixels=max_pixels)
        limited.__dict__["_hashes"] = self._hashes  # of the same files
        return limited

    def fingerprints(self, indices: Sequence[int]) -> list[bytes]:
        """As `Source.fingerprints`: the sha256 of each file."""
        unknown = [self.files[i] for i in indices if self.files[i] not in self._hashes]
        self._hashes.update(zip(unknown, self.container.hashes(unknown), strict=True))
        return [self._hashes[self.files[i]] for i in indices]

    @cached_property
    def _hashes(self) -> dict[str, bytes]:
        """Relative name -> sha256 of the files hashed so far."""
        return {}

    def file_hashes(self, indices: Sequence[int]) -> list[bytes]:
        """As `Source.file_hashes`."""
        return self.fingerprints(indices)

    def path(self, index: int) -> str:
        """Path of the file relative to the source."""
        return self.files[index]

    def digest(self) -> str:
        """sha256 over relative names, contents and labels, equal for a folder, its zip and its tar."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        """As `digest`, computed once."""
        whole = hashlib.sha256()
        for name, content in zip(self.files, self.fingerprints(range(len(self))), strict=True):
            whole.update(name.encode("utf-8", "surrogateescape") + b"\0" + content)
        whole.update("\0".join(self.labels or ()).encode("utf-8", "surrogateescape"))
        return f"sha256:{whole.hexdigest()}"


def image_files(name: str, container: Container) -> ImageFiles:
    """The images of a container as a source. Raises SourceError where there are none.

    Folders become labels as `labels_of` says.
    """
    listing = container.listing()
    found = sort_files(name, listing)
    labels = labels_of(name, found.images, listing.names, container.content)
    return ImageFiles(name, container, found.images, labels, found.skipped)
