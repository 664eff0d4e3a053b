"""`Plan`: which metrics are measured on which extractors, checked before the first image is decoded."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Self

from divmetrics.arrays.summaries import Rows
from divmetrics.errors import DivmetricsError, FeatureError, MissingLayer, TooFewSamples, UnknownName, UsageError
from divmetrics.records.extractor import Layer, Spec
from divmetrics.records.keywords import method_called_with
from divmetrics.records.metric import METRICS, Metric, Need
from divmetrics.records.run_options import ExtractorOptions, PlanRequest, Questions
from divmetrics.scoring.classes import ClassSource

SideName = Literal["real", "fake", "held_out"]
SIDES: tuple[SideName, SideName] = ("real", "fake")
HELD_OUT: SideName = "held_out"
"""Real samples that the generator was not trained on: a third side, which few metrics read."""
PRESETS = ("quick", "default", "full")

FEATURES, LABELS = "features", "labels"
"""In place of the name of an extractor: for features that were given, and for metrics that read labels only."""

Inventory = Mapping[SideName, Mapping[str, Iterable[Layer]]]
"""Side -> extractor -> layers that it has, or will have."""


@dataclass(frozen=True)
class Request:
    """One requested metric with all its options."""

    metric: Metric
    options: Mapping[str, Any]
    name: str
    """The name of the metric, with its options (`recall:k=3`) where it was requested more than once."""
    explicit: bool
    """Whether the user named it, so that a failure is an error; from a preset it is a null with its reason."""
    optional: bool = False
    """Whether it is left out where classes, logits or held-out samples are missing (presets other than `full`)."""

    @property
    def params(self) -> dict[str, Any]:
        """The options that a result lists: all but the seed, which it states separately."""
        return {name: value for name, value in self.options.items() if name != "seed"}

    @cached_property
    def companion(self) -> Spec | None:
        """The extractor that serves the metric where none that was asked for does."""
        return None if self.metric.companion is None else Spec.parse(self.metric.companion)

    @property
    def sides(self) -> tuple[SideName, ...]:
        """The sides that the metric reads, in the order of its arguments."""
        return tuple(side for side in (*SIDES, HELD_OUT) if side in self.metric.needs)

    def need(self, side: SideName) -> Need | None:
        """What the metric reads on `side`, or what is read there for comparison.

        A metric of one sample is measured on the real samples too, and one of two samples on held-out real samples,
        which say what a perfect generator scores.
        """
        if side == HELD_OUT:
            return self.metric.held_out or self.metric.real
        return self.metric.needs.get(side) or (self.metric.fake if side == "real" else None)


@dataclass(frozen=True)
class Task:
    """One number to compute: a request on one layer of one extractor."""

    request: Request
    extractor: str
    layer: Layer

    @property
    def features(self) -> Layer:
        """The layer that the extractor gives for it."""
        return "pooled" if self.layer == "classes" else self.layer

    @property
    def key(self) -> str:
        """The key in the report: `NAME@EXTRACTOR`."""
        return f"{self.request.name}@{self.extractor}"


@dataclass(frozen=True)
class Refused:
    """A metric of a preset that cannot be computed on these samples, and why."""

    request: Request
    extractor: str
    reason: DivmetricsError

    @property
    def key(self) -> str:
        """The key in the report, as for a task."""
        return f"{self.request.name}@{self.extractor}"


@dataclass(frozen=True)
class Plan:
    """The requested metrics with their options, the extractors and the seed, all of which exist."""

    requests: tuple[Request, ...]
    extractors: Mapping[str, Spec]
    """Name in the report -> the extractor."""
    seed: int
    companions: Mapping[str, Spec] = field(default_factory=dict)
    """Extractors that are added for metrics whose layer no requested extractor provides."""
    questions: Questions = field(default_factory=Questions)
    paired: bool = False
    """Whether every metric is evaluated on half-samples, for the comparison with another generator."""
    brief: bool = False
    """Whether exhibits are small galleries alone, as the page of a comparison shows them of each generator."""

    @classmethod
    @method_called_with(PlanRequest, positional=2)
    def of(cls, request: PlanRequest) -> Self:
        """The plan of a request.

        Raises:
            UsageError: A metric, an extractor or an option does not exist.

        Example:
            >>> plan = Plan.of("recall:k=3", "pixels")
            >>> [(request.name, request.options["k"]) for request in plan.requests], list(plan.extractors)
            ([('recall', 3)], ['pixels'])
        """
        return cls.of_request(request)

    @classmethod
    def of_request(cls, request: PlanRequest) -> Self:
        """The plan of a request record. Raises UsageError as `of` does."""
        extractors: dict[str, Spec] = {}
        for spec in specs_of(request):
            if (other := extractors.setdefault(spec.name, spec)) != spec:
                raise UsageError(
                    f"{other} and {spec} would both be called {spec.name}; score them in two runs, or name "
                    "objects with divmetrics.plugins.encoder_of(network, name=...)."
                )
        if not extractors:
            raise UsageError("no extractor was named; leave the option out for the default.")
        requests = tuple(_requests(split_items(request.metrics), request.seed))
        given = {layer for spec in extractors.values() for layer in spec.extractor.provides}
        wanted = {r.companion for r in requests if not given.intersection(r.metric.fake.layers)}
        companions = {spec.name: spec for spec in sorted(filter(None, wanted), key=str)}
        return cls(requests, extractors, request.seed, companions, Questions.of(request))

    @property
    def uncertain(self) -> bool:
        """Whether intervals or null bands are wanted, which need the rows and not only their summaries."""
        return self.questions.ci_level > 0 or self.questions.null

    def needs(self, side: SideName, extractor: str) -> dict[Layer, set[type[Any]]]:
        """Layer -> summaries to keep of what `extractor` gives on `side`."""
        found: dict[Layer, set[type[Any]]] = {}
        for request in self.requests:
            need = request.need(side) if side in request.sides or side != HELD_OUT or self.questions.null else None
            if need is None or (extractor in self.companions) != (self._companion(request) == extractor):
                continue
            for layer in need.layers:
                found.setdefault(layer, set()).update(_kept_summaries(need, rows_too=self.uncertain))
            if "classes" in need.layers:
                found.setdefault("pooled", set()).add(Rows)
        asked = self.questions
        wanted = asked.samples or asked.exhibits or asked.null or asked.modes is not None  # null: the verdict's, too
        if extractor not in self.companions and wanted:
            found.setdefault("pooled", set()).add(Rows)
        return found

    def _companion(self, request: Request) -> str | None:
        """The companion extractor that `request` is measured on; None where the requested ones provide its layer."""
        spec = request.companion
        return spec.name if spec is not None and spec.name in self.companions else None

    def bind(
        self, inventory: Inventory, sizes: Mapping[SideName, int | None], classes: ClassSource | None = None
    ) -> list[Task | Refused]:
        """For each request and extractor, in their order, the task, or the reason why there is none.

        A size may be None, unknown. `classes` says where classes come from; None goes by the sides that have labels.
        Raises MissingLayer or TooFewSamples where a metric was named explicitly, or where
        nothing is left to compute.
        """
        for side, n in sizes.items():
            if n is not None and n < 2:
                raise TooFewSamples(f"{side} has {n} sample{'s' * (n != 1)}; a set needs at least 2 to be measured.")
        source = classes or _by_labels(inventory)
        if source.kind == "real" and self.questions.confusion is not None:
            raise UsageError(
                "the confusion matrix is that of the classifier that gave the samples their classes, and the generated "
                "ones have none; leave it out, or give classes with --labels."
            )
        tasks: dict[str, Task | Refused] = {}
        left_out: list[DivmetricsError] = []
        for request in self.requests:
            for extractor in self._extractors_for(request, inventory):
                spec = self.extractors.get(extractor) or self.companions.get(extractor)
                bound = _bind_one(request, extractor, spec, inventory, sizes, source)
                if isinstance(bound, Refused) and request.explicit:
                    raise bound.reason
                if isinstance(bound, Refused) and request.optional and isinstance(bound.reason, MissingLayer):
                    left_out.append(bound.reason)
                else:
                    tasks.setdefault(bound.key, bound)
        reasons = [task.reason for task in tasks.values() if isinstance(task, Refused)]
        if len(reasons) == len(tasks) and (reasons or left_out):
            raise (*left_out, *reasons)[0]
        return list(tasks.values())

    def _extractors_for(self, request: Request, inventory: Inventory) -> list[str]:
        """The extractors of `inventory` that `request` is measured on: its companion, or all requested ones."""
        companion = self._companion(request)
        if companion is not None and companion in inventory["fake"]:
            return [companion]
        return [name for name in inventory["fake"] if name != LABELS and name not in self.companions]


def _kept_summaries(need: Need, *, rows_too: bool) -> set[type[Any]]:
    """Summaries to collect for `need`; the rows as well where subsamples of them will be summarised."""
    kind = need.summary.collected_as()
    return {kind, need.summary.sampled_as()} if rows_too else {kind}


def split_items(given: str | Sequence[str]) -> list[str]:
    """The items of a comma-separated text, or of a list of such texts."""
    texts = [given] if isinstance(given, str) else list(given)
    return [item.strip() for text in texts for item in str(text).split(",") if item.strip()]


def specs_of(choice: ExtractorOptions) -> tuple[Spec, ...]:
    """The requested extractors; `weights`, where given, becomes an option of the only one."""
    specs, weights = Spec.parse_all(choice.extractor), choice.weights
    if weights is None:
        return specs
    if len(specs) != 1:
        raise UsageError("--weights needs exactly one extractor; write -e 'NAME?weights=PATH' for each of several.")
    if "weights" not in specs[0].options:
        raise UsageError(f"extractor {specs[0].extractor.name} has no weights to replace; leave --weights out.")
    if "weights" in specs[0].given:
        raise UsageError(f"{specs[0]} names its weights already; leave --weights out.")
    return (specs[0].with_options(weights=os.fspath(weights)),)


def _requests(items: Sequence[str], seed: int) -> Iterator[Request]:
    """Requests in their order, presets expanded; a named metric replaces the same one from a preset."""
    parsed = [_parse(item) for item in items if item not in PRESETS]
    times = Counter(metric.name for metric, _ in parsed)
    for metric, given in {(metric.name, tuple(given.items())): (metric, given) for metric, given in parsed}.values():
        suffix = "".join(f":{name}={value}" for name, value in given.items()) if times[metric.name] > 1 else ""
        yield _request(metric, given, f"{metric.name}{suffix}", explicit=True, seed=seed)
    for metric in METRICS:
        if metric.name not in times and any(_in_preset(metric, item) for item in items if item in PRESETS):
            optional = "full" not in items
            yield replace(_request(metric, {}, metric.name, explicit=False, seed=seed), optional=optional)
    if not items:
        raise UsageError("no metric was named; leave the option out for the preset 'default'.")


def _request(metric: Metric, given: Mapping[str, str], name: str, *, explicit: bool, seed: int) -> Request:
    options = metric.resolve(given)
    if "seed" in options and "seed" not in given:
        options["seed"] = seed
    return Request(metric, options, name, explicit)


def _in_preset(metric: Metric, preset: str) -> bool:
    return preset == "full" or preset in metric.presets


def _parse(item: str) -> tuple[Metric, dict[str, str]]:
    name, *pairs = item.split(":")
    if name not in METRICS:
        raise UnknownName.of("metric or preset", name, [*(metric.name for metric in METRICS), *PRESETS])
    given = {}
    for pair in pairs:
        option, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"{item!r}: {pair!r} is not an option; write {name}:option=value.")
        given[option] = value
    return METRICS[name], given


def _bind_one(
    request: Request,
    extractor: str,
    spec: Spec | None,
    inventory: Inventory,
    sizes: Mapping[SideName, int | None],
    source: ClassSource,
) -> Task | Refused:
    try:
        _check_sizes(request, sizes)
        _check_resize(request, spec)
        return _on_first_layer(request, extractor, spec, inventory, source)
    except DivmetricsError as reason:
        return Refused(request, extractor, reason)


def _by_class(request: Request) -> bool:
    return any(need.summary.by_class for need in request.metric.needs.values())


def _by_labels(inventory: Inventory) -> ClassSource:
    """Where classes come from, by the sides that have labels."""
    real, fake = (LABELS in inventory[side] for side in SIDES)
    if real and fake:
        return ClassSource("labels")
    return ClassSource("real" if real else "none" if fake else "network")


def _on_first_layer(
    request: Request, extractor: str, spec: Spec | None, inventory: Inventory, source: ClassSource
) -> Task:
    """The task on the first layer that both sides have. Labels come from the samples, other layers from extractors."""
    if HELD_OUT in request.sides and HELD_OUT not in inventory:
        raise MissingLayer(
            f"{request.name} needs real samples that the generator was not trained on; give them with --held-out."
        )
    if _by_class(request) and source.kind != "labels":
        raise MissingLayer(
            f"{request.name} is computed class by class; put the samples of both sides into class folders, "
            f"or give their classes with --labels.{' ' * bool(source.text)}{source.text}"
        )
    for layer in _readable(request, source):
        task = Task(request, LABELS if layer == "labels" else extractor, layer)
        if all(task.features in inventory[side].get(task.extractor, ()) for side in request.sides):
            return task
    absent = {} if spec is None else spec.extractor.lacking(spec.arguments, spec.options)
    if reason := next((absent[layer] for layer in request.metric.fake.layers if layer in absent), ""):
        raise MissingLayer(f"{request.name} cannot be had: {reason}.")
    if source.text and "labels" in request.metric.fake.layers:
        raise MissingLayer(f"{request.name} counts classes. {source.text}")
    wanted = " or ".join(layer for layer in request.metric.fake.layers if layer != "classes")
    there = ", ".join(sorted(inventory["fake"][extractor]))
    classes = ", or put the samples of both sides into class folders to have labels" * ("labels" in wanted)
    raise MissingLayer(
        f"{request.name} reads {wanted}, and {extractor} gives {there or 'nothing'}; "
        f"choose an extractor that gives it{classes}."
    )


def _readable(request: Request, source: ClassSource) -> list[Layer]:
    """The layers that `request` may read. A metric of classes has one meaning for given sides, that of `source`."""
    layers = request.metric.fake.layers
    if "labels" not in layers:
        return list(layers)
    other = {"labels": source.kind == "labels", "classes": source.kind == "real"}
    return [layer for layer in layers if other.get(layer, source.kind == "network")]


def _check_resize(request: Request, spec: Spec | None) -> None:
    """Raise FeatureError where the extractor resizes images below the size that the metric needs."""
    least, size = request.metric.min_image_size, None if spec is None else spec.options.get("size")
    if spec is not None and isinstance(size, int) and 0 < size < least:
        raise FeatureError(
            f"{request.name} needs images of at least {least} x {least} pixels, "
            f"{spec.name} makes them {size} x {size}; use {request.metric.companion or f'size={least}'}."
        )


def _check_sizes(request: Request, sizes: Mapping[SideName, int | None]) -> None:
    minimum = request.metric.minimum(request.options)
    for side in request.sides:
        if (n := sizes.get(side)) is not None and n < minimum:
            k = f" with k={request.options['k']}" if "k" in request.options else ""
            lower = f" or lower k, {request.metric.name}:k={n - 1}" if k and n > 1 else ""
            raise TooFewSamples(
                f"{request.name}{k} needs at least {minimum} samples per side, {side} has {n}; add samples{lower}."
            )
