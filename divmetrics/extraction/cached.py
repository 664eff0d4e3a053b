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
from divmetrics.extraction import loop as extract
from divmetrics.extraction.store import PART, Part
from divmetrics.records.extractor import Layer
from divmetrics.records.results import Skipped
from divmetrics.sources import Source

USUAL: frozenset[Layer] = frozenset({"pooled", "logits"})
"""Layers that are kept even if this run does not ask for them: small, and the next run may."""

Found = dict[tuple[str, int], Part]
"""(encoder, number of the part) -> what it left."""


def run(
    source: Source,
    encoders: Sequence[Encoder],
    *,
    layers: Collection[Layer],
    add: extract.Add,
    how: extract.How,
    own: range | None = None,
) -> extract.Extracted:
    """As `extract.run`, with the features of earlier runs where `how.store` holds them; new ones are kept there.

    A part is kept as soon as it is whole, so that a run that was killed goes on where it was.
    """
    begin, cache = perf_counter(), how.store
    places = range(len(source)) if own is None else own
    contents = source.fingerprints(places) if cache is not None and encoders else None
    if cache is None or contents is None:
        return extract.run(source, encoders, layers=layers, add=add, how=how, own=own)
    cuts = [places[start : start + PART] for start in range(0, len(places), PART)]
    keys = {
        (encoder.name, number): cache.key(
            contents[number * PART : (number + 1) * PART], _described(encoder), _kept(encoder, layers)
        )
        for encoder in encoders
        for number in range(len(cuts))
    }
    found: Found = {name: part for name, key in keys.items() if (part := cache.get(key)) is not None}

    def keep(encoder: str, number: int, part: Part) -> None:
        cache.put(keys[encoder, number], part, encoder)
        found[encoder, number] = part

    for group, numbers in _missing(encoders, len(cuts), found).items():
        _Gathering(source, [encoders[i] for i in group], {n: cuts[n] for n in numbers}, keep).run(layers, how)
    cache.trim()
    return _hand_on(source, encoders, cuts, found, layers, add, how, shared=own is not None, begin=begin)


def _described(encoder: Encoder) -> str:
    """All that features depend on besides the samples."""
    return f"{encoder.name}#{encoder.digest}|{encoder.preprocessing}"


def _kept(encoder: Encoder, layers: Collection[Layer]) -> list[Layer]:
    return [layer for layer in encoder.layers if layer in layers or layer in USUAL]


def _missing(encoders: Sequence[Encoder], parts: int, found: Found) -> dict[tuple[int, ...], list[int]]:
    """Which encoders (by place) have to see which parts; those that miss the same part see it together."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for number in range(parts):
        if absent := tuple(i for i, encoder in enumerate(encoders) if (encoder.name, number) not in found):
            groups[absent].append(number)
    return groups


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

    def run(self, layers: Collection[Layer], how: extract.How) -> None:
        """Show all samples to the encoders; each part goes to `keep` as soon as it is whole."""
        wanted = {layer for encoder in self.encoders for layer in _kept(encoder, layers)}
        places = [place for cut in self.cuts.values() for place in cut]
        lenient = replace(how, max_skipped=1.0)  # the share is judged over the whole source, cached parts included
        extract.run(
            self.source, self.encoders, layers=wanted, add=self._add, how=lenient, own=places, after=self._after
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
            rows = {layer: torch.cat(pieces).cpu() for layer, pieces in named.items() if pieces}
            places = torch.tensor(self.read[number], dtype=torch.int64)
            self.keep(encoder.name, number, Part(rows, places, self.lost[number], engine))


def _hand_on(
    source: Source,
    encoders: Sequence[Encoder],
    cuts: Sequence[Sequence[int]],
    found: Found,
    layers: Collection[Layer],
    add: extract.Add,
    how: extract.How,
    *,
    shared: bool,
    begin: float,
) -> extract.Extracted:
    """Give `add` all parts in their order, as if they had just been extracted."""
    for encoder in encoders:
        for number, cut in enumerate(cuts):
            part = found[encoder.name, number]
            index = torch.tensor(cut)[part.places]
            for layer, rows in part.rows.items():
                if layer in layers:
                    add(encoder.name, layer, rows, index)
    firsts = [(cut, found[encoders[0].name, number]) for number, cut in enumerate(cuts)]
    read = [cut[offset] for cut, part in firsts for offset in part.places.tolist()]
    skipped = [
        Skipped(source.path(cut[offset]), why) for cut, part in firsts for offset, why in sorted(part.skipped.items())
    ]
    extract.check_skipped(source.name, skipped, len(read), how.max_skipped, shared=shared)
    engines = sorted({part.engine for part in found.values()})
    return extract.Extracted(
        tuple(source.path(place) for place in read),
        None if source.labels is None else tuple(source.labels[place] for place in read),
        tuple(skipped),
        "+".join(engines) or "none",
        perf_counter() - begin,
    )
