"""What a part says of itself: the records `Metric`, `Extractor`, `Need` and `Laws`, and the registries that hold them.

A part is one file. Its decorator makes a record, the record lands in a registry, and the command line, the JSON, the
report, the docs page and the law tests all follow from it. This module imports no torch.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Literal, Self

from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.options import Option, options_of
from divmetrics.records.registry import Registry

Better = Literal["higher", "lower"]
Role = Literal["fidelity", "diversity", "distance", "copies"]
"""What a metric is for: are samples right, is all there, both in one number, or is something copied."""
Layer = Literal["pooled", "spatial", "logits", "labels", "pixels"]
LAYERS: tuple[Layer, ...] = typing.get_args(Layer)


@dataclass(frozen=True)
class Need:
    """One summary of one layer that a metric reads on a side: `Rows.on("pooled")`.

    Several layers mean "the first of these that both sides have": `ClassTally.on("labels", "logits")`.
    """

    summary: type[Any]
    layers: tuple[Layer, ...]

    def summarise(self, value: Any) -> Any:
        """`value` as this need's summary: unchanged if it is one already, else summarised from an array or tensor."""
        return value if isinstance(value, self.summary) else self.summary.from_array(value)


@dataclass(frozen=True)
class Laws:
    """What must hold for a metric whatever the data; `tests/metrics/test_laws.py` measures each law on every metric."""

    range: tuple[float, float] = (-inf, inf)
    row_order: bool = True
    """Shuffling the rows of either side changes nothing beyond round-off."""
    translation: bool = False
    """Moving both sides by one vector changes nothing."""
    rotation: bool = False
    """Rotating both sides by one orthogonal matrix changes nothing."""
    scaling: float | None = None
    """value(c x) = c ** scaling * value(x): 0 is free of scale, 2 squared units; None where no such law holds."""
    on_copies: float | None = None
    """The value when the fakes are the reals themselves, row for row."""
    on_collapse: Literal["worse", "better", "blind"] = "worse"
    """What happens when the fakes shrink to a tight cluster inside wide reals."""


@dataclass(frozen=True)
class About:
    """What the page of a metric says beyond its docstring; one or two plain sentences each."""

    formula: str
    """TeX, without the dollar signs."""
    sees: str
    blind: str
    bias: str
    """What the sample sizes do to the value."""
    cost: str
    """Time and memory, in n, m and d."""


@dataclass(frozen=True)
class Variance:
    """A valid estimate of the sampling variance of a metric's value, where there is a better one than half-samples."""

    method: str
    """As reports name it: `influence function`, `delete-one jackknife`, `closed form`."""
    function: Callable[..., float | None]
    """`(pool, **options)` -> variance from the chance of all sides; None where it does not hold for these samples."""
    freedom: float = inf
    """Degrees of freedom of the estimate, for Student's t."""


@dataclass(frozen=True)
class Interval:
    """Both ends of an interval, for a value that is far from normal: cut at an end of its range, one of few counts."""

    method: str
    """As reports name it."""
    function: Callable[..., tuple[float, float] | None]
    """`(pool, level, **options)` -> ends; None where it does not hold for these samples."""


@dataclass(frozen=True)
class Null:
    """Mean and standard deviation of a metric under "fakes and reals come from one distribution", in closed form."""

    mean: float
    sd: float


@dataclass(frozen=True)
class UncertaintySpec:
    """How a metric's interval and null band are found; everything has a default that recomputes the metric.

    The default draws `few` half-samples (for the interval) and re-splits (for the null) and calls the metric on each.
    A metric that can do better says so: a `variance` or whole `interval`, a closed-form `null`, or `resample`, which
    computes the value on many splits of one pool from one pass over its pairs.
    """

    variance: Variance | None = None
    resample: Callable[..., Any] | None = None
    """`(pool, splits, **options)` -> float64 `[len(splits)]`: the value on each split of the pool."""
    null: Callable[..., Null | None] | None = None
    """`(pool, **options)` -> closed-form null; None where it does not hold for these samples."""
    draws: int | None = None
    """Splits drawn for each purpose; None is 199 with `resample` or on class counts, else 20."""
    draws_wide: int | None = None
    """The same for features of more than 256 columns, where a decomposition a split takes long; None is `draws`."""
    bias: Literal["1/n", "null"] | None = None
    """`1/n`: the bias falls with the sample size and is estimated from half-samples. `null`: two samples of one
    distribution are far apart at any size, and the value's excess over the mean of the null is reported."""
    interval: Interval | None = None
    """Asked before `variance`."""
    caveat: str | None = None
    """Where the interval or the null band was measured not to hold, in one sentence: it stands in every result that
    shows them and on the metric's page. `benchmarks/calibration.py` measures it,
    `tests/validation/test_calibrated.py` compares."""


@dataclass(frozen=True)
class Measured:
    """What a metric function returns when a bare number is not enough."""

    value: float
    real: Mapping[str, Any] = field(default_factory=dict)
    """Per-sample columns of the real side: name -> one value a row, in the order of the rows."""
    fake: Mapping[str, Any] = field(default_factory=dict)
    """Per-sample columns of the fake side."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON beside the value: a spread over splits, the total a count is out of."""


class _Optioned:
    """A part whose function has options: names checked, values parsed, defaults filled in."""

    name: str
    function: Callable[..., Any]

    @property
    def options(self) -> dict[str, Option]:
        return options_of(self.function)

    @property
    def summary(self) -> str:
        """First paragraph of the docstring on one line."""
        return " ".join((inspect.getdoc(self.function) or "").split("\n\n")[0].split())

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All options with their values: `given` checked and parsed, the rest at their defaults."""
        options = self.options
        for name in given:
            if name not in options:
                raise UnknownName.of(f"option of {self.name}", name, options)
        try:
            return {name: o.check(given[name]) if name in given else o.default for name, o in options.items()}
        except UsageError as error:
            raise error.within(self.name) from None


@dataclass(frozen=True)
class Family:
    """Metrics that share one expensive pass. `fill(real, fake, options)` runs it once, before the first of them asks.

    `options` holds one resolved dict for each requested member; what `fill` computes is kept beside the summaries.
    """

    name: str
    fill: Callable[[Any, Any, Sequence[Mapping[str, Any]]], None]


@dataclass(frozen=True)
class Metric(_Optioned):
    """A pure function of summaries and what there is to know about it. Call it with arrays, tensors or summaries.

    A two-sample metric takes `(real, fake)`, a metric with `real=None` takes `(fake)`, one that reads held-out reals
    `(real, fake, held_out)`; options are keywords.
    """

    name: str
    function: Callable[..., float | Measured]
    real: Need | None
    fake: Need
    better: Better
    laws: Laws
    cite: str
    role: Role = "diversity"
    """What it answers for in the report card."""
    presets: tuple[str, ...] = ()
    family: Family | None = None
    minimum: Callable[[Mapping[str, Any]], int] = lambda _: 2
    """Rows per side that the metric needs at least, given its options."""
    protocols: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    """Protocol of an encoder -> the parameters that published numbers on it share; see `Result.literature`."""
    held_out: Need | None = None
    """For metrics that ask whether fakes were copied: real samples that the generator was not trained on."""
    equal_n: bool = False
    """Comparable at equal sizes only: the engine then takes a seeded subset of the larger side, and says so."""
    uncertainty: UncertaintySpec = UncertaintySpec()
    shared: tuple[str, ...] = ()
    """Options of a one-sample metric that, where they follow the samples, the reals' own value takes from the fakes'
    extras: two numbers are comparable under one bandwidth only."""
    smallest: int = 0
    """Least height and width of the images, for one that reads pixels: what an extractor resizes to less is refused."""
    companion: str | None = None
    """Extractor that is run beside those asked for where none of them gives the layer: `pixels?size=32`."""
    about: About | None = None

    @property
    def needs(self) -> Mapping[str, Need]:
        """Side -> what the metric reads of it, in the order of the function's arguments."""
        named = {"real": self.real, "fake": self.fake, "held_out": self.held_out}
        return {side: need for side, need in named.items() if need is not None}

    @property
    def range(self) -> tuple[float, float]:
        """Least and greatest value, the infinities included."""
        return self.laws.range

    def __call__(self, *sides: Any, **options: Any) -> float:
        """The value alone. `sides` are `[n, d]` arrays, tensors or summaries: `(real, fake)`, or `(fake,)`."""
        return self.measure(*sides, **options).value

    def measure(self, *sides: Any, **options: Any) -> Measured:
        """The value with its per-sample columns and extras. Raises UsageError on a wrong option or number of sides."""
        needs = self.needs
        if len(sides) != len(needs):
            wanted = " and ".join(needs) if len(needs) > 1 else "fake only"
            raise UsageError(f"{self.name} takes {wanted}, got {len(sides)} arguments.")
        summaries = [need.summarise(side) for need, side in zip(needs.values(), sides, strict=True)]
        found = self.function(*summaries, **self.resolve(options))
        return found if isinstance(found, Measured) else Measured(float(found))


@dataclass(frozen=True)
class Extractor(_Optioned):
    """A way to load encoders: `function(**options)`, or `function(argument, **options)` for families (`timm:NAME`)."""

    name: str
    function: Callable[..., Any]
    modality: Literal["image", "text", "audio", "array"]
    provides: tuple[Layer, ...]
    cite: str

    @property
    def argument(self) -> str | None:
        """What a family wants behind its name: `MODEL` for `timm:MODEL`; None where the name says all."""
        kinds = inspect.signature(self.function).parameters.values()
        return next((p.name.upper() for p in kinds if p.kind is not p.KEYWORD_ONLY), None)


@dataclass(frozen=True)
class ZooModel(_Optioned):
    """A generator whose collapse is known: `function(n, seed, **options)` -> rows `[n, d]` float32 of its target.

    An option called `level` is the severity of what was done to it; `levels` are those of its ladder, mildest first.
    """

    name: str
    function: Callable[..., Any]
    family: str
    """`target`, `oracle`, `exact score`, `gan`, `vae`, `flow`, `score`."""
    target: str
    """Name of the distribution that it is meant to draw."""
    knob: str
    """What was done to it, in words: `modes dropped one after the other`."""
    cite: str
    levels: tuple[float, ...] = ()
    truth: Callable[..., Any] | None = None
    """`(**options)` -> exact share of each mode `[K]`, where the generator is built from them."""
    train: Callable[..., None] | None = None
    """`(folder, *, seed, progress)` trains it again; None where there is nothing to train."""
    checkpoint: Path | None = None
    """What a trained model was left in; its header holds the oracle's numbers."""
    copied: int = 0
    """Rows of the target's training set that it has seen, where it may copy them."""
    untreated: str | None = None
    """For a cure: the entry without it, all else equal."""
    support: int | None = None
    """Samples that there are, where each is given out once; None where there is no end."""


@dataclass(frozen=True)
class Spec:
    """An extractor as a user names it, `NAME[:ARGUMENT][?option=value&option=value]`, checked."""

    extractor: Extractor
    arguments: tuple[str, ...]
    """What follows the colon, for a family; else empty."""
    options: Mapping[str, Any]
    """All options, resolved."""
    given: tuple[str, ...]
    """Names of the options that stand in the text."""

    @property
    def name(self) -> str:
        """What reports call it: without options at their defaults, and without the path of a weights file.

        A path differs from machine to machine; the digest of the weights, which stands in every signature, does not.
        """
        defaults = self.extractor.options
        telling = [n for n in self.given if self.options[n] != defaults[n].default and not self._is_path(n)]
        query = "&".join(f"{n}={self.options[n]}" for n in telling)
        return ":".join((self.extractor.name, *self.arguments)) + (f"?{query}" if query else "")

    def _is_path(self, option: str) -> bool:
        return option == "weights" and self.options[option] != "random"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises UnknownName for a name or an option that does not exist, UsageError for a malformed text."""
        path, _, query = text.partition("?")
        name, _, argument = path.partition(":")
        record = EXTRACTORS[name]
        if bool(argument) != (record.argument is not None):
            wanted = f"{name}:{record.argument}" if record.argument else name
            raise UsageError(f"{text!r} is no extractor; write {wanted}{'?' + query if query else ''}.")
        given = {}
        for pair in filter(None, query.split("&")):
            option, equals, value = pair.partition("=")
            if not equals:
                raise UsageError(f"{text!r}: {pair!r} is not an option; write {path}?option=value.")
            given[option] = value
        return cls(record, (argument,) if argument else (), record.resolve(given), tuple(given))


METRICS: Registry[Metric] = Registry("metric", "divmetrics.metrics")
EXTRACTORS: Registry[Extractor] = Registry("extractor", "divmetrics.encoders")
ZOO: Registry[ZooModel] = Registry("zoo entry", "divmetrics.zoo.entries")


def metric(
    name: str,
    *,
    fake: Need,
    real: Need | None = None,
    better: Better,
    laws: Laws,
    cite: str,
    role: Role | None = None,
    presets: Sequence[str] = (),
    family: Family | None = None,
    minimum: Callable[[Mapping[str, Any]], int] = lambda _: 2,
    protocols: Mapping[str, Mapping[str, Any]] | None = None,
    held_out: Need | None = None,
    equal_n: bool = False,
    uncertainty: UncertaintySpec | None = None,
    shared: tuple[str, ...] = (),
    smallest: int = 0,
    companion: str | None = None,
    about: About | None = None,
) -> Callable[[Callable[..., float | Measured]], Metric]:
    """Declare a metric: `@metric("recall", real=Rows.on("pooled"), fake=Rows.on("pooled"), better="higher", ...)`.

    Without a `role` it is for diversity if it gets worse when the fakes collapse (`laws.on_collapse`), else for
    fidelity.
    """

    def declare(function: Callable[..., float | Measured]) -> Metric:
        record = Metric(
            name=name,
            function=function,
            real=real,
            fake=fake,
            better=better,
            laws=laws,
            cite=cite,
            role=role or ("diversity" if laws.on_collapse == "worse" else "fidelity"),
            presets=tuple(presets),
            family=family,
            minimum=minimum,
            protocols=protocols or {},
            held_out=held_out,
            equal_n=equal_n,
            uncertainty=uncertainty or UncertaintySpec(),
            shared=shared,
            smallest=smallest,
            companion=companion,
            about=about,
        )
        METRICS.add(record)
        return record

    return declare


def extractor(
    name: str, *, modality: Literal["image", "text", "audio", "array"], provides: Sequence[Layer], cite: str
) -> Callable[[Callable[..., Any]], Extractor]:
    """Declare an extractor: the decorated function takes keyword-only options and returns a loaded `Encoder`."""

    def declare(function: Callable[..., Any]) -> Extractor:
        record = Extractor(name, function, modality, tuple(provides), cite)
        EXTRACTORS.add(record)
        return record

    return declare


def zoo_model(
    name: str,
    *,
    family: str,
    target: str,
    knob: str,
    cite: str,
    levels: Sequence[float] = (),
    truth: Callable[..., Any] | None = None,
    train: Callable[..., None] | None = None,
    checkpoint: Path | None = None,
    copied: int = 0,
    untreated: str | None = None,
    support: int | None = None,
) -> Callable[[Callable[..., Any]], ZooModel]:
    """Declare a generator of the zoo: a function of `(n, seed, *, options)` that returns rows `[n, d]`."""

    def declare(function: Callable[..., Any]) -> ZooModel:
        record = ZooModel(
            name=name,
            function=function,
            family=family,
            target=target,
            knob=knob,
            cite=cite,
            levels=tuple(levels),
            truth=truth,
            train=train,
            checkpoint=checkpoint,
            copied=copied,
            untreated=untreated,
            support=support,
        )
        ZOO.add(record)
        return record

    return declare
