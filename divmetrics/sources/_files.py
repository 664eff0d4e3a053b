"""Image files in a folder or an archive: `ImageFiles` is the source, a `Container` gives names and contents."""

from __future__ import annotations

import hashlib
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from divmetrics.records.results import Skipped
from divmetrics.sources._base import Kind, Source, UnreadableSample
from divmetrics.sources._decode import decode, inspect
from divmetrics.sources._layout import labels_of
from divmetrics.sources._listing import Listing, sort_files
from divmetrics.sources._traits import Look

UNREADABLE = b""
"""In place of the hash of a file that cannot be read."""


class Container(ABC):
    """Files by name, which is a POSIX path relative to the top. Containers are picklable."""

    @abstractmethod
    def listing(self) -> Listing:
        """Every visible file, in any order, and what cannot be opened as one."""

    @abstractmethod
    def content(self, name: str) -> bytes:
        """Content of one file. Raises UnreadableSample."""

    def hashes(self, names: Sequence[str]) -> Iterator[bytes]:
        """sha256 of each file, or UNREADABLE."""
        for name in names:
            try:
                yield hashlib.sha256(self.content(name)).digest()
            except UnreadableSample:
                yield UNREADABLE


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
    kind: Kind = "image"
    threadsafe = True

    def __len__(self) -> int:
        return len(self.files)

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """As `Source.read`."""
        return [decode(self.container.content(self.files[i]), self.files[i]) for i in indices]

    def inspect(self, index: int) -> tuple[np.ndarray, Look]:
        """As `Source.inspect`."""
        return inspect(self.container.content(self.files[index]), self.files[index])

    def inspect_hashed(self, index: int) -> tuple[np.ndarray, Look, bytes | None]:
        """As `Source.inspect_hashed`: a file may have been replaced since it was hashed."""
        content = self.container.content(self.files[index])
        return *inspect(content, self.files[index]), hashlib.sha256(content).digest()

    def jpeg(self, index: int) -> bytes | None:
        """As `Source.jpeg`."""
        content = self.container.content(self.files[index])
        return content if content.startswith(b"\xff\xd8\xff") else None

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
