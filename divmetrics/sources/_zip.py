"""Image files in a `.zip`, stored or deflated, read in place."""

from __future__ import annotations

import os
import stat
import threading
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from divmetrics.errors import SourceError
from divmetrics.sources._base import UnreadableSample
from divmetrics.sources._files import Container, ImageFiles, follow_links, image_files, link_target, member_name
from divmetrics.sources._listing import Listing, is_visible

_LONGEST_LINK = 4096
"""Bytes of the target of a symbolic link at most."""


def open_zip(path: str) -> ImageFiles:
    """The images in a zip, laid out as in a folder. Raises SourceError on a damaged or empty file."""
    try:
        with zipfile.ZipFile(path) as archive:
            members, lost = _members(archive)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise SourceError(f"{path} is damaged or no zip ({error}); make it again.") from None
    return image_files(path, Zip(Path(path), members, lost))


def _members(archive: zipfile.ZipFile) -> tuple[dict[str, str], dict[str, str]]:
    """Relative name -> name in the zip of every visible file, and what cannot be opened as one -> why."""
    members: dict[str, str] = {}
    links: dict[str, str] = {}
    for member in archive.infolist():
        name = member_name(member.filename)
        if stat.S_ISLNK(member.external_attr >> 16) and member.file_size <= _LONGEST_LINK:
            links[name] = link_target(name, os.fsdecode(archive.read(member)))
        elif not member.is_dir():
            members[name] = member.filename
    found, lost = follow_links(links, members)
    members.update({name: members[target] for name, target in found.items()})
    visible = {name: member for name, member in members.items() if is_visible(name)}
    return visible, {name: reason for name, reason in lost.items() if is_visible(name)}


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

    def content(self, name: str) -> bytes:
        """Content of one file. Raises UnreadableSample."""
        owner = os.getpid(), threading.get_ident()
        if owner not in self._archives:
            self._archives[owner] = zipfile.ZipFile(self.file)
        try:
            return self._archives[owner].read(self.members[name])
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:  # RuntimeError: encrypted
            raise UnreadableSample(name, f"damaged in the zip: {error}") from None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_archives": {}}
