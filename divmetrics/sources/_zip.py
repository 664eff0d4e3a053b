"""Image files in a `.zip`, stored or deflated, read in place."""

from __future__ import annotations

import io
import os
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from divmetrics.errors import SourceError
from divmetrics.sources._base import UnreadableSample
from divmetrics.sources._files import Container, ImageFiles, follow_links, image_files, link_target, member_name
from divmetrics.sources._listing import Listing, is_visible

_END = struct.Struct("<4s4H2LH")
"""The end record of a zip: signature, two numbers of disks, entries on this disk, entries, size, offset, comment."""
_LOCAL = struct.Struct("<4s5H3L2H")
"""The header before a member: signature, version, flags, method, time, date, three sizes, lengths of name and extra."""
_LONGEST_LINK = 4096
"""Bytes of the target of a symbolic link at most."""


def open_zip(path: str) -> ImageFiles:
    """The images in a zip, laid out as in a folder. Raises SourceError on a damaged or empty file."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_directory(archive)
            members, lost = _members(archive)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise SourceError(f"{path} is damaged or no zip ({error}); make it again.") from None
    return image_files(path, Zip(Path(path), members, lost))


def _members(archive: zipfile.ZipFile) -> tuple[dict[str, str], dict[str, str]]:
    """Relative name -> name in the zip of every visible file, and what cannot be opened as one -> why."""
    members: dict[str, str] = {}
    links: dict[str, str] = {}
    twice: dict[str, str] = {}
    for member in archive.infolist():
        name = member_name(member.filename)
        if name in members or name in links:
            twice[name] = "several times in the zip, of which the last is read"
        if stat.S_ISLNK(member.external_attr >> 16) and member.file_size <= _LONGEST_LINK:
            links[name] = link_target(name, os.fsdecode(archive.read(member)))
        elif not member.is_dir():
            members[name] = member.filename
    found, lost = follow_links(links, members)
    members.update({name: members[target] for name, target in found.items()})
    visible = {name: member for name, member in members.items() if is_visible(name)}
    return visible, {name: reason for name, reason in {**lost, **twice}.items() if is_visible(name)}


def _check_directory(archive: zipfile.ZipFile) -> None:
    """Raise BadZipFile where the directory of a zip does not hold what the file says, or where members are left out.

    zipfile neither compares the number of entries nor notices that another zip lies before the one that it reads.
    """
    file, members = archive.fp, archive.infolist()
    assert file is not None  # noqa: S101  an open archive
    file.seek(-_END.size - len(archive.comment), os.SEEK_END)
    _, disk, first_disk, _, count, *_ = _END.unpack(file.read(_END.size))
    if count == 0xFFFF:  # counted in the record of 56 bytes that the locator of 20 bytes follows
        file.seek(-_END.size - len(archive.comment) - 76, os.SEEK_END)
        record = file.read(56)
        count = int.from_bytes(record[32:40], "little") if record.startswith(b"PK\x06\x06") else count
    if disk or first_disk:
        raise zipfile.BadZipFile("one part of several")
    if count != len(members):
        raise zipfile.BadZipFile(f"its directory has {len(members)} entries and not {count}")
    file.seek(0)
    if file.read(4) == b"PK\x03\x04" and min((member.header_offset for member in members), default=0) > 0:
        raise zipfile.BadZipFile("members at its start are not in its directory: several zips joined?")
    for member in members:
        if not member.filename:
            raise zipfile.BadZipFile("a member has no name")
        if member.is_dir() or not is_visible(member_name(member.filename)):  # others are compared when they are read
            _check_name(file, member)


def _check_name(file: IO[bytes], member: zipfile.ZipInfo) -> None:
    """Raise BadZipFile unless a member has the same name in its own header as in the directory."""
    file.seek(member.header_offset)
    header = _LOCAL.unpack(file.read(_LOCAL.size).ljust(_LOCAL.size))
    name = file.read(header[-2])
    wide = "utf-8" if header[2] & 0x800 else "cp437"
    if header[0] != b"PK\x03\x04" or name.decode(wide, "replace") != member.orig_filename:
        raise zipfile.BadZipFile(f"{member.filename!r} has another name in its directory")


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what reading a damaged or encrypted member raises into UnreadableSample."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:  # RuntimeError: encrypted
        raise UnreadableSample(name, f"damaged in the zip: {error}") from None


class _Member(io.RawIOBase):
    """One member of a zip as a file."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file, self._name = file, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _reading(self._name):
            return int(self._file.readinto(buffer))  # type: ignore[attr-defined]

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True)
class Zip(Container):
    """The files of one zip. Each process and thread opens it for itself, since handles cannot be shared."""

    file: Path
    members: Mapping[str, str]
    """Relative name -> name in the zip."""
    lost: Mapping[str, str] = field(default_factory=dict)
    """Relative name of what cannot be opened as a file -> why."""
    _archives: dict[tuple[int, int], zipfile.ZipFile] = field(default_factory=dict, repr=False, compare=False)
    """Process and thread -> open archive."""

    def listing(self) -> Listing:
        """As `Container.listing`."""
        return Listing(list(self.members), self.lost)

    def open(self, name: str) -> tuple[IO[bytes], int]:
        """As `Container.open`."""
        owner = os.getpid(), threading.get_ident()
        if owner not in self._archives:
            self._archives[owner] = zipfile.ZipFile(self.file)
        member = self._archives[owner].getinfo(self.members[name])
        with _reading(name):
            raw = _Member(self._archives[owner].open(member), name)
        return io.BufferedReader(raw), member.file_size

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_archives": {}}
