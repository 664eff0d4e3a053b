"""Feature extraction with a cache: encoders run only on the parts of a source whose features are not stored yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from time import perf_counter

import torch
from torch import Tensor

from divmetrics.encoders._encoder import Encoder
from divmetrics.extraction import loop
from divmetrics.extraction.loading import Batch
from divmetrics.extraction.store import PART, Cache, Part
from divmetrics.records.extractor import Layer
from divmetrics.records.results import Skipped
from divmetrics.sources import Source, Traits

ALWAYS_STORED: frozenset[Layer] = frozenset({"pooled", "logits"})
"""Layers that are stored even if this run does not need them: they are small, and the next run may."""

PartName = tuple[str, int]
"""Name of the encoder and number of the part in the source."""


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

    A part is stored and passed to `add` as soon as it is complete, so an interrupted run continues after its last part,
    and only a few parts are in memory at a time. Each encoder's rows arrive in the order of the source, whichever of
    them come from the cache, so no sum depends on what was cached.

    Args:
        source: Samples whose contents can be hashed; others are extracted without the cache.
        encoders: Networks to run.
        layers: Layers to pass on.
        add: Receives the features, part by part.
        settings: Device, batch size, workers and the cache.
        own: Positions in the source that this process is responsible for; None means all.
        more: Whether other sources follow, in unknown number.

    Returns:
        Paths, labels and skipped samples of the positions `own`.

    Raises:
        SourceError: More than `settings.max_skipped` of the samples cannot be read.
        Unavailable: The device lacks the memory for one sample, or a worker process died.
    """
    begin, cache = perf_counter(), settings.store
    places = range(len(source)) if own is None else own
    contents = source.fingerprints(places) if cache is not None and encoders else None
    if cache is None or contents is None:
        return loop.run(source, encoders, layers=layers, add=add, settings=settings, own=own, more=more)
    cuts = [places[start : start + PART] for start in range(0, len(places), PART)]
    keys = {
        (encoder.name, number): cache.key(contents[number * PART : (number + 1) * PART], *_described(encoder, layers))
        for encoder in encoders
        for number in range(len(cuts))
    }
    delivery = _Delivery(cache, keys, cuts, encoders, layers, add)
    delivery.advance()
    while missing := delivery.missing():
        for group, numbers in missing.items():
            chosen = [encoder for encoder in encoders if encoder.name in group]
            _PartAssembler(source, chosen, {number: cuts[number] for number in numbers}, delivery.keep).run(
                layers, settings
            )
    cache.trim()
    skipped = [Skipped(source.path(place), why) for place, why in delivery.skipped]
    loop.check_skipped(source, skipped, len(delivery.read), settings.max_skipped, shared=own is not None)
    return loop.Extracted(
        tuple(source.path(place) for place in delivery.read),
        None if source.labels is None else tuple(source.labels[place] for place in delivery.read),
        tuple(skipped),
        "+".join(sorted(delivery.engines)) or "none",
        perf_counter() - begin,
        Traits.joined(delivery.traits).with_files(source.file_hashes(delivery.read)),
    )


class _Delivery:
    """Passes parts to `add`, for each encoder in the order of the source, from the cache or as they are completed.

    A part that is completed before its turn is read back from the cache later; it stays in memory only if it could not
    be written.
    """

    def __init__(
        self,
        cache: Cache,
        keys: Mapping[PartName, str],
        cuts: Sequence[Sequence[int]],
        encoders: Sequence[Encoder],
        layers: Collection[Layer],
        add: loop.Add,
    ) -> None:
        self._cache, self._keys, self._cuts, self._layers, self._add = cache, keys, cuts, layers, add
        self._next = {encoder.name: 0 for encoder in encoders}
        self._absent = {name for name, key in keys.items() if not cache.has(key)}
        self._unwritten: dict[PartName, Part] = {}
        self.read: list[int] = []
        """Positions of the samples that could be read, of the parts passed on so far."""
        self.skipped: list[tuple[int, str]] = []
        """Positions of the others, and why they could not be read."""
        self.traits: list[Traits] = []
        """Of the samples that could be read."""
        self.engines: set[str] = set()

    def missing(self) -> dict[tuple[str, ...], list[int]]:
        """Names of encoders -> numbers of the parts that exactly these lack, so that each sample is decoded once."""
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number in range(len(self._cuts)):
            if absent := tuple(encoder for encoder in self._next if (encoder, number) in self._absent):
                groups[absent].append(number)
        return groups

    def keep(self, encoder: str, number: int, part: Part) -> None:
        """Store a completed part; pass it on, and those stored after it, if it is the next in order."""
        self._absent.discard((encoder, number))
        written = self._cache.put(self._keys[encoder, number], part, encoder)
        if number == self._next[encoder]:
            self._pass_on(encoder, part)  # not read back: the rows stay on their device
            self._advance(encoder)
        elif not written:
            self._unwritten[encoder, number] = part

    def advance(self) -> None:
        """Pass on, for each encoder, all stored parts up to the first missing one."""
        for encoder in self._next:
            self._advance(encoder)

    def _advance(self, encoder: str) -> None:
        while (number := self._next[encoder]) < len(self._cuts) and (encoder, number) not in self._absent:
            part = self._unwritten.pop((encoder, number), None) or self._cache.get(self._keys[encoder, number])
            if part is None:  # damaged, or removed by another process
                self._absent.add((encoder, number))
            else:
                self._pass_on(encoder, part)

    def _pass_on(self, encoder: str, part: Part) -> None:
        cut = self._cuts[self._next[encoder]]
        index = torch.tensor(cut)[part.places]
        for layer, rows in part.rows.items():
            if layer in self._layers:
                self._add(encoder, layer, rows, index)
        if encoder == next(iter(self._next)):  # all encoders read the same samples
            self.read += index.tolist()
            self.skipped += [(cut[offset], why) for offset, why in part.skipped.items()]
            self.traits.append(part.traits)
        self.engines.add(part.engine)
        self._next[encoder] += 1


def _described(encoder: Encoder, layers: Collection[Layer]) -> tuple[str, list[Layer]]:
    """Everything that a part depends on besides its samples: the encoder with its weights, and the layers."""
    features = f"{encoder.name}#{encoder.digest}|{encoder.preprocessing}"
    return features, _stored_layers(encoder, layers)


def _stored_layers(encoder: Encoder, layers: Collection[Layer]) -> list[Layer]:
    return [layer for layer in encoder.layers if layer in layers or layer in ALWAYS_STORED]


class _PartAssembler:
    """Assembles parts from the batches of one pass in which a group of encoders sees their samples."""

    def __init__(
        self, source: Source, encoders: Sequence[Encoder], cuts: Mapping[int, Sequence[int]], keep: Callable[..., None]
    ) -> None:
        self.source, self.encoders, self.cuts, self.keep = source, encoders, cuts, keep
        self.part_of = {place: (number, offset) for number, cut in cuts.items() for offset, place in enumerate(cut)}
        self.rows: dict[tuple[str, int, Layer], list[Tensor]] = defaultdict(list)
        self.read: dict[int, list[int]] = defaultdict(list)
        self.skipped: dict[int, dict[int, str]] = defaultdict(dict)
        self.traits: dict[int, list[Traits]] = defaultdict(list)

    def run(self, layers: Collection[Layer], settings: loop.ExtractionSettings) -> None:
        """Run the encoders on all samples; each part goes to `keep` as soon as it is complete."""
        wanted = {layer for encoder in self.encoders for layer in _stored_layers(encoder, layers)}
        places = [place for cut in self.cuts.values() for place in cut]
        lenient = replace(settings, max_skipped=1.0)  # the share is judged over the whole source, cached parts included
        loop.run(
            self.source, self.encoders, layers=wanted, add=self._add, settings=lenient, own=places, after=self._after
        )

    def _add(self, encoder: str, layer: Layer, rows: Tensor, index: Tensor) -> None:
        start = 0
        for number, places in groupby(self.part_of[place][0] for place in index.tolist()):  # ascending
            end = start + len(list(places))
            self.rows[encoder, number, layer].append(rows[start:end])
            start = end

    def _after(self, batch: Batch, engine: str) -> None:
        reasons = iter(batch.skipped)  # in the order of the positions that were not read
        order = {place: at for at, place in enumerate(batch.places.tolist())}
        for place in batch.requested:
            number, offset = self.part_of[place]
            if place in order:
                self.read[number].append(offset)
                self.traits[number].append(batch.traits.at([order[place]]))
            else:
                self.skipped[number][offset] = next(reasons).reason
            if len(self.read[number]) + len(self.skipped[number]) == len(self.cuts[number]):
                self._complete(number, engine)

    def _complete(self, number: int, engine: str) -> None:
        traits = Traits.joined(self.traits.pop(number, ()))
        for encoder in self.encoders:
            named = {layer: self.rows.pop((encoder.name, number, layer), None) for layer in encoder.layers}
            rows = {layer: torch.cat(pieces) for layer, pieces in named.items() if pieces}
            places = torch.tensor(self.read[number], dtype=torch.int64)
            self.keep(encoder.name, number, Part(rows, places, self.skipped[number], engine, traits))
