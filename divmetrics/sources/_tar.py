"""Image files in a `.tar`, read in place by their offsets, with the labels of the WebDataset layout."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from divmetrics.errors import SourceError
from divmetrics.sources._files import Container, ImageFiles, image_files, is_visible, member_name


def open_tar(path: str) -> ImageFiles:
    """The images in a tar. Raises SourceError on a damaged or empty file.

    Labels: in the WebDataset layout the file `key.cls`, or the entry `label` or `cls` of `key.json`, names the class
    of `key.jpg`, if every image has one; otherwise first-level folders, as in a folder.

    A `.tar.gz` has no random access: it is decompressed into memory, and again in each spawned worker process. Use a
    plain `.tar` for large sets.
    """
    with Path(path).open("rb") as start:
        packed = start.read(2) == b"\x1f\x8b"
    tar = Tar(Path(path), packed, {})
    try:
        with tar.open() as file, tarfile.open(fileobj=file, mode="r:") as archive:
            tar = replace(tar, spans=_spans(archive))
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path} is damaged or no tar ({error}); make it again.") from None
    images = image_files(path, tar)
    labels = _labels(tar)
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

    def names(self) -> Iterable[str]:
        """Every visible file."""
        return self.spans

    def content(self, name: str) -> bytes:
        """Content of one file."""
        offset, size = self.spans[name]
        with self.open() as file:
            file.seek(offset)
            return file.read(size)

    def open(self) -> io.BufferedIOBase:
        """The decompressed tar, opened at its start."""
        return io.BytesIO(self._decompressed) if self.packed else self.file.open("rb")

    @cached_property
    def _decompressed(self) -> bytes:
        """Content of the `.tar.gz`, decompressed."""
        return gzip.decompress(self.file.read_bytes())

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_decompressed"}


def _spans(archive: tarfile.TarFile) -> dict[str, tuple[int, int]]:
    """Relative name -> (offset, size) of every visible file."""
    spans: dict[str, tuple[int, int]] = {}
    for member in archive:
        name = member_name(member.name)
        if member.isfile():
            spans[name] = (member.offset_data, member.size)
        elif member.islnk() and (first := member_name(member.linkname)) in spans:  # a hard-linked copy
            spans[name] = spans[first]
    return {name: span for name, span in spans.items() if is_visible(name)}


def _labels(tar: Tar) -> dict[str, str]:
    """WebDataset key -> class name, for keys that have one."""
    labels: dict[str, str] = {}
    for name in tar.spans:
        if name.endswith(".cls"):
            labels[_key(name)] = tar.content(name).decode().strip()
        elif name.endswith(".json"):
            try:
                entry = json.loads(tar.content(name))
            except ValueError as error:
                raise SourceError(f"{tar.file}: {name} is not JSON ({error}); make the archive again.") from None
            if isinstance(entry, dict) and isinstance(label := entry.get("label", entry.get("cls")), (str, int)):
                labels[_key(name)] = str(label)
    return labels


def _key(name: str) -> str:
    """Key of a sample in the WebDataset layout: the path up to the first dot of the file's name."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]
