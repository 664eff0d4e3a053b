"""`Collector`: fills one side of a `Meter` with samples, in portions, and gives them as a `Collected`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from time import perf_counter

from divmetrics.arrays.dist import first_of_rank, gather, shard, world
from divmetrics.encoders._encoder import Encoder
from divmetrics.extraction import loop
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.foreign_statistics import with_stored
from divmetrics.scoring.plan import FEATURES
from divmetrics.scoring.portion import Needs, Portion
from divmetrics.scoring.repeats import Watch, repeated
from divmetrics.sources import Drawn, Source, Stream


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


def _of_all_ranks(portion: Portion) -> Collected:
    """The portions of all ranks as one set, in rank order."""
    return reduce(Collected.merge_shard, gather(portion.collected()))
