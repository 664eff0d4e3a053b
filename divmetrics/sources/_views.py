"""Views of a source: a subset of its samples, or other labels."""

from __future__ import annotations

import csv
import hashlib
import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from divmetrics.errors import SourceError, TooFewSamples, UsageError
from divmetrics.records.files import check_regular
from divmetrics.records.results import Skipped
from divmetrics.sources._base import Kind, Source
from divmetrics.sources._labels import check_label_shape, label_name
from divmetrics.sources._statistics import Statistics
from divmetrics.sources._traits import Look

_MOST_BYTES = 2**28
"""Bytes of a csv file with labels at most: some millions of samples."""


@dataclass(frozen=True, eq=False)
class View(Source):
    """The samples of `base` at `indices`, with other labels."""

    name: str
    kind: Kind
    base: Source
    indices: Sequence[int]
    labels: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def limited(self, max_pixels: int) -> Self:
        """As `Source.limited`."""
        return replace(self, base=self.base.limited(max_pixels))

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """As `Source.read`."""
        return self.base.read([self.indices[i] for i in indices])

    @property
    def skipped(self) -> Sequence[Skipped]:  # type: ignore[override]
        """As `Source.skipped`."""
        return self.base.skipped

    @property
    def stored(self) -> Statistics | None:  # type: ignore[override]
        """As `Source.stored`."""
        return self.base.stored

    @property
    def found(self) -> int:
        """As `Source.found`."""
        return self.base.found

    @property
    def threadsafe(self) -> bool:  # type: ignore[override]
        """As `Source.threadsafe`."""
        return self.base.threadsafe

    def inspect(self, index: int) -> tuple[np.ndarray, Look]:
        """As `Source.inspect`."""
        return self.base.inspect(self.indices[index])

    def inspect_hashed(self, index: int) -> tuple[np.ndarray, Look, bytes | None]:
        """As `Source.inspect_hashed`."""
        return self.base.inspect_hashed(self.indices[index])

    def thumbnail(self, index: int, side: int) -> np.ndarray:
        """As `Source.thumbnail`."""
        return self.base.thumbnail(self.indices[index], side)

    def file_hashes(self, indices: Sequence[int]) -> list[bytes] | None:
        """As `Source.file_hashes`."""
        return self.base.file_hashes([self.indices[i] for i in indices])

    def jpeg(self, index: int) -> bytes | None:
        """As `Source.jpeg`."""
        return self.base.jpeg(self.indices[index])

    def fingerprints(self, indices: Sequence[int]) -> list[bytes] | None:
        """As `Source.fingerprints`."""
        return self.base.fingerprints([self.indices[i] for i in indices])

    def path(self, index: int) -> str:
        """The sample's path in `base`."""
        return self.base.path(self.indices[index])

    def digest(self) -> str | None:
        """sha256 over the digest of `base`, the indices and the labels; None where `base` has none."""
        return self._digest

    @cached_property
    def _digest(self) -> str | None:
        """As `digest`, computed once."""
        if (base := self.base.digest()) is None:
            return None
        whole = hashlib.sha256(base.encode() + np.array(self.indices, dtype="<i8").tobytes())
        whole.update("\0".join(self.labels or ()).encode("utf-8", "surrogateescape"))
        return f"sha256:{whole.hexdigest()}"


def whole_source(source: Source) -> Source:
    """The source that a view, or a view of a view, shows samples of; any other source itself."""
    while isinstance(source, View):
        source = source.base
    return source


@dataclass(frozen=True, eq=False)
class Drawn(View):
    """Samples of `base` drawn by a seed."""

    seed: int = 0
    taken: tuple[int, ...] = ()
    """Places in `base` that were drawn before these."""

    def others(self, num: int) -> Drawn | None:
        """As many further samples, in place of those that turned out to be unreadable; None where none is left."""
        taken = (*self.taken, *self.indices)
        left = np.setdiff1d(np.arange(len(self.base)), taken)
        num = min(num, len(left))
        return _drawn(self.base, left, num, self.seed, taken) if num else None


def _drawn(source: Source, places: np.ndarray, num: int, seed: int, taken: tuple[int, ...] = ()) -> Drawn:
    """`num` of the samples at `places`, in the order of the source."""
    chosen = places[chosen_by_seed(len(places), num, seed)].tolist()
    labels = None if source.labels is None else tuple(source.labels[i] for i in chosen)
    return Drawn(source.name, source.kind, source, chosen, labels, seed, taken)


def chosen_by_seed(n: int, num: int, seed: int) -> np.ndarray:
    """Which `num` of `n` samples a seed draws, in ascending order: the same for a source and for its features."""
    return np.sort(np.random.default_rng(seed).choice(n, num, replace=False))


def subset(source: Source, num: int, seed: int) -> Source:
    """A random subset of a source, drawn without replacement, in the order of the source.

    Args:
        source: The samples.
        num: How many to draw.
        seed: Seed of the draw.

    Returns:
        A source of `num` samples.

    Raises:
        TooFewSamples: where `source` has fewer.
        UsageError: where `num` is not positive.

    Example:
        >>> import numpy as np
        >>> from divmetrics.sources import open_source
        >>> len(subset(open_source(np.zeros((10, 4), np.float32)), 3, seed=0))
        3
    """
    if num < 1:
        raise UsageError(f"{source.name}: cannot draw {num} samples; draw at least 1.")
    if num > len(source):
        raise TooFewSamples(f"{source.name} has {len(source)} samples, {num} were wanted; lower --num or add samples.")
    return source if num == len(source) else _drawn(source, np.arange(len(source)), num, seed)


def with_labels(source: Source, labels: Sequence[Any] | np.ndarray | torch.Tensor) -> Source:
    """A source with other labels.

    Args:
        source: The samples.
        labels: Class name or class number of each sample, `[n]`: a list, an array or a tensor.

    Returns:
        The same samples with these labels.

    Raises:
        SourceError: where there is not exactly one label for each sample, or labels are rows `[n, 1]`.
    """
    if len(labels) != len(source):
        raise SourceError(
            f"{len(labels)} labels for the {len(source)} samples of {source.name}; give one label a sample."
        )
    check_label_shape(labels)
    return View(source.name, source.kind, source, range(len(source)), tuple(map(label_name, labels)))


def labels_from_csv(
    sources: Sequence[Source], file: str | os.PathLike[str], sides: Sequence[str] | None = None
) -> list[Source]:
    """Sources with the labels of a csv file.

    Args:
        sources: The sample sets that the file may label.
        file: A csv file with the columns `path` and `label`; paths are relative to the source, as `Source.path` gives
            them, or begin with the source as the user named it: `real/1.png`, `real.npy#3`. A column `side` (real,
            fake, held_out) limits a line to one of them.
        sides: What the sources are, in their order: `real`, `fake`, `held_out`.

    Returns:
        The sources in their order; those of which the file names samples have its labels. Where sources have paths in
        common, the one whose samples are exactly those of the file has them alone.

    Raises:
        SourceError: where a path belongs to no source, only some samples of a source are labelled, or numbers of
            samples may be those of several arrays.
    """
    table = _read_csv(Path(file))
    names = [f"side {number}" for number in range(len(sources))] if sides is None else list(sides)
    if unknown := sorted({side for side, _ in table} - {"", *names}):
        raise SourceError(f"{file}: there is no side {unknown[0]!r} here; write {', '.join(names)}, or leave it empty.")
    wide = [_Places(source, side) for source, side in zip(sources, names, strict=True)]
    known = {key for places in wide for keys in places.keys for key in keys}
    skipped = {sample.path for source in sources for sample in source.skipped}
    if unmatched := sorted(path for side, path in table if (side, path) not in known and path not in skipped):
        raise SourceError(
            f"{file}: {len(unmatched)} path(s) match no sample of {' or '.join(source.name for source in sources)}, "
            f"{unmatched[0]!r} for one; write them relative to the source, like {wide[0].paths[0]!r}."
        )
    owners = _owners(wide, table, file)
    return [
        _with_labels_from(source, places, table, file) if places in owners else source
        for source, places in zip(sources, wide, strict=True)
    ]


class _Places:
    """Under which side and path a csv file may name each sample of a source."""

    def __init__(self, source: Source, side: str) -> None:
        self.name = source.name
        self.paths = [source.path(i) for i in range(len(source))]
        whole = [source.name + path if path[:1] == "#" else posixpath.join(source.name, path) for path in self.paths]
        full = [posixpath.normpath(path) for path in whole]
        self.keys = [
            [(side, path), (side, long), ("", long), ("", path)] for path, long in zip(self.paths, full, strict=True)
        ]
        """For each sample, what names it, the surest first."""


def _owners(
    wide: Sequence[_Places], table: Mapping[tuple[str, str], str], file: str | os.PathLike[str]
) -> list[_Places]:
    """The sources that a csv file speaks of. Raises SourceError where numbers of samples fit several arrays."""
    own = [places for places in wide if any(key in table for keys in places.keys for key in keys[:-1])]
    rest = {path for side, path in table if side == ""} - {keys[2][1] for places in own for keys in places.keys}
    others = [places for places in wide if places not in own and rest & set(places.paths)]
    exact = [places for places in others if set(places.paths) == rest]
    if len(exact) > 1 and any(path.startswith("#") for path in rest):
        raise SourceError(
            f"{file}: {exact[0].paths[0]!r} may be a sample of {' or of '.join(places.name for places in exact)}; "
            "add a column side that says real or fake."
        )
    return [*own, *(exact or others)]


def _with_labels_from(
    source: Source, places: _Places, table: Mapping[tuple[str, str], str], file: str | os.PathLike[str]
) -> Source:
    """`source` with labels from `table`, which must name each of its samples."""
    labels = [next((table[key] for key in keys if table.get(key)), "") for keys in places.keys]
    if unlabelled := [path for path, label in zip(places.paths, labels, strict=True) if not label]:
        raise SourceError(
            f"{file}: {len(unlabelled)} sample(s) of {source.name} have no label, {unlabelled[0]!r} for one; add them."
        )
    return with_labels(source, labels)


def _read_csv(file: Path) -> dict[tuple[str, str], str]:
    """(side or empty, path) -> label, from a csv file with the columns path and label."""
    table: dict[tuple[str, str], str] = {}
    try:
        check_regular(file)
        if (size := file.stat().st_size) > _MOST_BYTES:
            raise SourceError(f"the labels {file} take {size} bytes, more than {_MOST_BYTES}; is it that file?")
        with file.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as lines:
            rows = csv.DictReader(lines)
            if not {"path", "label"} <= set(rows.fieldnames or ()):
                found = ", ".join(rows.fieldnames or ()) or "nothing"
                raise SourceError(f"{file} begins with {found}; wanted a first line with the columns path,label.")
            for row in rows:
                key = (row.get("side") or "").strip(), posixpath.normpath(row["path"] or "")
                label = row["label"] or ""
                label.encode()  # of a path, bytes that are not UTF-8 may be the name of the file
                if table.setdefault(key, label) != label:
                    raise SourceError(f"{file}: {key[1]!r} has two labels, {table[key]!r} and {label!r}; leave one.")
    except (OSError, UnicodeError, csv.Error) as error:
        raise SourceError(f"cannot read the labels {file}: {getattr(error, 'strerror', None) or error}.") from None
    if not table:
        raise SourceError(f"{file} labels no sample; wanted a line path,label for each below the first one.")
    return table
