"""Feature extraction with a cache: encoders run only on the samples whose features are not stored yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from divmetrics.encoders._encoder import Encoder
from divmetrics.extraction import loop
from divmetrics.extraction.known import KnownFeatures, keys_of
from divmetrics.extraction.loading import Batch
from divmetrics.extraction.segments import KEY
from divmetrics.extraction.store import PART, Cache
from divmetrics.records.extractor import Layer
from divmetrics.records.results import Skipped
from divmetrics.records.run_options import MAX_PIXELS
from divmetrics.sources import Source, Traits


def run(
    source: Source,
    encoders: Sequence[Encoder],
    *,
    layers: Collection[Layer],
    add: loop.Add,
    settings: loop.ExtractionSettings,
    own: range | None = None,
    more: bool = False,
) -> loop.Extracted:
    """Extract features as `loop.run` does, reading from `settings.store` what earlier runs have computed.

    Features are stored and passed to `add` while the others are computed, so an interrupted run continues where it was,
    and only a few of them are in memory at a time. Rows arrive in the order of the source, whichever of them come from
    the cache, so no sum depends on what was cached.

    Args:
        source: Samples whose contents can be hashed; others are extracted without the cache.
        encoders: Networks to run.
        layers: Layers to pass on.
        add: Receives the features, up to 512 samples at a time.
        settings: Device, batch size, workers and the cache.
        own: Positions in the source that this process is responsible for; None means all.
        more: Whether other sources follow, in unknown number.

    Returns:
        Paths, labels and skipped samples of the positions `own`.

    Raises:
        SourceError: More than `settings.max_skipped` of the samples cannot be read.
        Unavailable: The device lacks the memory for one sample, or a worker process died.
    """
    cache = settings.store
    places = range(len(source)) if own is None else own
    hashes = source.fingerprints(places) if cache is not None and encoders else None
    if cache is None or hashes is None:
        return loop.run(source, encoders, layers=layers, add=add, settings=settings, own=own, more=more)
    # what is known of an image must not depend on how large it might be when it was computed
    bound = "" if settings.max_pixels == MAX_PIXELS else f"|max-pixels:{settings.max_pixels}"
    delivery = _Delivery(cache, keys_of(hashes), places, encoders, layers, add, bound)
    del hashes
    delivery.advance()
    try:
        while missing := delivery.missing():
            for group, samples in missing.items():
                chosen = [encoder for encoder in encoders if encoder.name in group]
                _compute(source, chosen, _places(places, samples), delivery, settings)
    finally:
        delivery.flush()
    _tidy(cache, delivery)
    skipped = [Skipped(source.path(places[sample]), why) for sample, why in sorted(delivery.skipped.items())]
    loop.check_skipped(source, skipped, len(delivery.read), settings.max_skipped, shared=own is not None)
    return loop.Extracted(
        tuple(source.path(place) for place in delivery.read),
        None if source.labels is None else tuple(source.labels[place] for place in delivery.read),
        tuple(skipped),
        "+".join(sorted(delivery.engines)) or "none",
        Traits.joined(delivery.traits).with_files(source.file_hashes(delivery.read)),
    )


def _compute(
    source: Source,
    encoders: Sequence[Encoder],
    places: Sequence[int],
    delivery: _Delivery,
    settings: loop.ExtractionSettings,
) -> None:
    """One pass in which some encoders see the samples that they lack."""
    wanted = {layer for encoder in encoders for layer in delivery.known[encoder.name].stored}
    computed: dict[str, dict[Layer, Tensor]] = defaultdict(dict)

    def add(encoder: str, layer: Layer, rows: Tensor, _index: Tensor) -> None:
        computed[encoder][layer] = rows

    def after(batch: Batch, engine: str) -> None:
        delivery.take(batch, computed, engine)
        computed.clear()

    # the share of skipped samples is judged over the whole source, those from the cache included
    lenient = replace(settings, max_skipped=1.0)
    loop.run(source, encoders, layers=wanted, add=add, settings=lenient, own=places, after=after)


def _tidy(cache: Cache, delivery: _Delivery) -> None:
    for known in delivery.known.values():
        if known.wrote:
            cache.join_small(known.folder)
    cache.trim()


def _places(places: range, samples: Sequence[int]) -> Sequence[int]:
    """The positions in the source of some samples; a range where they follow each other, which takes no memory."""
    first, last = samples[0], samples[-1]
    return places[first : last + 1] if last - first + 1 == len(samples) else [places[sample] for sample in samples]


class _Delivery:
    """Passes features on in the order of the source, all encoders at once, as they are found or computed.

    Samples are numbered from 0 in the order of `places`, the positions in the source that this process reads.
    """

    def __init__(
        self,
        cache: Cache,
        keys: np.ndarray,
        places: range,
        encoders: Sequence[Encoder],
        layers: Collection[Layer],
        add: loop.Add,
        bound: str,
    ) -> None:
        self.known = {encoder.name: KnownFeatures(cache, encoder, layers, keys, bound) for encoder in encoders}
        self._keys, self._places, self._add, self._next = keys, places, add, 0
        self._equal = _equal_samples(keys)
        self._unreadable: set[bytes] = set()
        self.read: list[int] = []
        """Positions in the source of the samples passed on so far."""
        self.skipped: dict[int, str] = {}
        """Numbers of the samples that could not be read, and why."""
        self.traits: list[Traits] = []
        """Of the samples passed on."""
        self.engines: set[str] = set()

    def missing(self) -> dict[tuple[str, ...], list[int]]:
        """Names of encoders -> samples that exactly these lack: each is decoded once, and of equal ones the first."""
        absent = {name: known.absent() for name, known in self.known.items()}
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        seen: set[bytes] = set()
        candidates = np.flatnonzero(np.logical_or.reduce(list(absent.values())))
        for sample in candidates[candidates >= self._next].tolist():
            key = bytes(self._keys[sample])
            if sample in self.skipped or key in seen:
                continue
            if key in self._equal and key not in self._unreadable:
                seen.add(key)
            groups[tuple(name for name in absent if absent[name][sample])].append(sample)
        return groups

    def take(self, batch: Batch, computed: dict[str, dict[Layer, Tensor]], engine: str) -> None:
        """Keep what was computed of a batch, and pass on what has become complete."""
        first = self._places[0]
        read = [place - first for place in batch.places.tolist()]
        reasons = iter(batch.skipped)  # in the order of the positions that were not read
        for sample in sorted({place - first for place in batch.requested}.difference(read)):
            self.skipped[sample] = next(reasons).reason
            self._unreadable.add(bytes(self._keys[sample]))
        if read:
            pairs = [self._key_and_samples(sample, one) for sample, one in zip(read, batch.hashes, strict=True)]
            for name, rows in computed.items():
                keys, samples = [key for key, _ in pairs], [equal for _, equal in pairs]
                self.known[name].take(samples, keys, rows, batch.traits, engine)
        self.advance()

    def _key_and_samples(self, sample: int, decoded: bytes | None) -> tuple[bytes, np.ndarray]:
        """Key of a sample, by the content that was decoded, and the numbers of all samples equal to it."""
        key = bytes(self._keys[sample])
        whole = key.ljust(KEY, b"\0") if key else b""  # numpy drops zeros at the end
        if decoded is None or decoded[:KEY] == whole:
            return whole, self._equal.get(key, np.array([sample]))
        return decoded[:KEY], np.array([sample])  # the file has changed since it was hashed

    def advance(self) -> None:
        """Pass on all samples up to the first one that is not complete."""
        while self._next < len(self._places):
            block = np.arange(self._next, min(self._next + PART, len(self._places)))
            block = block[[sample not in self.skipped for sample in block.tolist()]] if self.skipped else block
            if any(known.lacks(block) for known in self.known.values()):
                return
            if len(block) and not self._pass_on(block):
                return
            self._next = min(self._next + PART, len(self._places))

    def _pass_on(self, samples: np.ndarray) -> bool:
        """Pass the features of some samples on; returns whether none of them was lost meanwhile."""
        found = {name: known.fetch(samples) for name, known in self.known.items()}
        fetched = {name: rows for name, rows in found.items() if rows is not None}
        if len(fetched) < len(found):
            return False
        places = [self._places[sample] for sample in samples.tolist()]
        for name, part in fetched.items():
            for layer, rows in part.rows.items():
                self._add(name, layer, rows, torch.tensor(places))
            self.engines |= part.engines
            self.known[name].passed_on(samples)
        self.read += places
        self.traits.append(next(iter(fetched.values())).traits)
        return True

    def flush(self) -> None:
        """Write what is not written yet."""
        for known in self.known.values():
            known.flush()


def _equal_samples(keys: np.ndarray) -> dict[bytes, np.ndarray]:
    """Key -> the samples that have it, where there are several."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(keys) else np.zeros(0, np.int64)
    ends = np.append(starts[1:], len(keys))
    several = np.flatnonzero(ends - starts > 1).tolist()
    return {bytes(ordered[starts[i]]): order[starts[i] : ends[i]] for i in several if ordered[starts[i]]}
