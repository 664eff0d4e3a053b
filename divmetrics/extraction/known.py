"""`KnownFeatures`: where the features of one encoder are, for each sample of a source: in the cache, or in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from divmetrics.encoders._encoder import Encoder
from divmetrics.extraction.segments import KEY, content_of, read_rows
from divmetrics.extraction.store import PART, Cache
from divmetrics.records.extractor import Layer
from divmetrics.sources import Traits

ALWAYS_STORED: frozenset[Layer] = frozenset({"pooled", "logits"})
"""Layers that are stored even if this run does not need them: they are small, and the next run may."""
LARGE = 2**25
"""Bytes from which a segment is written, however few samples it has: layers such as pixels are large."""
ABSENT = -1


@dataclass
class _Segment:
    """Features of some samples: in a file, in memory, or in both until they have been passed on."""

    path: Path | None = None
    engine: str = ""
    pieces: dict[Layer, list[Tensor]] = field(default_factory=dict)
    """Layer -> features in memory; empty where they are in the file only."""
    traits: Traits | None = None
    """None until the file was verified."""
    keys: list[bytes] = field(default_factory=list)
    waiting: int = 0
    """Samples of this run that are still to be passed on."""

    @property
    def bytes(self) -> int:
        return sum(piece.nbytes for pieces in self.pieces.values() for piece in pieces)


@dataclass(frozen=True)
class Fetched:
    """Features of some samples, in their order."""

    rows: dict[Layer, Tensor]
    traits: Traits
    engines: frozenset[str]


class KnownFeatures:
    """The features of one encoder that are known; `take` adds to them what has been computed.

    Args:
        cache: Where they are kept.
        encoder: The encoder.
        layers: Layers that this run reads.
        keys: Key of each sample, `[n]` S16; empty for one whose content could not be read.
    """

    def __init__(
        self, cache: Cache, encoder: Encoder, layers: Collection[Layer], keys: np.ndarray, bound: str = ""
    ) -> None:
        self.name = encoder.name
        self.folder = cache.folder(f"{encoder.name}#{encoder.digest}|{encoder.preprocessing}{bound}")
        self.wanted = [layer for layer in encoder.layers if layer in layers]
        self.stored = [layer for layer in encoder.layers if layer in layers or layer in ALWAYS_STORED]
        self.wrote = False
        self._refused = False
        self._cache, self._keys = cache, keys
        self._segments: list[_Segment] = []
        self._segment = np.full(len(keys), ABSENT, np.int32)
        self._row = np.zeros(len(keys), np.int32)
        self._open: _Segment | None = None
        self._closed: _Segment | None = None
        self._find()

    def _find(self) -> None:
        """Look the keys up in all segments that hold the layers."""
        heads = [head for head in self._cache.heads(self.folder) if head.layers.issuperset(self.wanted)]
        if not heads or not len(self._keys):
            return
        known = np.concatenate([head.keys for head in heads])
        segment = np.repeat(np.arange(len(heads), dtype=np.int32), [len(head.keys) for head in heads])
        row = np.concatenate([np.arange(len(head.keys), dtype=np.int32) for head in heads])
        order = np.argsort(known, kind="stable")
        at = order[np.minimum(np.searchsorted(known[order], self._keys), len(order) - 1)]
        hit = (known[at] == self._keys) & (self._keys != b"")
        self._segment[hit], self._row[hit] = segment[at[hit]], row[at[hit]]
        self._segments = [_Segment(head.path, head.engine) for head in heads]
        for number, count in enumerate(np.bincount(self._segment[hit], minlength=len(heads)).tolist()):
            self._segments[number].waiting = count

    def absent(self) -> np.ndarray:
        """For each sample, whether its features are not known. `[n]` bool"""
        return np.equal(self._segment, ABSENT)

    def lacks(self, samples: np.ndarray) -> bool:
        """Whether the features of one of these samples are not known."""
        return bool((self._segment[samples] == ABSENT).any())

    def take(
        self,
        samples: Sequence[np.ndarray],
        keys: Sequence[bytes],
        rows: dict[Layer, Tensor],
        traits: Traits,
        engine: str,
    ) -> None:
        """Keep computed features.

        Args:
            samples: For each row, the numbers of the samples that it belongs to: several where they are equal.
            keys: Key of what was decoded for each row; empty where it is not known and the row cannot be kept on disk.
            rows: Layer -> features `[b, ...]`.
            traits: Of the rows.
            engine: What ran the network.
        """
        if self._open is None:
            self._open = _Segment(traits=Traits())
            self._segments.append(self._open)
        segment, number = self._open, len(self._segments) - 1
        for row, equal in enumerate(samples, len(segment.keys)):
            self._segment[equal], self._row[equal] = number, row
            segment.waiting += len(equal)
        for layer in self.stored:
            if layer in rows:
                segment.pieces.setdefault(layer, []).append(rows[layer])
        segment.keys += keys
        assert segment.traits is not None  # noqa: S101  set above
        segment.traits, segment.engine = segment.traits + traits, engine
        if len(segment.keys) >= PART or segment.bytes >= LARGE:
            self.flush()

    def flush(self) -> None:
        """Write what has been computed and is not written yet."""
        if self._open is None:
            return
        segment, self._open = self._open, None
        kept = [row for row, key in enumerate(segment.keys) if key]
        if kept:
            assert segment.traits is not None  # noqa: S101
            rows = {layer: _rows_at(pieces, kept) for layer, pieces in segment.pieces.items()}
            keys, traits = [segment.keys[row] for row in kept], segment.traits.at(kept)
            name, content = content_of(keys, rows, self.name, segment.engine, traits)
            path = None if self._refused else self._cache.put(self.folder, name, content)
            self.wrote, self._refused = self.wrote or path is not None, path is None  # it is said once
            if len(kept) == len(segment.keys):  # else rows have other numbers in the file
                segment.path = path
        if self._closed is not None and self._closed.path is not None:
            self._closed.pieces = {}
        self._closed = segment  # the next samples to be passed on are often among its last

    def fetch(self, samples: np.ndarray) -> Fetched | None:
        """Features of some samples; None where some have been lost, which are absent now.

        Args:
            samples: Numbers of samples that are not absent, `[b]`.
        """
        numbers = self._segment[samples]
        found: list[tuple[np.ndarray, dict[Layer, Tensor], Traits]] = []
        whole = True
        for number in dict.fromkeys(numbers.tolist()):
            places = np.flatnonzero(numbers == number)
            if (part := self._read(self._segments[number], self._row[samples[places]])) is None:
                self._segment[self._segment == number] = ABSENT
                whole = False
            else:
                found.append((places, *part))
        if not whole:
            return None
        engines = frozenset(self._segments[number].engine for number in set(numbers.tolist()))
        if len(found) == 1:
            return Fetched(*found[0][1:], engines)
        order = np.argsort(np.concatenate([places for places, _, _ in found]))
        back = torch.from_numpy(order)
        rows = {layer: _together([part[layer] for _, part, _ in found])[back] for layer in self.wanted}
        return Fetched(rows, Traits.joined(traits for _, _, traits in found).at(order.tolist()), engines)

    def _read(self, segment: _Segment, rows: np.ndarray) -> tuple[dict[Layer, Tensor], Traits] | None:
        """Rows of one segment, and the traits of their samples; None where its file is damaged or gone."""
        if segment.traits is None and segment.path is not None:
            segment.traits = self._cache.verified(segment.path)
        if segment.traits is None:
            return None
        if segment.pieces:
            found = {layer: _rows_at(segment.pieces[layer], rows.tolist()) for layer in self.wanted}
        else:
            try:
                assert segment.path is not None  # noqa: S101  neither in memory nor in a file
                found = read_rows(segment.path, self.wanted, rows)
            except OSError:
                return None
        return found, segment.traits.at(rows.tolist())

    def passed_on(self, samples: np.ndarray) -> None:
        """Forget what is in memory only for the sake of these samples."""
        for number, count in zip(*np.unique(self._segment[samples], return_counts=True), strict=True):
            segment = self._segments[number]
            segment.waiting -= count
            if segment.waiting == 0 and segment is not self._open:
                segment.pieces, segment.traits, segment.keys = {}, None, []


def keys_of(hashes: Sequence[bytes]) -> np.ndarray:
    """Hashes as keys `[n]` S16."""
    return np.array([one[:KEY] for one in hashes], dtype=f"S{KEY}")


def _rows_at(pieces: list[Tensor], rows: list[int]) -> Tensor:
    whole = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
    return whole if rows == list(range(len(whole))) else whole[torch.tensor(rows, dtype=torch.int64)]


def _together(parts: list[Tensor]) -> Tensor:
    """Rows from files and rows in memory, which may be on another device, as one tensor."""
    return torch.cat(parts if len({part.device for part in parts}) == 1 else [part.cpu() for part in parts])
