"""Cache of features on disk, addressed by the contents of the samples.

Features are stored in parts of 512 samples. The key of a part is a hash of the contents of its samples, the weights and
preprocessing of the encoder, and the layers; names and locations of files do not enter. So a changed or added file
invalidates its own part only, an interrupted extraction continues after its last part, and runs, metrics and processes
share all features.

A part is one safetensors file, written atomically; reading it executes no code. Two processes that write the same part
write the same bytes. Above the size limit the least recently used parts are removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from divmetrics.errors import UsageError
from divmetrics.records.extractor import Layer
from divmetrics.records.files import atomic
from divmetrics.sources import Traits

PART = 512
"""Number of samples in a part."""
LIMIT = 10 * 2**30
"""Default size limit in bytes; the environment variable `DIVMETRICS_CACHE_GB` overrides it."""
ABANDONED = 3600.0
"""Age in seconds from which a temporary file is taken for the remains of a killed process."""
_SCHEMA = "divmetrics.part/2"


@dataclass(frozen=True)
class Part:
    """Features of up to 512 samples by one encoder."""

    rows: Mapping[Layer, Tensor]  # layer -> [m, ...] float32, the samples that could be read
    places: Tensor  # [m] int64, their positions in the part
    skipped: Mapping[int, str]
    """Position in the part -> why the sample could not be read."""
    engine: str
    traits: Traits = field(default_factory=Traits)
    """Of the samples that could be read."""


@dataclass(frozen=True)
class Entry:
    """One file of the cache, as `divmetrics cache ls` shows it."""

    path: Path
    bytes: int
    used: float
    """When it was last read or written, seconds since 1970."""
    encoder: str


@dataclass(frozen=True)
class Cache:
    """A folder of parts. Missing folders are created when the first part is written."""

    root: Path
    limit: int

    @classmethod
    def of_option(cls, wanted: str | os.PathLike[str] | bool) -> Cache | None:
        """The cache that the option `cache` names: True the default folder, False none, a path that folder."""
        return None if wanted is False else cls.at(None if wanted is True else wanted)

    @classmethod
    def at(cls, folder: str | os.PathLike[str] | None = None) -> Cache:
        """The cache in `folder`, by default in `DIVMETRICS_CACHE` or where this system keeps caches."""
        gigabytes = os.environ.get("DIVMETRICS_CACHE_GB")
        try:
            limit = LIMIT if gigabytes is None else int(float(gigabytes) * 2**30)
        except ValueError:
            raise UsageError(f"DIVMETRICS_CACHE_GB is {gigabytes!r}, wanted a number of gigabytes.") from None
        chosen = folder or os.environ.get("DIVMETRICS_CACHE")
        if chosen is None:
            from platformdirs import user_cache_path

            chosen = user_cache_path("divmetrics") / "features"
        if Path(chosen).exists() and not Path(chosen).is_dir():
            raise UsageError(f"the cache {chosen} is a file; name a folder.")
        return cls(Path(chosen), limit)

    def key(self, contents: Sequence[bytes], encoder: str, layers: Sequence[Layer]) -> str:
        """Name of the part with these samples.

        Args:
            contents: Hash of each sample, in order.
            encoder: Everything that the features depend on besides the samples.
            layers: Layers that the part holds, in any order.
        """
        whole = hashlib.sha256(f"{_SCHEMA}|{encoder}|{'+'.join(sorted(layers))}|".encode())
        for content in contents:
            whole.update(hashlib.sha256(content).digest())
        return whole.hexdigest()

    def has(self, key: str) -> bool:
        """Whether there is a part of that name; `get` may still find it damaged or removed."""
        return self._path(key).is_file()

    def get(self, key: str) -> Part | None:
        """The part of that name, or None. A damaged file is removed with a warning."""
        path = self._path(key)
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {})["header"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
            traits = Traits.from_json(header["traits"])
            os.utime(path)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            path.unlink(missing_ok=True)
            warnings.warn(
                f"the cached features {path.name[:8]} were damaged and are computed again ({error}).", stacklevel=2
            )
            return None
        places = tensors.pop("places")
        skipped = {int(place): reason for place, reason in header["skipped"].items()}
        return Part(tensors, places, skipped, header["engine"], traits)

    def put(self, key: str, part: Part, encoder: str) -> bool:
        """Write a part; returns whether that worked. A full or read-only disk only warns, for the run can go on."""
        header = {
            "encoder": encoder,
            "engine": part.engine,
            "skipped": {str(p): why for p, why in part.skipped.items()},
            "traits": part.traits.to_json(),
        }
        path = self._path(key)
        tensors = {name: rows.cpu().contiguous() for name, rows in part.rows.items()} | {"places": part.places}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic(path) as temporary:
                save_file(tensors, temporary, metadata={"header": json.dumps(header)})
            return True
        except (OSError, SafetensorError, UsageError) as error:
            warnings.warn(
                f"features cannot be cached in {self.root} ({error}); --no-cache silences this.", stacklevel=2
            )
            return False

    def entries(self) -> Iterator[Entry]:
        """All parts, the least recently used first."""
        found = []
        for path in self.root.glob("??/*.safetensors"):
            try:
                with safe_open(path, framework="pt") as file:
                    encoder = json.loads((file.metadata() or {})["header"])["encoder"]
                found.append(Entry(path, path.stat().st_size, path.stat().st_mtime, encoder))
            except FileNotFoundError:
                continue  # another process cleared it
            except (SafetensorError, OSError, KeyError, ValueError):
                with suppress(FileNotFoundError):
                    found.append(Entry(path, path.stat().st_size, 0.0, "damaged"))
        return iter(sorted(found, key=lambda entry: entry.used))

    def trim(self) -> int:
        """Remove the least recently used parts above the limit, and remains of killed runs; returns how many parts."""
        for leftover in self.root.glob("??/.*"):
            with suppress(FileNotFoundError):  # its owner has put it into its place
                if leftover.stat().st_mtime < time.time() - ABANDONED:
                    leftover.unlink()
        sizes = {}
        for path in self.root.glob("??/*.safetensors"):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            sizes[path] = (stat.st_mtime, stat.st_size)
        total = sum(size for _, size in sizes.values())
        removed = 0
        for path, (_, size) in sorted(sizes.items(), key=lambda item: item[1]):
            if total <= self.limit:
                break
            path.unlink(missing_ok=True)
            total -= size
            removed += 1
        return removed

    def clear(self) -> int:
        """Remove all parts; returns their number."""
        return Cache(self.root, -1).trim()

    def _path(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}.safetensors"
