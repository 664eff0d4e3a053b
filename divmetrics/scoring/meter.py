"""`Meter`: collects samples from batches, sources and saved summaries, and measures them. The one mutable object."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import cached_property, partial
from threading import RLock
from time import perf_counter
from typing import Any, Self, cast

from divmetrics.arrays import dist
from divmetrics.encoders import load_encoder
from divmetrics.encoders._encoder import Encoder
from divmetrics.errors import MeasureError, SourceError, UsageError
from divmetrics.extraction.loop import ExtractionSettings
from divmetrics.records.extractor import Layer, Spec
from divmetrics.records.keywords import method_called_with, options_of
from divmetrics.records.options import check_count
from divmetrics.records.results import Report
from divmetrics.records.run_options import LoadRequest, MeterRequest, PlanRequest, Questions
from divmetrics.scoring import collected as store
from divmetrics.scoring.classes import class_source_of, confusion_matrix
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.collector import Collector
from divmetrics.scoring.measure import measure
from divmetrics.scoring.meetings import Meetings
from divmetrics.scoring.outlines import check_kind, check_kinds, identity_of, layers_of, outline_of, size_of
from divmetrics.scoring.plan import FEATURES, HELD_OUT, LABELS, SIDES, Plan, Refused, SideName, Task
from divmetrics.scoring.progress import shown_steps
from divmetrics.scoring.ranks import check_same, together
from divmetrics.sources import Source, Stream, open_source, with_labels


class Meter:
    """Collects samples of both sides, batch by batch or whole sources, and measures them when asked.

    Threads may share a meter: each call takes its turn, and a batch is taken whole or, where it is refused, not at all.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> meter = Meter("precision,recall:k=3", ci_level=0, null=False)
        >>> for _ in range(4):
        ...     meter.add("real", rng.normal(size=(25, 2)))
        ...     meter.add("fake", 0.1 * rng.normal(size=(25, 2)))
        >>> report = meter.results()
        >>> report["precision"].value, report["recall"].value < 0.3
        (1.0, True)
    """

    plan: Plan

    @method_called_with(MeterRequest, positional=2, around=together)
    def __init__(self, request: MeterRequest) -> None:
        """A meter without samples."""
        self._start(request)

    @classmethod
    def of(cls, request: MeterRequest) -> Self:
        """The meter of a request record."""
        meter = cls.__new__(cls)
        meter._start(request)
        return meter

    def _start(self, request: MeterRequest) -> None:
        self._distributed = request.distributed
        with together(request.distributed):
            self.plan = Plan.of_request(PlanRequest.of(request, confusion=confusion_matrix(request.confusion)))
            self._settings = ExtractionSettings.of(request)
            check_same(self._request())
            self._meetings = Meetings.agreed(distributed=request.distributed)
        self._sides = _empty_sides(self.plan)
        self._encoders_by_name: dict[str, Encoder] = {}
        self._begin = perf_counter()
        self._lock = RLock()

    def __getstate__(self) -> dict[str, Any]:
        """All but the lock and the networks, which are loaded again where they are needed."""
        kept = {name: value for name, value in vars(self).items() if name not in ("_lock", "_loaded")}
        return {**kept, "_encoders_by_name": {}}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state, _lock=RLock())

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A meter with samples of its own; plan and networks, which do not change, are shared."""
        other = type(self).__new__(type(self))
        memo |= {id(self): other, id(self.plan): self.plan}
        with self._lock:
            other.__setstate__(deepcopy(self.__getstate__(), memo))
            shared: dict[str, Any] = {
                name: vars(self)[name] for name in ("_encoders_by_name", "_loaded") if name in vars(self)
            }
        vars(other).update(shared, _meetings=self._meetings.of_another())
        return other

    def _request(self) -> dict[str, Any]:
        """The part of the request that all ranks of a distributed run must have in common."""
        return {
            "metrics": {request.name: dict(request.options) for request in self.plan.requests},
            "extractor": [str(spec) for spec in self.plan.extractors.values()],
            "seed": self.plan.seed,
            **{option.name: getattr(self.plan.questions, option.name) for option in options_of(Questions)},
            **{name: getattr(self._settings, name) for name in ("max_skipped", "max_pixels", "precision", "jpeg")},
        }

    def add(self, side: SideName, batch: Any, *, labels: Sequence[Any] | None = None) -> None:
        """Add one batch. In a distributed run each rank adds its own batches, as many as it has.

        A batch that is refused is not taken. The ranks of a distributed run all raise its error at their next call,
        for the samples would be others than those that the run was given.

        Args:
            side: "real", "fake" or "held_out" (real samples that the generator was not trained on).
            batch: Images `[b, h, w, c]` or `[b, c, h, w]`, uint8 or floats in [0, 1], or features `[b, d]`;
                one image is `[1, c, h, w]`.
            labels: Class name or number of each sample, `[b]`: a list, an array or a tensor. Default: none.

        Raises:
            UsageError: There is no such side.
            FeatureError: Features hold NaN or Inf.

        Example:
            >>> import numpy as np
            >>> meter = Meter("modes_found")
            >>> meter.add("real", np.eye(3), labels=["cat", "dog", "dog"])
            >>> meter.collected("real").side.labels
            {'cat': 1, 'dog': 2}
        """
        with self._lock, self._meetings.alone():
            source, collector = open_source(batch, side=side), self._side(side)
            if labels is not None and isinstance(source, Source):
                source = with_labels(source, labels)
            once = replace(self._settings, store=None)  # nobody will show this batch again
            check_kind(side, source, self._sides)
            with _naming(side):
                collector.add(source, self._encoders(source), once)

    def take(self, side: SideName, source: Source | Stream | Collected) -> None:
        """Add a whole source, or features extracted before, after the samples that are there.

        In a distributed run every rank gives the same source, and the ranks share the work; of a stream, which is read
        once and in order, each rank gives its own.

        Args:
            side: "real", "fake" or "held_out".
            source: What `Collected.load` or `divmetrics.sources.open_source` returns.

        Raises:
            UsageError: There is no such side, the source was not opened, or the ranks gave different sources.
            SourceError: Samples cannot be read, or other encoders made those that are there.

        Example:
            >>> import numpy as np
            >>> first, second = Meter("fid"), Meter("fid")
            >>> first.add("real", np.eye(2))
            >>> second.take("real", first.collected("real"))
            >>> second.collected("real").side.n
            2
        """
        with self._lock, self._meetings.together():
            collector = self._side(side)
            check_kind(side, source, self._sides)
            with _naming(side):
                if self._distributed:
                    check_same(identity_of(side, source))
                if isinstance(source, Collected):
                    collector.put(source)
                else:
                    collector.take(source, self._encoders(source), self._settings)

    def keep(self, side: SideName, num: int) -> None:
        """Keep some of the samples of one side, drawn by the seed of the meter, and forget the others.

        Args:
            side: "real", "fake" or "held_out".
            num: How many to keep: as many as another report has, which makes the two comparable.

        Raises:
            TooFewSamples: There are fewer.
            MissingLayer: Without intervals and null bands some metrics keep no single samples to choose from.

        Example:
            >>> import numpy as np
            >>> meter = Meter("recall")
            >>> meter.add("fake", np.eye(7))
            >>> meter.keep("fake", 5)
            >>> meter.collected("fake").side.n
            5
        """
        with self._lock, self._meetings.together(), _naming(side):
            check_count("num", num)
            self._side(side).keep(num, self.plan.seed)

    def emptied(self) -> Self:
        """A meter of the same request without samples, which shares the networks that were loaded."""
        other = type(self).__new__(type(self))
        new = {"_lock": RLock(), "_meetings": self._meetings.of_another(), "_begin": perf_counter()}
        vars(other).update(vars(self), **new)
        other._sides = _empty_sides(self.plan)
        return other

    def check(self, sources: Mapping[SideName, Source | Collected]) -> list[Task | Refused]:
        """Raise the errors that `results` would raise for lack of a layer, of labels or of samples.

        Args:
            sources: Side -> source, opened but not read.

        Returns:
            What `results` would measure, and what it would not.

        Raises:
            SourceError: One side holds features and another images, or a file lacks the extractor.
            MissingLayer, TooFewSamples, FeatureError: A metric that was named cannot be computed.
        """
        inventories = {side: self._forecast(source) for side, source in sources.items()}
        sizes = {side: size_of(source) for side, source in sources.items()}
        check_kinds(sources)
        both = [outline_of(sources[side]) for side in SIDES if side in sources]
        return self.plan.bind(inventories, sizes, class_source_of(*both) if len(both) == len(SIDES) else None)

    def merge(self, other: Meter) -> None:
        """Add all samples of another meter, after those that are there.

        Args:
            other: A meter of the same extractors.

        Raises:
            SourceError: Different encoders made the two.
        """
        if not isinstance(other, Meter):
            raise UsageError(f"merge takes another Meter, not a {type(other).__name__}; add samples with add or take.")
        for side, collected in other._filled().items():
            self.take(side, collected)

    def collected(self, side: SideName) -> Collected:
        """The samples of one side as a value, in a distributed run those of all ranks.

        Args:
            side: "real", "fake" or "held_out".

        Returns:
            A frozen value; samples that are added later do not change it.
        """
        with self._lock, self._meetings.together():
            return self._side(side).collected()

    def _filled(self) -> dict[SideName, Collected]:
        """Real, fake and, where there are any, held-out samples."""
        with self._lock:  # so that all sides are of one moment
            sides = {side: self.collected(side) for side in self._sides}
        return {side: collected for side, collected in sides.items() if side in SIDES or collected.side.n != 0}

    def results(self) -> Report:
        """Measure the samples so far; more may be added afterwards.

        Returns:
            The report, as `score` returns it; in a distributed run the same on every rank.

        Raises:
            SourceError: A side has no samples, or different encoders made the two.
            MissingLayer, TooFewSamples, FeatureError: A metric that was named cannot be computed.
        """
        with self._meetings.together():
            return self.measured(self._filled())

    def measured(self, sides: Mapping[SideName, Collected]) -> Report:
        """As `results`, of samples that were collected elsewhere for the same request.

        Args:
            sides: Real, fake and, where there are any, held-out samples.
        """
        with self._meetings.together():
            report = self._measured(sides)
        seconds = {**report.meta["seconds"], "total": round(perf_counter() - self._begin, 3)}
        return report.with_meta(seconds=seconds)

    def _measured(self, sides: Mapping[SideName, Collected]) -> Report:
        for side in SIDES:
            if sides[side].side.n == 0:
                raise SourceError(f"no samples on the {side} side; add some first.")
        check_kinds(sides)
        meta = {
            "device": str(self._settings.torch_device),
            "world_size": dist.world()[1],
            "seconds": {"extract": round(sum(side.seconds for side in self._sides.values()), 3)},
        }
        with shown_steps(shown=self._settings.progress) as step:
            return measure(self.plan, sides["real"], sides["fake"], meta, sides.get(HELD_OUT), step)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the samples so far to a file, whole or not at all; `load` continues from there.

        Args:
            path: The `.dms` file. In a distributed run rank 0 writes it.
        """
        request = {"extractor": [spec.to_json() for spec in self.plan.extractors.values()], "seed": self.plan.seed}
        with self._meetings.together():
            sides = {str(side): collected for side, collected in self._filled().items()}
            if dist.world()[0] == 0:  # all ranks hold the same, and one of them writes it
                store.save(path, sides, request)

    @classmethod
    @method_called_with(LoadRequest, positional=2, around=together)
    def load(cls, request: LoadRequest) -> Self:
        """Read the meter that `save` wrote. It may be asked for other metrics than it was filled for.

        Returns:
            A meter with the samples, extractors and seed of the file.

        Raises:
            SourceError: The file is missing or damaged, or holds one set of samples only.

        Example:
            >>> import tempfile
            >>> import numpy as np
            >>> meter = Meter("fid")
            >>> for side in ("real", "fake"):
            ...     meter.add(side, np.eye(3))
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     meter.save(f"{folder}/meter.dms")
            ...     loaded = Meter.load(f"{folder}/meter.dms", "precision:k=1", ci_level=0, null=False)
            >>> loaded.results()["precision"].value
            1.0
        """
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
        return [self._settings.marked(self._encoder(spec)) for spec in self._specs.values()]

    def _encoder(self, spec: Spec) -> Encoder:
        """The encoder of `spec`, loaded once."""
        with self._lock:
            if spec.name not in self._encoders_by_name:
                self._encoders_by_name[spec.name] = load_encoder(spec)
            return self._encoders_by_name[spec.name]

    @property
    def _specs(self) -> dict[str, Spec]:
        """All extractors to run, companions last: name in the report -> extractor."""
        return {**self.plan.extractors, **self.plan.companions}

    def _forecast(self, source: Source | Collected) -> dict[str, Any]:
        """Extractor -> layers that `source` will give."""
        if isinstance(source, Collected):
            return layers_of(source, self.plan.extractors)
        if source.kind == "features":
            found: dict[str, Any] = {FEATURES: ("pooled",)}
        else:
            found = {name: self._layers(spec, source) for name, spec in self._specs.items()}
        return found if source.labels is None else {**found, LABELS: ("labels",)}

    def _layers(self, spec: Spec, source: Source) -> tuple[Layer, ...]:
        """Layers that the extractor gives. Raises UsageError where it reads samples of another kind."""
        if spec.extractor.modality != source.kind:
            raise UsageError(
                f"{source.name} holds {source.kind}s, and the extractor {spec.name} reads {spec.extractor.modality}; "
                f"choose one for {source.kind}s: divmetrics list extractors."
            )
        if spec.arguments:
            return self._encoder(spec).layers
        absent = spec.extractor.lacking(spec.arguments, spec.options)
        return tuple(layer for layer in spec.extractor.provides if layer not in absent)


def _empty_sides(plan: Plan) -> dict[SideName, Collector]:
    """A collector for each side."""
    return {side: Collector(partial(plan.needs, side), side) for side in (*SIDES, HELD_OUT)}


@contextmanager
def _naming(side: SideName) -> Iterator[None]:
    """Errors raised inside name the side."""
    try:
        yield
    except MeasureError as error:
        raise error.within(side) from None
