"""Image files in a `.tar`, read in place by their offsets, with the labels of the WebDataset layout."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from divmetrics.errors import SourceError
from divmetrics.records.files import NO_FILE
from divmetrics.sources._base import UnreadableSample
from divmetrics.sources._files import (
    Container,
    ImageFiles,
    follow_links,
    image_files,
    link_target,
    member_name,
)
from divmetrics.sources._listing import Listing, is_visible

_LABELS = {".cls": "text", ".json": "JSON"}
"""Suffix of the files that name classes -> what they hold."""
MOST_DECOMPRESSED = 2**30
"""Bytes that a `.tar.gz` may hold."""
_LONGEST_HEADER = 2**24
"""Bytes of the header of a member at most; those of long names and other attributes have some hundreds."""
_LONGEST_END = 2**24
"""Bytes of zeros at the end of a tar at most; tar fills up to a multiple of 10 KiB, or of another blocking factor."""


def open_tar(path: str) -> ImageFiles:
    """The images in a tar. Raises SourceError on a damaged or empty file.

    Labels: in the WebDataset layout the file `key.cls`, or the entry `label` or `cls` of `key.json`, names the class
    of `key.jpg`, if every image has one; otherwise first-level folders, as in a folder.

    A `.tar.gz` has no random access: it is decompressed into memory, and again in each spawned worker process. It may
    hold 1 GiB; use a plain `.tar` for large sets.
    """
    with Path(path).open("rb") as start:
        packed = start.read(2) == b"\x1f\x8b"
    tar = Tar(Path(path), packed, {})
    try:
        with tar.whole() as file, tarfile.open(fileobj=_Headers(file), mode="r:") as archive:  # type: ignore[call-overload]
            spans, lost = _members(archive)
            _check_end(file, archive.offset)
            tar = replace(tar, spans=spans, lost=lost)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path} is damaged or no tar ({error}); make it again.") from None
    images = image_files(path, tar)
    labels = _labels(tar, {_key(file) for file in images.files})
    keyed = [labels.get(_key(file)) for file in images.files]
    whole = tuple(label for label in keyed if label is not None)
    return replace(images, labels=whole) if len(whole) == len(keyed) else images


@dataclass(frozen=True)
class Tar(Container):
    """The files of one tar."""

    file: Path
    packed: bool
    spans: Mapping[str, tuple[int, int]]
    """Relative name -> (offset, size) in the decompressed tar."""
    lost: Mapping[str, str] = field(default_factory=dict)
    """Relative name of what cannot be opened as a file -> why."""

    def listing(self) -> Listing:
        """As `Container.listing`."""
        return Listing(list(self.spans), self.lost)

    def open(self, name: str) -> tuple[IO[bytes], int]:
        """As `Container.open`."""
        offset, size = self.spans[name]
        return io.BufferedReader(_Span(self.whole(), offset, size)), size

    def whole(self) -> io.BufferedIOBase:
        """The decompressed tar, opened at its start."""
        return io.BytesIO(self._decompressed) if self.packed else self.file.open("rb")

    @cached_property
    def _decompressed(self) -> bytes:
        """Content of the `.tar.gz`, decompressed. Raises SourceError beyond MOST_DECOMPRESSED."""
        whole = io.BytesIO()
        with gzip.open(self.file) as packed:
            while block := packed.read(2**20):
                whole.write(block)
                if whole.tell() > MOST_DECOMPRESSED:
                    raise SourceError(
                        f"{self.file} holds more than {MOST_DECOMPRESSED / 2**30:g} GiB, which would have to lie in "
                        "memory; decompress it: a plain .tar is read in place."
                    )
        return whole.getvalue()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_decompressed"}


class _Span(io.RawIOBase):
    """The bytes of one member of a tar, as a file."""

    def __init__(self, whole: io.BufferedIOBase, offset: int, size: int) -> None:
        self._whole, self._left = whole, size
        whole.seek(offset)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")[: self._left]
        found = self._whole.readinto(view) or 0
        self._left -= found
        return found

    def close(self) -> None:
        self._whole.close()
        super().close()


class _Headers:
    """The file of a tar as tarfile reads its headers: one header of many megabytes is refused."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)


def _check_end(file: io.BufferedIOBase, end: int) -> None:
    """Raise tarfile.ReadError unless the tar ends at `end` as a tar has to: by blocks of zeros, and nothing after them.

    tarfile takes a damaged header, and the end of a file that was cut between two members, for the end of the archive.
    """
    file.seek(end)
    rest = file.read(_LONGEST_END + 1)
    if len(rest) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"it ends without an end mark, at byte {end}: cut off")
    if rest[: tarfile.BLOCKSIZE].strip(b"\0"):
        raise tarfile.ReadError(f"a damaged header at byte {end}")
    if rest.strip(b"\0") or len(rest) > _LONGEST_END:
        raise tarfile.ReadError(f"it goes on after its end mark at byte {end}: damaged, or several tars joined")


def _members(archive: tarfile.TarFile) -> tuple[dict[str, tuple[int, int]], dict[str, str]]:
    """Relative name -> (offset, size) of every visible file, and what cannot be opened as one -> why."""
    spans: dict[str, tuple[int, int]] = {}
    links: dict[str, str] = {}
    lost: dict[str, str] = {}
    for member in archive:
        name = member_name(member.name)
        for earlier in (spans, links, lost):  # a member replaces those of its name, as when it is unpacked
            earlier.pop(name, None)
        if member.issparse():
            lost[name] = "sparse in the tar"
        elif member.isfile():
            spans[name] = (member.offset_data, member.size)
        elif member.islnk():  # a hard-linked copy
            links[name] = member_name(member.linkname)
        elif member.issym():
            links[name] = link_target(name, member.linkname)
        elif not member.isdir():
            lost[name] = NO_FILE
    found, dangling = follow_links(links, spans)
    spans.update({name: spans[target] for name, target in found.items()})
    lost.update(dangling)
    visible = {name: span for name, span in spans.items() if is_visible(name)}
    return visible, {name: reason for name, reason in lost.items() if is_visible(name)}


def _labels(tar: Tar, keys: Collection[str]) -> dict[str, str]:
    """WebDataset key -> class name, for those of `keys` that have one."""
    labels: dict[str, str] = {}
    for name in (name for name in tar.spans if _key(name) in keys):
        kind = next((kind for suffix, kind in _LABELS.items() if name.endswith(suffix)), None)
        if kind is None:
            continue
        try:
            text = tar.content(name).decode()
            entry = text.strip() if kind == "text" else json.loads(text)
        except UnreadableSample as error:
            raise SourceError(f"{tar.file}: {error}; make the archive again.") from None
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{tar.file}: {name} is not {kind} ({error}); make the archive again.") from None
        label = entry.get("label", entry.get("cls")) if isinstance(entry, dict) else entry if kind == "text" else None
        if isinstance(label, (str, int)):
            labels[_key(name)] = str(label)
    return labels


def _key(name: str) -> str:
    """Key of a sample in the WebDataset layout: the path up to the first dot of the file's name."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]
