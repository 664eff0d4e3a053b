"""Image files in a folder or an archive: `ImageFiles` is the source, a `Container` gives names and contents."""

from __future__ import annotations

import hashlib
import posixpath
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np

from divmetrics.errors import SourceError
from divmetrics.sources._base import Kind, Source, UnreadableSample
from divmetrics.sources._decode import SUFFIXES, decode, is_image

UNREADABLE = b""
"""In place of the hash of a file that cannot be read."""


class Container(ABC):
    """Files by name, which is a POSIX path relative to the top. Containers are picklable."""

    @abstractmethod
    def names(self) -> Iterable[str]:
        """Every visible file, in any order."""

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


def is_hidden(part: str) -> bool:
    """Whether a file or folder of this name is ignored: dot files and `__MACOSX`."""
    return part.startswith(".") or part == "__MACOSX"


def is_visible(name: str) -> bool:
    """Whether no part of a relative path is hidden."""
    return not any(is_hidden(part) for part in name.split("/"))


def member_name(member: str) -> str:
    """Name of an archive's member as a relative path, without a leading `./` or `/`."""
    return posixpath.normpath(member.lstrip("/"))


@dataclass(frozen=True, eq=False)
class ImageFiles(Source):
    """Images in a container, sorted by relative POSIX path, code point by code point."""

    name: str
    container: Container
    files: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    kind: Kind = "image"
    threadsafe = True

    def __len__(self) -> int:
        return len(self.files)

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """As `Source.read`."""
        return [decode(self.container.content(self.files[i]), self.files[i]) for i in indices]

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

    First-level folders become labels if every image lies in one.
    """
    names = list(container.names())
    files = tuple(sorted(filter(is_image, names)))
    if not files:
        raise SourceError(f"{name} {_describe(names)}; wanted images ({', '.join(SUFFIXES)}).")
    classed = all("/" in file for file in files)
    return ImageFiles(name, container, files, tuple(file.partition("/")[0] for file in files) if classed else None)


def _describe(names: Sequence[str]) -> str:
    """What a container without images holds, for an error message."""
    if not names:
        return "is empty"
    suffixes = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names)
    most = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(3))
    return f"holds no images, but {len(names)} other file(s): {most}"
