"""`Meter`: the one mutable object. A folder, a training loop and a reload of saved summaries all fill the same one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from time import perf_counter
from typing import Any, Literal, Self, cast

from divmetrics.arrays import dist
from divmetrics.encoders import load_encoder
from divmetrics.encoders._encoder import Encoder
from divmetrics.errors import MeasureError, SourceError, UsageError
from divmetrics.extraction.loop import How
from divmetrics.extraction.store import Cache
from divmetrics.records.extractor import ExtractorChoice, Layer, Spec
from divmetrics.records.results import Report
from divmetrics.scoring import collected as store
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.collector import Collector
from divmetrics.scoring.measure import measure
from divmetrics.scoring.plan import FEATURES, HELD_OUT, LABELS, SIDES, Plan, SideName
from divmetrics.scoring.task_inputs import inventory
from divmetrics.sources import Source, Stream, open_source, with_labels


class Meter:
    """Collects samples of both sides, in any portions, and measures them when asked.

    ```python
    meter = Meter(metrics="quick")
    for batch in loader:
        meter.add("real", batch)          # images [b, c, h, w] or [b, h, w, c], or features [b, d]
    meter.add("fake", generator(noise))
    meter.results()["recall"].value
    ```

    `metrics`, `extractor`: as on the command line, or lists. `device`, `batch_size`, `workers` change the speed, not
    the numbers; `precision="fast"` and `jpeg="device"` change both, and signatures say so. Unreadable samples are
    skipped and listed; more than the share `max_skipped` of them is a SourceError. Features of whole sources are kept
    in `cache`: True the usual place, a path that folder, False none. `ci_level=0` and `null=False` leave out the
    intervals and the null bands, which take longer than the values.
    """

    def __init__(
        self,
        metrics: str | Sequence[str] = "default",
        extractor: ExtractorChoice = "efficientnet-lite0",
        *,
        seed: int = 0,
        device: str = "auto",
        batch_size: int | Literal["auto"] = "auto",
        workers: int | Literal["auto"] = "auto",
        max_skipped: float = 0.01,
        cache: str | os.PathLike[str] | bool = True,
        progress: bool = False,
        ci_level: float = 0.95,
        null: bool = True,
        modes: int | None = None,
        samples: bool = False,
        confusion: Any = None,
        precision: Literal["float32", "fast"] = "float32",
        jpeg: Literal["pillow", "device"] = "pillow",
    ) -> None:
        wanted = {"ci_level": ci_level, "null": null, "modes": modes, "samples": samples, "confusion": confusion}
        self.plan = Plan.of(metrics, extractor, seed, **wanted)
        self._how = How(device, batch_size, workers, max_skipped, progress, Cache.chosen(cache), precision, jpeg)
        self._sides: dict[SideName, Collector] = {
            side: Collector(partial(self.plan.needs, side)) for side in (*SIDES, HELD_OUT)
        }
        self._begin = perf_counter()

    def add(self, side: SideName, batch: Any, *, labels: Sequence[str] | None = None) -> None:
        """Take in one batch: images, or features `[b, d]`; `labels` holds one class name a sample.

        In a process group each rank adds its own batches. Raises FeatureError on NaN or Inf, UsageError on a side that
        is neither "real" nor "fake" nor "held_out".
        """
        source, collector = open_source(batch, side=side), self._side(side)
        if labels is not None and isinstance(source, Source):
            source = with_labels(source, labels)
        with _naming(side):
            once = replace(self._how, cache=None)  # nobody will show this batch again
            collector.take(source, self._encoders(source), once, first=dist.first_of_rank() + collector.n)

    def take(self, side: SideName, source: Source | Stream | Collected) -> None:
        """Take in a whole source, or what was collected from one. In a process group the ranks share a source."""
        if not isinstance(source, Collected):
            with _naming(side):
                self._side(side).take_whole(source, self._encoders(source), self._how)
        elif dist.world()[0] == 0:  # every rank reads the file; one of them brings it in
            self._side(side).put(source)

    def check(self, sources: Mapping[SideName, Source | Collected]) -> None:
        """Raise now what `results` would raise later for lack of a layer, of labels or of samples."""
        inventories = {side: self._forecast(source) for side, source in sources.items()}
        sizes = {side: _size(source) for side, source in sources.items()}
        kinds = {side: "features" if FEATURES in found else "images" for side, found in inventories.items()}
        if len(set(kinds.values())) > 1:
            held = " and ".join(f"{side} holds {kind}" for side, kind in kinds.items())
            raise SourceError(f"{held}; give the same kind on both sides.")
        self.plan.bind(inventories, sizes)

    def merge(self, other: Meter) -> None:
        """Take in all that `other` has collected, after what is here."""
        for side in other.filled:
            self.take(side, other.collected(side))

    @property
    def filled(self) -> tuple[SideName, ...]:
        """The sides that a report is about: both, and the held-out reals where there are any."""
        return (*SIDES, HELD_OUT) if self.collected(HELD_OUT).side.n else SIDES

    def collected(self, side: SideName) -> Collected:
        """All summaries of one side as a value, those of other ranks included."""
        whole, *others = dist.gather(self._side(side).collected())
        for part in others:
            whole = whole.beside(part)
        return whole

    def results(self) -> Report:
        """Measure what has been collected so far; more may be added afterwards."""
        real, fake = self.collected("real"), self.collected("fake")
        for side, collected in (("real", real), ("fake", fake)):
            if collected.side.n == 0:
                raise SourceError(f"no samples on the {side} side; add some first.")
        meta = {
            "device": str(self._how.torch_device),
            "world_size": dist.world()[1],
            "seconds": {"extract": round(sum(side.seconds for side in self._sides.values()), 3)},
        }
        held_out = self.collected(HELD_OUT) if HELD_OUT in self.filled else None
        report = measure(self.plan, real, fake, meta, held_out)
        seconds = {**report.meta["seconds"], "total": round(perf_counter() - self._begin, 3)}
        return report.with_meta(seconds=seconds)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what has been collected to `path`, whole or not at all; `load` goes on from there."""
        request = {"extractor": [spec.to_json() for spec in self.plan.extractors.values()], "seed": self.plan.seed}
        store.save(path, {side: self.collected(side) for side in self.filled}, request)

    @classmethod
    def load(cls, path: str | os.PathLike[str], metrics: str | Sequence[str] = "default", **how: Any) -> Self:
        """The meter that `save` wrote; `metrics` as in the constructor, for they are not part of the file."""
        sides, meta = store.load(path)
        if not set(SIDES) <= set(sides):
            raise SourceError(f"{path} holds {' and '.join(sides)}, not the two sides of a meter.")
        meter = cls(metrics, meta["extractor"], seed=meta["seed"], **how)
        for side, collected in sides.items():
            meter.take(cast("SideName", side), collected)
        return meter

    def _side(self, side: SideName) -> Collector:
        if side not in self._sides:
            raise UsageError(f"the side is 'real', 'fake' or 'held_out', not {side!r}.")
        return self._sides[side]

    def _encoders(self, source: Source | Stream) -> list[Encoder]:
        if source.kind == "features":
            return []
        return self._loaded

    @cached_property
    def _loaded(self) -> list[Encoder]:
        """The encoders of all that this meter is shown: a file that is overwritten meanwhile does not change them."""
        return [self._how.marked(load_encoder(spec)) for spec in self._specs.values()]

    @property
    def _specs(self) -> dict[str, Spec]:
        """All extractors to run, companions last: name in the report -> extractor."""
        return {**self.plan.extractors, **self.plan.companions}

    def _forecast(self, source: Source | Collected) -> dict[str, Any]:
        """Extractor -> layers that `source` will give."""
        if isinstance(source, Collected):
            found = inventory(source)
            if FEATURES not in found and (absent := [name for name in self.plan.extractors if name not in found]):
                there = ", ".join(source.encoders)
                raise SourceError(
                    f"{source.side.source} was extracted with {there}, not with {', '.join(absent)}; "
                    f"choose --extractor {there} or extract it again."
                )
            return found
        if source.kind == "features":
            found = {FEATURES: ("pooled",)}
        else:
            found = {name: _layers(spec, source) for name, spec in self._specs.items()}
        return found if source.labels is None else {**found, LABELS: ("labels",)}


def _layers(spec: Spec, source: Source) -> tuple[Layer, ...]:
    """What the extractor gives of `source`; in a family, each encoder its own. UsageError where it reads others."""
    if spec.extractor.modality != source.kind:
        raise UsageError(
            f"{source.name} holds {source.kind}s, and the extractor {spec.name} reads {spec.extractor.modality}; "
            f"choose one for {source.kind}s: divmetrics list extractors."
        )
    return load_encoder(spec).layers if spec.arguments else spec.extractor.provides


def _size(source: Source | Collected) -> int | None:
    return source.side.n if isinstance(source, Collected) else len(source)


@contextmanager
def _naming(side: SideName) -> Iterator[None]:
    """An error inside says which side it met."""
    try:
        yield
    except MeasureError as error:
        raise error.within(side) from None
