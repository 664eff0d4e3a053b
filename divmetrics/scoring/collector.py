"""`Collector`: fills one side of a `Meter` with samples, in portions, and gives them as a `Collected`."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import count, islice
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.devices import no_autocast
from divmetrics.arrays.dist import first_of_rank, gather, shard, world
from divmetrics.arrays.freed_memory import large_blocks_returned
from divmetrics.arrays.summaries import Sample, Summary, as_rows, check_finite, merged, summarised
from divmetrics.encoders._encoder import Encoder
from divmetrics.errors import FeatureError
from divmetrics.extraction import cached, loop
from divmetrics.records.extractor import Layer
from divmetrics.records.results import Side, Skipped
from divmetrics.scoring.collected import Collected, EncoderInfo
from divmetrics.scoring.foreign_statistics import with_stored
from divmetrics.scoring.plan import FEATURES
from divmetrics.scoring.repeats import Watch, repeated
from divmetrics.sources import Drawn, Source, Stream, Traits, traits_of_rows

CHUNK = 2048
"""Rows summarised at a time. Fixed, so that no number depends on the size of the batches."""
WIDE = 2**25
"""Numbers in a chunk at most: rows as large as images are summarised in smaller ones."""

Needs = Callable[[str], Mapping[Layer, set[type[Summary]]]]
"""Extractor -> layer -> kinds of summaries to keep."""


@dataclass
class ChunkedSummaries:
    """Summaries of the rows of one layer, computed in chunks and merged in pairs of equal size."""

    kinds: Sequence[type[Summary]]
    waiting: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    done: list[tuple[int, tuple[Summary, ...]]] = field(default_factory=list)

    def add(self, rows: Tensor, index: Tensor) -> None:
        """Take in rows `[b, ...]` and their places `[b]`."""
        self.waiting.append((rows, index))
        exact = all(kind is Sample for kind in self.kinds)  # large, and merged in any order
        chunk = min(CHUNK, max(1, (WIDE // 4 if exact else WIDE) // max(1, rows[:1].numel())))
        while sum(len(part) for part, _ in self.waiting) >= chunk:
            rows, index = self._joined()
            self.waiting = [(rows[chunk:], index[chunk:])] if len(rows) > chunk else []
            self.done.append((1, self._summarise(rows[:chunk], index[:chunk])))
            while len(self.done) > 1 and (exact or self.done[-1][0] == self.done[-2][0]):
                (size, last), (_, before) = self.done.pop(), self.done.pop()
                self.done.append((2 * size, _merged(before, last)))

    def _joined(self) -> tuple[Tensor, Tensor]:
        return torch.cat([rows for rows, _ in self.waiting]), torch.cat([index for _, index in self.waiting])

    def _summarise(self, rows: Tensor, index: Tensor) -> tuple[Summary, ...]:
        return tuple(summarised(kind, rows, index) for kind in self.kinds)

    def summaries(self) -> tuple[Summary, ...]:
        """The summaries of all rows so far; nothing is used up."""
        parts = [part for _, part in self.done]
        if self.waiting:
            parts.append(self._summarise(*self._joined()))
        merged = parts[-1]
        for part in reversed(parts[:-1]):  # the small ones first, as in pairwise summation
            merged = _merged(part, merged)
        return merged


def _merged(first: Sequence[Summary], second: Sequence[Summary]) -> tuple[Summary, ...]:
    return tuple(merged(a, b) for a, b in zip(first, second, strict=True))


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


class Collector:
    """The samples of one side in the order in which they came: batches, whole sources, what was collected elsewhere.

    In a collective run every rank holds all samples but those of the batches that it has added last.
    """

    def __init__(self, needs: Needs, side: str = "samples") -> None:
        self.needs = needs
        self.side = side
        self.seconds = 0.0
        self._earlier: Collected | None = None
        self._told = ""
        self._start_anew()

    def add(self, source: Source | Stream, encoders: Sequence[Encoder], settings: loop.ExtractionSettings) -> None:
        """Take in a batch that this rank alone has: the whole batch, or nothing where it is refused."""
        begin = perf_counter()
        noted = len(self._watch.digests)
        try:
            watched = self._watch.on(source) if world()[1] > 1 else source
            self._batches.take(watched, encoders, settings, first=first_of_rank() + self._batches.n, more=True)
        except BaseException:
            del self._watch.digests[noted:]
            raise
        self.seconds += perf_counter() - begin

    def take(self, source: Source | Stream, encoders: Sequence[Encoder], settings: loop.ExtractionSettings) -> None:
        """Take in a source that the ranks share, after what is here; of a Stream each rank has its own.

        Where samples were drawn and some of them cannot be read, others are drawn in their place.
        """
        begin = perf_counter()
        found = self._read(source, encoders, settings)
        lenient = replace(settings, max_skipped=1.0)  # the share was judged on the first draw
        wanted, drawn = (len(source), source) if isinstance(source, Drawn) else (0, None)
        while drawn is not None and (lost := wanted - (found.side.n or 0)) > 0:
            if (drawn := drawn.others(lost)) is not None:
                found = found.merge(self._read(drawn, encoders, lenient))
        skipped = tuple(dict.fromkeys(found.side.skipped))  # each draw lists the files that are no samples
        found = replace(found, side=replace(found.side, source=source.name, skipped=skipped))
        stored = source.stored if isinstance(source, Source) else None
        self.put(found if stored is None else with_stored(found, stored))
        self.seconds += perf_counter() - begin

    def _read(
        self, source: Source | Stream, encoders: Sequence[Encoder], settings: loop.ExtractionSettings
    ) -> Collected:
        """The samples of a source, those of all ranks together."""
        portion = Portion(self.needs)
        if isinstance(source, Source):
            portion.take(source, encoders, settings, first=0, own=shard(len(source)))
            portion.digest = source.digest()
        else:
            watch = Watch()
            portion.take(watch.on(source) if world()[1] > 1 else source, encoders, settings, first=first_of_rank())
            self._tell_repeated(watch)
        portion.source = source.name
        return _of_all_ranks(portion)

    def keep(self, num: int, seed: int) -> None:
        """Keep `num` of the samples so far, drawn by the seed."""
        self._earlier = self.collected().drawn(num, seed)
        self._start_anew()

    def put(self, collected: Collected) -> None:
        """Take in what was collected elsewhere, the same on all ranks, after what is here."""
        whole = self.collected()
        self._earlier = whole.merge(collected) if whole.side.n or whole.side.skipped else collected
        self._start_anew()

    @property
    def features(self) -> bool | None:
        """Whether the samples so far are features, not images; None where there are none."""
        here = {**self._batches.encoders, **(self._earlier.encoders if self._earlier is not None else {})}
        return FEATURES in here if here else None

    def _start_anew(self) -> None:
        """Begin a portion of batches after what is here."""
        self._batches, self._watch = Portion(self.needs), Watch()

    def collected(self) -> Collected:
        """Everything so far as a value, the samples of all ranks included; the collector stays as it is."""
        self._tell_repeated(self._watch)
        batches = _of_all_ranks(self._batches)
        return batches if self._earlier is None else self._earlier.merge(batches)

    def _tell_repeated(self, watch: Watch) -> None:
        """Warn, once, of samples that the ranks hold twice."""
        if world()[1] > 1 and (text := repeated(gather(watch.digests))) and text != self._told:
            self._told = text
            warnings.warn(f"{self.side}: {text}", stacklevel=2)


def _both(first: str, second: str) -> str:
    """The names of two engines as one, each part of it once."""
    return "+".join(sorted({*first.split("+"), *second.split("+")} - {"none"})) or "none"


def _of_all_ranks(portion: Portion) -> Collected:
    """The portions of all ranks as one set, in rank order."""
    return reduce(Collected.merge_shard, gather(portion.collected()))


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
