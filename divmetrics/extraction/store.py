"""Cache of features on disk, addressed by the content of each sample.

A folder for each encoder holds segments (`segments.py`), in which features stand beside the keys of their samples. The
keys of all its segments are read when a run starts, so any selection of the samples, in any order and under any names,
finds what earlier runs have computed. There is no index beside the segments that could disagree with them. A segment is
written whole or not at all, an interrupted run loses at most one, and small ones are joined.

Only files of our own naming are touched, in folders that our CACHEDIR.TAG marks; segments of other users are read,
never removed. Above the size limit the least recently used segments are removed.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from divmetrics.errors import UsageError
from divmetrics.extraction.segments import SCHEMA, DamagedSegment, Head, content_of, head_of, read_rows, verify
from divmetrics.records.files import CACHE_MARK, CACHE_TAG, atomic, is_our_cache
from divmetrics.records.folders import user_cache
from divmetrics.sources import Traits

PART = 512
"""Number of samples in a segment at most."""
SMALL, MANY = PART // 2, 8
"""Segments of fewer samples are joined when there are so many of them: those of runs that added a few images."""
LIMIT = 10 * 2**30
"""Default size limit in bytes; the environment variable `DIVMETRICS_CACHE_GB` overrides it."""
ABANDONED = 3600.0
"""Age in seconds from which a temporary file is taken for the remains of a killed process."""
BESIDE = "divmetrics-features"
"""Folder of the cache inside one that holds other things."""
_FOLDER = re.compile("[0-9a-f]{32}")
_SEGMENT = re.compile(r"[0-9a-f]{32}\.safetensors")
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.safetensors\.[A-Za-z0-9_]{8}")


HOMELESS = "this user has no home folder; name one with --cache or DIVMETRICS_CACHE"


@dataclass(frozen=True)
class Entry:
    """One segment of the cache, as `divmetrics cache ls` shows it."""

    path: Path
    bytes: int
    used: float
    """When it was last read or written, seconds since 1970."""
    encoder: str
    samples: int


@dataclass(frozen=True)
class Cache:
    """A folder of segments. Missing folders are created when the first one is written."""

    root: Path
    limit: int

    @classmethod
    def of_option(cls, wanted: str | os.PathLike[str] | bool) -> Cache | None:
        """The cache that the option `cache` names: True the default folder, False none, a path that folder."""
        if wanted is True and not os.environ.get("DIVMETRICS_CACHE") and user_cache() is None:
            warnings.warn(f"features are not kept: {HOMELESS}.", stacklevel=2)
            return None
        return None if wanted is False else cls.at(None if wanted is True else wanted)

    @classmethod
    def at(cls, folder: str | os.PathLike[str] | None = None) -> Cache:
        """The cache in `folder`, by default in `DIVMETRICS_CACHE` or where this system keeps caches.

        In a folder that holds other things it is the folder `divmetrics-features` inside.
        """
        gigabytes = os.environ.get("DIVMETRICS_CACHE_GB")
        try:
            limit = LIMIT if gigabytes is None else int(float(gigabytes) * 2**30)
        except (ValueError, OverflowError):
            raise UsageError(f"DIVMETRICS_CACHE_GB is {gigabytes!r}, wanted a number of gigabytes.") from None
        chosen = folder or os.environ.get("DIVMETRICS_CACHE")
        if chosen is None:
            if (home := user_cache()) is None:
                raise UsageError(f"there is no cache: {HOMELESS}.")
            chosen = home / "features"
        if Path(chosen).exists() and not Path(chosen).is_dir():
            raise UsageError(f"the cache {chosen} is a file; name a folder.")
        return cls(Path(chosen) if _is_free(Path(chosen)) else Path(chosen) / BESIDE, limit)

    def made(self) -> Cache:
        """The same, its folder made and marked where that is possible, for what else is kept in it."""
        with suppress(OSError):
            self.root.mkdir(parents=True, exist_ok=True)
            self._mark()
        return self

    def folder(self, features: str) -> Path:
        """The folder of the segments of one encoder; `features` is all that its numbers depend on but the samples."""
        return self.root / hashlib.sha256(f"{SCHEMA}|{features}".encode()).hexdigest()[:32]

    def heads(self, folder: Path) -> list[Head]:
        """What the segments in the folder of an encoder hold. Damaged ones are removed with a warning."""
        found = []
        for file in _own_files(folder, _SEGMENT):
            path = Path(file.path)
            try:
                found.append(head_of(path))
            except DamagedSegment as error:
                self.remove_damaged(path, error)
            except OSError:
                continue  # removed by another process, or of another user
        return found

    def verified(self, path: Path) -> Traits | None:
        """The traits of the samples in a segment, of which every byte is right; else None. It counts as used now."""
        try:
            traits = verify(path)
        except FileNotFoundError:
            return None  # removed by another process
        except DamagedSegment as error:
            self.remove_damaged(path, error)
            return None
        except OSError as error:  # of the disk or the network, not of the content
            warnings.warn(
                f"the cached features {path.stem[:8]} cannot be read and are computed again ({error.strerror}).",
                stacklevel=2,
            )
            return None
        with suppress(OSError):  # of another user, or on a disk that is read only
            os.utime(path)
        return traits

    def remove_damaged(self, path: Path, error: DamagedSegment) -> None:
        """Warn of a damaged segment, and remove it."""
        warnings.warn(
            f"the cached features {path.stem[:8]} were damaged and are computed again ({error}).", stacklevel=2
        )
        with suppress(OSError):
            path.unlink()

    def put(self, folder: Path, name: str, content: bytes) -> Path | None:
        """Write a segment; None where that fails. A full or read-only disk only warns, for the run can go on."""
        path = folder / f"{name}.safetensors"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._mark()
            with atomic(path) as temporary:
                temporary.write_bytes(content)
        except (OSError, UsageError) as error:
            reason = getattr(error, "strerror", None) or str(error).rstrip(".")
            warnings.warn(
                f"features cannot be cached in {self.root} ({reason}); --no-cache silences this.", stacklevel=2
            )
            return None
        return path

    def join_small(self, folder: Path) -> None:
        """Join the small segments in the folder of an encoder, where there are many."""
        mine = [head for head in self.heads(folder) if len(head.keys) < SMALL and _is_mine(head.path)]
        alike: dict[tuple[frozenset[str], str, str], list[Head]] = {}
        for head in sorted(mine, key=lambda head: len(head.keys)):
            alike.setdefault((head.layers, head.encoder, head.engine), []).append(head)
        for heads in alike.values():
            while len(heads) >= MANY:
                group = [heads.pop(0)]
                while heads and sum(len(head.keys) for head in group) + len(heads[0].keys) <= PART:
                    group.append(heads.pop(0))
                if not self._joined(folder, group):
                    return

    def _joined(self, folder: Path, group: list[Head]) -> bool:
        """Write the segments of a group as one, and remove them; returns whether that worked."""
        parts = [(head, traits) for head in group if (traits := self.verified(head.path)) is not None]
        if len(parts) < 2:
            return False
        try:
            layers = sorted(group[0].layers)
            pieces = [read_rows(head.path, layers, np.arange(len(head.keys))) for head, _ in parts]
        except OSError:
            return False
        rows = {layer: torch.cat([piece[layer] for piece in pieces]) for layer in layers}
        keys = [key.ljust(16, b"\0") for head, _ in parts for key in head.keys.tolist()]
        traits = Traits.joined(traits for _, traits in parts)
        name, content = content_of(keys, rows, group[0].encoder, group[0].engine, traits)
        if self.put(folder, name, content) is None:
            return False
        for head, _ in parts:
            if head.path.stem != name:
                with suppress(OSError):
                    head.path.unlink()
        return True

    def entries(self) -> Iterator[Entry]:
        """All segments, the least recently used first."""
        found = []
        for file in self._segments():
            path = Path(file.path)
            with suppress(OSError):  # another process removed it
                stat = file.stat(follow_symlinks=False)
                try:
                    head = head_of(path)
                    found.append(Entry(path, stat.st_size, stat.st_mtime, head.encoder, len(head.keys)))
                except DamagedSegment:
                    found.append(Entry(path, stat.st_size, 0.0, "damaged", 0))
        return iter(sorted(found, key=lambda entry: entry.used))

    def trim(self) -> int:
        """Remove this user's least recently used segments above the limit, and remains of killed runs; returns how many
        segments."""
        for leftover in self._files(_TEMPORARY):
            with suppress(OSError):  # its owner has put it into its place
                if leftover.stat(follow_symlinks=False).st_mtime < time.time() - ABANDONED and _is_mine(leftover):
                    os.unlink(leftover.path)  # noqa: PTH108
        return self._shrink(self.limit, only_mine=True)

    def clear(self) -> int:
        """Remove all segments; returns their number."""
        return self._shrink(-1, only_mine=False)

    def _shrink(self, limit: int, *, only_mine: bool) -> int:
        """Remove the least recently used segments above `limit` bytes; returns their number."""
        stats = []
        for file in self._segments():
            with suppress(OSError):
                stat = file.stat(follow_symlinks=False)
                if not only_mine or _is_mine(file):
                    stats.append((stat.st_mtime, stat.st_size, file.path))
        total, removed = sum(size for _, size, _ in stats), 0
        for _, size, path in sorted(stats):
            if total <= limit:
                break
            with suppress(OSError):
                os.unlink(path)  # noqa: PTH108
                total -= size
                removed += 1
        return removed

    def _segments(self) -> Iterator[os.DirEntry[str]]:
        return self._files(_SEGMENT)

    def _files(self, name: re.Pattern[str]) -> Iterator[os.DirEntry[str]]:
        """Regular files of our naming, in a folder that is marked as ours; others are not even looked at."""
        if not is_our_cache(self.root):
            return
        for folder in _listed(self.root):
            with suppress(OSError):
                if _FOLDER.fullmatch(folder.name) and folder.is_dir(follow_symlinks=False):
                    yield from _own_files(Path(folder.path), name)

    def _mark(self) -> None:
        """Mark the folder as a cache of ours."""
        if not is_our_cache(self.root):
            with suppress(FileExistsError), (self.root / CACHE_TAG).open("x", encoding="utf-8") as file:
                file.write(CACHE_MARK)


def _is_free(folder: Path) -> bool:
    """Whether a folder may become a cache, or is one: it does not exist, is empty, or is marked."""
    return is_our_cache(folder) or not _listed(folder)


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _own_files(folder: Path, name: re.Pattern[str]) -> Iterator[os.DirEntry[str]]:
    """The regular files in a folder whose names are of our making, in a fixed order."""
    for file in sorted(_listed(folder), key=lambda file: file.name):
        with suppress(OSError):
            if name.fullmatch(file.name) and file.is_file(follow_symlinks=False):
                yield file


def _is_mine(file: os.DirEntry[str] | Path) -> bool:
    """Whether a file is there and belongs to the user of this process; on systems without users, it does."""
    try:
        owner = file.stat(follow_symlinks=False).st_uid
    except OSError:
        return False
    return not hasattr(os, "geteuid") or owner == os.geteuid()
