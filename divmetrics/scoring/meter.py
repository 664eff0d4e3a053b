"""`Meter`: the one mutable object. A folder, a training loop and a reload of saved summaries all fill the same one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter
from typing import Any, Self, cast

import numpy as np

from divmetrics.arrays import dist
from divmetrics.encoders import load_encoder
from divmetrics.encoders._encoder import Encoder
from divmetrics.errors import MeasureError, SourceError, UsageError
from divmetrics.extraction.loop import ExtractionSettings
from divmetrics.records.extractor import Layer, Spec
from divmetrics.records.keywords import method_called_with, options_of
from divmetrics.records.results import Report
from divmetrics.records.run_options import LoadRequest, MeterRequest, PlanRequest, Questions
from divmetrics.scoring import collected as store
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.collector import Collector
from divmetrics.scoring.measure import measure
from divmetrics.scoring.plan import FEATURES, HELD_OUT, LABELS, SIDES, Plan, SideName
from divmetrics.scoring.ranks import check_same, together
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
    """

    plan: Plan

    @method_called_with(MeterRequest, positional=2)
    def __init__(self, request: MeterRequest) -> None:
        """A meter without samples."""
        self._start(request)

    @classmethod
    def of(cls, request: MeterRequest) -> Self:
        """The meter of a request that is checked already."""
        meter = cls.__new__(cls)
        meter._start(request)
        return meter

    def _start(self, request: MeterRequest) -> None:
        self._distributed = request.distributed
        with together(request.distributed):
            self.plan = Plan.of_request(PlanRequest.of(request, confusion=_matrix(request.confusion)))
            self._settings = ExtractionSettings.of(request)
            check_same(self._request())
        self._sides: dict[SideName, Collector] = {
            side: Collector(partial(self.plan.needs, side)) for side in (*SIDES, HELD_OUT)
        }
        self._begin = perf_counter()

    def _request(self) -> dict[str, Any]:
        """What all ranks of a distributed run must have in common."""
        wanted = {
            "metrics": {request.name: dict(request.options) for request in self.plan.requests},
            "extractor": [str(spec) for spec in self.plan.extractors.values()],
            "seed": self.plan.seed,
            **{option.name: getattr(self.plan.questions, option.name) for option in options_of(Questions)},
        }
        return {**wanted, **{name: getattr(self._settings, name) for name in ("max_skipped", "precision", "jpeg")}}

    def add(self, side: SideName, batch: Any, *, labels: Sequence[str] | None = None) -> None:
        """Take in one batch: images, or features `[b, d]`; `labels` holds one class name a sample.

        In a distributed run each rank adds its own batches, as many as it has. Raises FeatureError on NaN or Inf,
        UsageError on a side that is neither "real" nor "fake" nor "held_out".
        """
        source, collector = open_source(batch, side=side), self._side(side)
        if labels is not None and isinstance(source, Source):
            source = with_labels(source, labels)
        with _naming(side), dist.collective() if self._distributed else nullcontext():
            once = replace(self._settings, store=None)  # nobody will show this batch again
            collector.add(source, self._encoders(source), once)

    def take(self, side: SideName, source: Source | Stream | Collected) -> None:
        """Take in a whole source, or what was collected from one.

        In a distributed run every rank gives the same source, and they share the work; a Stream is each rank's own.
        """
        with _naming(side), together(self._distributed):
            if self._distributed:
                check_same(_identity(side, source))
            if isinstance(source, Collected):
                self._side(side).put(source)
            else:
                self._side(side).take(source, self._encoders(source), self._settings)

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
        for side, collected in other._filled().items():
            self.take(side, collected)

    def collected(self, side: SideName) -> Collected:
        """All summaries of one side as a value, those of other ranks included."""
        with together(self._distributed):
            return self._side(side).collected()

    def _filled(self) -> dict[SideName, Collected]:
        """The sides that a report is about: both, and the held-out real samples where there are any."""
        sides = {side: self.collected(side) for side in self._sides}
        return {side: collected for side, collected in sides.items() if side in SIDES or collected.side.n}

    def results(self) -> Report:
        """Measure what has been collected so far; more may be added afterwards."""
        with together(self._distributed):
            report = self._measured(self._filled())
        seconds = {**report.meta["seconds"], "total": round(perf_counter() - self._begin, 3)}
        return report.with_meta(seconds=seconds)

    def _measured(self, sides: Mapping[SideName, Collected]) -> Report:
        for side in SIDES:
            if sides[side].side.n == 0:
                raise SourceError(f"no samples on the {side} side; add some first.")
        meta = {
            "device": str(self._settings.torch_device),
            "world_size": dist.world()[1],
            "seconds": {"extract": round(sum(side.seconds for side in self._sides.values()), 3)},
        }
        return measure(self.plan, sides["real"], sides["fake"], meta, sides.get(HELD_OUT))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what has been collected to `path`, whole or not at all; `load` goes on from there."""
        request = {"extractor": [spec.to_json() for spec in self.plan.extractors.values()], "seed": self.plan.seed}
        with together(self._distributed):
            sides = {str(side): collected for side, collected in self._filled().items()}
            if dist.world()[0] == 0:  # all ranks hold the same, and one of them writes it
                store.save(path, sides, request)

    @classmethod
    @method_called_with(LoadRequest, positional=2)
    def load(cls, request: LoadRequest) -> Self:
        """The meter that `save` wrote; its metrics may be others than those it was filled for."""
        with together(request.distributed):
            sides, meta = store.load(request.path)
            if not set(SIDES) <= set(sides):
                raise SourceError(f"{request.path} holds {' and '.join(sides)}, not the two sides of a meter.")
            meter = cls.of(MeterRequest.of(request, extractor=meta["extractor"], seed=meta["seed"]))
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
        return [self._settings.marked(load_encoder(spec)) for spec in self._specs.values()]

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


def _identity(side: SideName, source: Source | Stream | Collected) -> dict[str, Any]:
    """What all ranks must have in common of a source that they share."""
    if isinstance(source, Stream):
        return {"side": side, "kind of source": "stream"}
    return {"side": side, "kind of source": type(source).__name__, "samples": _size(source), "digest": _digest(source)}


def _digest(source: Source | Collected) -> str | None:
    return source.side.digest if isinstance(source, Collected) else source.digest()


def _size(source: Source | Collected) -> int | None:
    return source.side.n if isinstance(source, Collected) else len(source)


@contextmanager
def _naming(side: SideName) -> Iterator[None]:
    """An error inside says which side it met."""
    try:
        yield
    except MeasureError as error:
        raise error.within(side) from None


def _matrix(given: Any) -> Any:
    """A confusion matrix as it is, or read from a .npy or .csv file. Raises UsageError where that is none."""
    if not isinstance(given, (str, os.PathLike)):
        return given
    path = Path(given)
    try:
        return np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no confusion matrix ({error}); give numbers, a row for each true class.") from None
