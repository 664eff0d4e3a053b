"""Extraction that asks the cache first: only parts whose samples no encoder of this kind has seen are shown to it."""

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
from divmetrics.extraction.store import PART, Cache, Part
from divmetrics.records.extractor import Layer
from divmetrics.records.results import Skipped
from divmetrics.sources import Source

USUAL: frozenset[Layer] = frozenset({"pooled", "logits"})
"""Layers that are kept even if this run does not ask for them: small, and the next run may."""

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
) -> loop.Extracted:
    """As `loop.run`, with the features of earlier runs where `settings.store` holds them; new ones are kept there.

    A part is written and handed on as soon as it is whole, so a run that was killed goes on where it was, and no more
    than a few parts are in memory at a time. Each encoder's rows are handed on in the order of the source, whichever of
    them come from the cache.
    """
    begin, cache = perf_counter(), settings.store
    places = range(len(source)) if own is None else own
    contents = source.fingerprints(places) if cache is not None and encoders else None
    if cache is None or contents is None:
        return loop.run(source, encoders, layers=layers, add=add, settings=settings, own=own)
    cuts = [places[start : start + PART] for start in range(0, len(places), PART)]
    keys = {
        (encoder.name, number): cache.key(
            contents[number * PART : (number + 1) * PART], _described(encoder), _kept(encoder, layers)
        )
        for encoder in encoders
        for number in range(len(cuts))
    }
    delivery = _Delivery(cache, keys, cuts, encoders, layers, add)
    delivery.advance()
    while missing := delivery.missing():
        for group, numbers in missing.items():
            chosen = [encoder for encoder in encoders if encoder.name in group]
            _Gathering(source, chosen, {number: cuts[number] for number in numbers}, delivery.keep).run(
                layers, settings
            )
        delivery.advance()  # where another process has emptied the cache meanwhile, some are missing again
    cache.trim()
    skipped = [Skipped(source.path(place), why) for place, why in delivery.skipped]
    loop.check_skipped(source.name, skipped, len(delivery.read), settings.max_skipped, shared=own is not None)
    return loop.Extracted(
        tuple(source.path(place) for place in delivery.read),
        None if source.labels is None else tuple(source.labels[place] for place in delivery.read),
        tuple(skipped),
        "+".join(sorted(delivery.engines)) or "none",
        perf_counter() - begin,
    )


class _Delivery:
    """Parts on their way to `add`, each encoder's in the order of the source: from the cache or as they become whole.

    A part that becomes whole before its turn is read back from the cache; it stays in memory only if it could not be
    written.
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
        """Places of the samples that could be read, of the parts that were handed on so far."""
        self.skipped: list[tuple[int, str]] = []
        """Places of the others, and why they could not be read."""
        self.engines: set[str] = set()

    def missing(self) -> dict[tuple[str, ...], list[int]]:
        """Encoders -> numbers of the parts that just these have to be shown, so that they see a sample together."""
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number in range(len(self._cuts)):
            if absent := tuple(encoder for encoder in self._next if (encoder, number) in self._absent):
                groups[absent].append(number)
        return groups

    def keep(self, encoder: str, number: int, part: Part) -> None:
        """Write a part that has become whole, and hand on what it makes possible."""
        self._absent.discard((encoder, number))
        written = self._cache.put(self._keys[encoder, number], part, encoder)
        if number == self._next[encoder]:
            self._hand_on(encoder, part)  # not read back: the rows stay on their device
            self._advance(encoder)
        elif not written:
            self._unwritten[encoder, number] = part

    def advance(self) -> None:
        """Hand on, for each encoder, all parts up to the first that is missing."""
        for encoder in self._next:
            self._advance(encoder)

    def _advance(self, encoder: str) -> None:
        while (number := self._next[encoder]) < len(self._cuts) and (encoder, number) not in self._absent:
            part = self._unwritten.pop((encoder, number), None) or self._cache.get(self._keys[encoder, number])
            if part is None:  # damaged, or removed by another process
                self._absent.add((encoder, number))
            else:
                self._hand_on(encoder, part)

    def _hand_on(self, encoder: str, part: Part) -> None:
        cut = self._cuts[self._next[encoder]]
        index = torch.tensor(cut)[part.places]
        for layer, rows in part.rows.items():
            if layer in self._layers:
                self._add(encoder, layer, rows, index)
        if encoder == next(iter(self._next)):  # all encoders read the same samples
            self.read += index.tolist()
            self.skipped += [(cut[offset], why) for offset, why in sorted(part.skipped.items())]
        self.engines.add(part.engine)
        self._next[encoder] += 1


def _described(encoder: Encoder) -> str:
    """All that features depend on besides the samples."""
    return f"{encoder.name}#{encoder.digest}|{encoder.preprocessing}"


def _kept(encoder: Encoder, layers: Collection[Layer]) -> list[Layer]:
    return [layer for layer in encoder.layers if layer in layers or layer in USUAL]


class _Gathering:
    """Parts on their way into the cache, while a group of encoders runs over their samples."""

    def __init__(
        self, source: Source, encoders: Sequence[Encoder], cuts: Mapping[int, Sequence[int]], keep: Callable[..., None]
    ) -> None:
        self.source, self.encoders, self.cuts, self.keep = source, encoders, cuts, keep
        self.home = {place: (number, offset) for number, cut in cuts.items() for offset, place in enumerate(cut)}
        self.rows: dict[tuple[str, int, Layer], list[Tensor]] = defaultdict(list)
        self.read: dict[int, list[int]] = defaultdict(list)
        self.lost: dict[int, dict[int, str]] = defaultdict(dict)

    def run(self, layers: Collection[Layer], settings: loop.ExtractionSettings) -> None:
        """Show all samples to the encoders; each part goes to `keep` as soon as it is whole."""
        wanted = {layer for encoder in self.encoders for layer in _kept(encoder, layers)}
        places = [place for cut in self.cuts.values() for place in cut]
        lenient = replace(settings, max_skipped=1.0)  # the share is judged over the whole source, cached parts included
        loop.run(
            self.source, self.encoders, layers=wanted, add=self._add, settings=lenient, own=places, after=self._after
        )

    def _add(self, encoder: str, layer: Layer, rows: Tensor, index: Tensor) -> None:
        start = 0
        for number, places in groupby(self.home[place][0] for place in index.tolist()):  # in order, so part after part
            end = start + len(list(places))
            self.rows[encoder, number, layer].append(rows[start:end])
            start = end

    def _after(self, asked: Sequence[int], read: Sequence[int], skipped: Sequence[Skipped], engine: str) -> None:
        reasons = iter(skipped)  # in the order of the places that are missing from `read`
        there = set(read)
        for place in asked:
            number, offset = self.home[place]
            if place in there:
                self.read[number].append(offset)
            else:
                self.lost[number][offset] = next(reasons).reason
            if len(self.read[number]) + len(self.lost[number]) == len(self.cuts[number]):
                self._whole(number, engine)

    def _whole(self, number: int, engine: str) -> None:
        for encoder in self.encoders:
            named = {layer: self.rows.pop((encoder.name, number, layer), None) for layer in encoder.layers}
            rows = {layer: torch.cat(pieces) for layer, pieces in named.items() if pieces}
            places = torch.tensor(self.read[number], dtype=torch.int64)
            self.keep(encoder.name, number, Part(rows, places, self.lost[number], engine))
