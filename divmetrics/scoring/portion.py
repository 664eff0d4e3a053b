"""`Portion`: the samples that one process takes in, from batches or from its share of one source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.devices import no_autocast
from divmetrics.arrays.freed_memory import large_blocks_returned
from divmetrics.arrays.summaries import Sample, Summary, as_rows, check_finite
from divmetrics.encoders._encoder import Encoder
from divmetrics.errors import FeatureError
from divmetrics.extraction import cached, loop
from divmetrics.records.extractor import Layer
from divmetrics.records.results import Side, Skipped
from divmetrics.scoring.chunks import CHUNK, ChunkedSummaries
from divmetrics.scoring.collected import Collected, EncoderInfo
from divmetrics.scoring.plan import FEATURES
from divmetrics.sources import Source, Stream, Traits, traits_of_rows

Needs = Callable[[str], Mapping[Layer, set[type[Summary]]]]
"""Extractor -> layer -> kinds of summaries to keep."""


@dataclass
class _Taken:
    """What was read of one source or batch, before it becomes part of a portion."""

    rows: list[tuple[str, Layer, Tensor, Tensor]] = field(default_factory=list)
    """Extractor, layer, rows `[b, ...]` and places `[b]`, where they wait for the end of a batch."""
    encoders: dict[str, EncoderInfo] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    no_samples: list[Skipped] = field(default_factory=list)
    traits: list[Traits] = field(default_factory=list)


class Portion:
    """Samples that this process takes in, from batches or from its share of one source.

    `needs` gives, for an extractor, the summaries to keep of each of its layers; others are not even computed.
    """

    def __init__(self, needs: Needs) -> None:
        self.needs = needs
        self.source = "batches"
        self.digest: str | None = None
        self._chunks: dict[tuple[str, Layer], ChunkedSummaries] = {}
        self._encoders: dict[str, EncoderInfo] = {}
        self._paths: list[str] = []
        self._labels: list[str] = []
        self._skipped: list[Skipped] = []
        self._no_samples: list[Skipped] = []
        self._traits: list[Traits] = []
        self._shapes: dict[tuple[str, Layer], torch.Size] = {}

    @property
    def encoders(self) -> Mapping[str, EncoderInfo]:
        """The encoders of the samples so far."""
        return self._encoders

    @property
    def n(self) -> int:
        """Samples so far, those that could not be read included."""
        return len(self._paths) + len(self._skipped)

    def take(
        self,
        source: Source | Stream,
        encoders: Sequence[Encoder],
        settings: loop.ExtractionSettings,
        *,
        first: int,
        own: range | None = None,
        more: bool = False,
    ) -> None:
        """Take in the samples of `source` (only the places `own`, if given), numbered from `first` on.

        `more` says that it is one of many batches, which is taken in whole or, where it is refused, not at all.

        Raises SourceError before a sample is read if too many files of the source are no samples.
        """
        taken = _Taken()
        if isinstance(source, Source):
            source = source.limited(settings.max_pixels)
            loop.check_skipped(source, (), len(source), settings.max_skipped, shared=False)
            if own is None or own.start == 0:  # one rank lists them
                taken.no_samples += source.skipped
        total = len(source) if isinstance(source, Source) else None

        @no_autocast()
        def add(extractor: str, layer: Layer, rows: Tensor, index: Tensor) -> None:
            rows = rows.to(settings.summary_device)  # from the cache they come on the CPU
            check_finite(rows, index, total)
            taken.rows.append((extractor, layer, rows, index + first))
            if not more:  # a source is too large to wait for its end, and a portion that it fails in is thrown away
                self._summarise(taken)

        if source.kind == "features":
            taken.encoders[FEATURES] = EncoderInfo("", "none", "none")
            wanted = range(total) if own is None and total else own
            with loop.progress_bar(source.name, wanted, shown=settings.progress and not more) as advance:
                for rows, places, paths, labels in _rows_of(source, own):
                    add(FEATURES, "pooled", rows, places)
                    taken.traits.append(traits_of_rows(rows.numpy()))
                    taken.paths += paths
                    taken.labels += labels
                    advance(len(rows))
        else:
            self._extract(source, encoders, settings, add, taken, (first, own, more))
        self._summarise(taken)
        self._encoders |= taken.encoders
        for name in ("paths", "labels", "skipped", "no_samples", "traits"):
            getattr(self, f"_{name}").extend(getattr(taken, name))

    def _extract(
        self,
        source: Source | Stream,
        encoders: Sequence[Encoder],
        settings: loop.ExtractionSettings,
        add: loop.Add,
        taken: _Taken,
        where: tuple[int, range | None, bool],
    ) -> None:
        """Run the encoders on images; `where`: number of the first, places of this rank, whether it is a batch."""
        first, own, more = where
        few = [encoder for encoder in encoders if self._keeps_sample(encoder)] if isinstance(source, Source) else []
        every = [encoder for encoder in encoders if encoder not in few]
        layers = {layer for encoder in every for layer in self.needs(encoder.name)}
        if not all(encoder.known for encoder in encoders):  # what decides their features has no key in a cache
            settings = replace(settings, store=None)
        if isinstance(source, Source):
            extracted = cached.run(source, every, layers=layers, add=add, settings=settings, own=own, more=more)
            self._take_sample(source, few, add, settings, first, own)
        else:
            extracted = loop.run(source, every, layers=layers, add=add, settings=settings)
        for encoder in encoders:
            before = self._encoders.get(encoder.name)
            engine = extracted.engine if before is None else _both(before.engine, extracted.engine)
            info = EncoderInfo(encoder.digest, encoder.preprocessing, engine, encoder.protocol)
            taken.encoders[encoder.name] = info
        taken.paths += extracted.paths
        taken.labels += extracted.labels or ()
        taken.skipped += extracted.skipped
        taken.traits.append(extracted.traits)

    def _summarise(self, taken: _Taken) -> None:
        """Add the waiting rows to the summaries, all of them or none. Raises FeatureError where they do not fit."""
        shapes = dict(self._shapes)
        for extractor, layer, rows, _ in taken.rows:
            known = shapes.setdefault((extractor, layer), rows.shape[1:])
            if known != rows.shape[1:]:
                had, has = ("x".join(map(str, shape)) for shape in (known, rows.shape[1:]))
                raise FeatureError(
                    f"the samples before have {had} numbers each in {layer} of {extractor}, these have {has}; "
                    "give samples of one shape."
                )
        self._shapes = shapes
        for extractor, layer, rows, places in taken.rows:
            if kinds := self.needs(extractor).get(layer):
                chunks = self._chunks.setdefault((extractor, layer), ChunkedSummaries(tuple(kinds)))
                chunks.add(rows, places)
        taken.rows.clear()

    def _keeps_sample(self, encoder: Encoder) -> bool:
        """Whether only a random sample of the encoder's outputs is kept, so that it need not see the other images."""
        kinds = [kind for layer in encoder.layers for kind in self.needs(encoder.name).get(layer, ())]
        return bool(kinds) and all(kind is Sample for kind in kinds)

    def _take_sample(
        self,
        source: Source,
        encoders: Sequence[Encoder],
        add: loop.Add,
        settings: loop.ExtractionSettings,
        first: int,
        own: range | None,
    ) -> None:
        """Run encoders on the images that `Sample` will keep: their outputs are too large for the cache."""
        if encoders:
            places = torch.tensor(range(len(source)) if own is None else own)
            chosen = places[Sample.chosen(places + first)].sort().values.tolist()
            layers = {layer for encoder in encoders for layer in self.needs(encoder.name)}
            lenient = replace(
                settings, store=None, max_skipped=1.0, progress=False
            )  # the other encoders report unreadable samples
            with large_blocks_returned():
                loop.run(source, encoders, layers=layers, add=add, settings=lenient, own=chosen)

    @no_autocast()
    def collected(self) -> Collected:
        """The samples so far as a value; the portion stays as it is."""
        n = len(self._paths)
        labelled = 0 < n == len(self._labels)
        counts = dict(sorted(Counter(self._labels).items())) if labelled else None
        summaries = {
            (extractor, layer, kind.__name__): summary
            for (extractor, layer), chunks in self._chunks.items()
            for kind, summary in zip(chunks.kinds, chunks.summaries(), strict=True)
        }
        return Collected(
            side=Side(
                source=self.source,
                n=n,
                digest=self.digest,
                labels=counts,
                skipped=(*self._no_samples, *self._skipped),
                labelled=0 if labelled else len(self._labels),
            ),
            encoders=dict(self._encoders),
            summaries=summaries,
            paths=tuple(self._paths),
            labels=tuple(self._labels) if labelled else None,
            traits=Traits.joined(self._traits),
        )


def _both(first: str, second: str) -> str:
    """The names of two engines as one, each part of it once."""
    return "+".join(sorted({*first.split("+"), *second.split("+")} - {"none"})) or "none"


def _rows_of(
    source: Source | Stream, own: range | None
) -> Iterator[tuple[Tensor, Tensor, Sequence[str], Sequence[str]]]:
    """Given features in portions: rows `[b, d]`, their places `[b]`, sample names, class names (if any)."""
    if isinstance(source, Source):
        places = range(len(source)) if own is None else own
        for start in range(0, len(places), CHUNK):
            part = places[start : start + CHUNK]
            labels = [] if source.labels is None else [source.labels[i] for i in part]
            numbers = torch.tensor(part)
            rows = as_rows(np.stack(source.read(part)), numbers, len(source))
            yield rows, numbers, [source.path(i) for i in part], labels
        return
    pairs = iter(source)
    for start in count(0, CHUNK):
        if not (chunk := list(islice(pairs, CHUNK))):
            return
        labels = [label for _, label in chunk if label is not None]
        numbers = torch.arange(start, start + len(chunk))
        rows = as_rows(np.stack([row for row, _ in chunk]), numbers)
        yield rows, numbers, [f"#{i}" for i in numbers.tolist()], labels
