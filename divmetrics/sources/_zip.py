"""Image files in a `.zip`, stored or deflated, read in place."""

from __future__ import annotations

import os
import threading
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from divmetrics.errors import SourceError
from divmetrics.sources._base import UnreadableSample
from divmetrics.sources._files import Container, ImageFiles, image_files, is_visible, member_name


def open_zip(path: str) -> ImageFiles:
    """The images in a zip, laid out as in a folder. Raises SourceError on a damaged or empty file."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member_name(member.filename): member for member in archive.infolist() if not member.is_dir()}
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise SourceError(f"{path} is damaged or no zip ({error}); make it again.") from None
    visible = {name: member.filename for name, member in members.items() if is_visible(name)}
    return image_files(path, Zip(Path(path), visible))


@dataclass(frozen=True)
class Zip(Container):
    """The files of one zip. Each process and thread opens it for itself, since handles cannot be shared."""

    file: Path
    members: Mapping[str, str]
    """Relative name -> name in the zip."""
    _archives: dict[tuple[int, int], zipfile.ZipFile] = field(default_factory=dict, repr=False, compare=False)
    """Process and thread -> open archive."""

    def names(self) -> Iterable[str]:
        """Every visible file."""
        return self.members

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
