"""`Metric`: the record of a metric: a pure function of summaries, its direction, range, options and invariances."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal

from divmetrics.errors import DivmetricsError, UnknownName, UsageError
from divmetrics.records.extractor import Layer
from divmetrics.records.part import Part, range_text, undeclared
from divmetrics.records.registry import Registry, declares
from divmetrics.records.uncertainty_spec import Interval, Null, ReplicateCost, Spread, UncertaintySpec, Variance

Better = Literal["higher", "lower"]
Role = Literal["fidelity", "diversity", "distance", "copies"]
"""What a metric measures: quality of single samples, coverage of the distribution, both in one number, or copying."""


__all__ = [
    "METRICS",
    "About",
    "Better",
    "Interval",
    "Laws",
    "Measured",
    "Metric",
    "Need",
    "Null",
    "ReplicateCost",
    "Role",
    "Spread",
    "UncertaintySpec",
    "Variance",
    "metric",
]


@dataclass(frozen=True)
class Need:
    """What a metric reads on one side: a summary of a layer.

    Of several layers the first that both sides have is read: `ClassTally.on("labels", "logits")`.

    Example:
        >>> from divmetrics.plugins import Rows
        >>> Rows.on("pooled").layers
        ('pooled',)
    """

    summary: type[Any]
    """Class of the summary: `Rows`, `Moments`, ..."""
    layers: tuple[Layer, ...]
    """Layers that serve, in order of preference."""

    def summarise(self, value: Any) -> Any:
        """Summarise an array or tensor `[n, d]`; a summary of the right class is returned unchanged."""
        return value if isinstance(value, self.summary) else self.summary.from_array(value)


@dataclass(frozen=True)
class Laws:
    """Invariances of a metric, which hold for any data; `tests/metrics/test_laws.py` checks each on every metric.

    Example:
        >>> laws = Laws(range=(0, inf), translation=True, scaling=2, on_copies=0)  # a squared distance
        >>> laws.on_collapse
        'worse'
    """

    range: tuple[float, float] = (-inf, inf)
    """Least and greatest possible value."""
    row_order: bool = True
    """Shuffling the rows of either side changes nothing beyond round-off."""
    translation: bool = False
    """Moving both sides by one vector changes nothing."""
    rotation: bool = False
    """Rotating both sides by one orthogonal matrix changes nothing."""
    scaling: float | None = None
    """Exponent in value(c x) = c ** scaling * value(x): 0 for no unit, 2 for squared units; None where none holds."""
    on_copies: float | None = None
    """The value where the fake samples equal the real ones, row for row; None where it depends on the data."""
    on_collapse: Literal["worse", "better", "blind"] = "worse"
    """What the value does where the fake samples shrink to a tight cluster inside wide real samples."""


@dataclass(frozen=True)
class About:
    """Further text for the page of a metric in the docs, beyond its docstring; one or two sentences each."""

    formula: str
    """TeX, without the dollar signs."""
    sees: str
    """Differences of distributions that change the value."""
    blind: str
    """Differences that do not."""
    bias: str
    """How the value depends on the sample sizes."""
    cost: str
    """Time and memory, in n, m and d."""


@dataclass(frozen=True)
class Measured:
    """The value of a metric with per-sample values and further numbers.

    Example:
        >>> import divmetrics as dm
        >>> measured = dm.metrics.fid.measure([[0.0], [2.0]], [[1.0], [3.0]])
        >>> round(measured.value, 6), round(measured.extras["mean_term"], 6)
        (1.0, 1.0)
    """

    value: float
    """The number."""
    real: Mapping[str, Any] = field(default_factory=dict)
    """Per-sample columns of the real side: name -> one value for each row, in the order of the rows."""
    fake: Mapping[str, Any] = field(default_factory=dict)
    """Per-sample columns of the fake side."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """Further numbers, plain JSON: a standard deviation over splits, the total of a count."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Metric(Part):
    """The record of a metric, which is called like its function: with arrays, tensors or summaries.

    A metric of two samples takes `(real, fake)`, one of a single sample, with `real=None`, takes `(fake)`, and one that
    reads held-out real samples `(real, fake, held_out)`. Options are keywords.

    Example:
        >>> import divmetrics as dm
        >>> recall = dm.metrics.recall
        >>> recall.better, recall.range, recall.options["k"].default
        ('higher', (0, 1), 5)
        >>> recall([[0.0], [1.0], [2.0], [9.0]], [[0.1], [0.9], [2.1]], k=1)
        0.75
    """

    name: str = field(kw_only=False)
    """What users call it: `divmetrics.metrics.NAME`."""
    function: Callable[..., float | Measured] = undeclared
    """Computes the value from the summaries."""
    real: Need | None = None
    """What is read of the real side; None for a metric of a single sample."""
    fake: Need
    """What is read of the fake side."""
    better: Better
    """Direction: whether a higher or a lower value is better."""
    laws: Laws
    """Range and invariances."""
    cite: str
    """Where the metric was published."""
    role: Role = ""  # type: ignore[assignment]  # `__post_init__` puts the right one in its place
    """What it is judged by in the report card. By default diversity where the metric gets worse when the fake samples
    collapse (`laws.on_collapse`), else fidelity."""
    presets: tuple[str, ...] = ()
    """Presets that contain it, besides `full`."""
    shared_pass: Callable[[Any, Any, Sequence[Mapping[str, Any]]], None] | None = None
    """Computation that several metrics share: `(real, fake, options)`, options of each requested metric that names this
    function. It runs once before the first of them and keeps what it computes with `arrays.memo.once`."""
    minimum: Callable[[Mapping[str, Any]], int] = lambda _: 2
    """Options -> least number of samples for each side."""
    protocols: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    """Protocol of an encoder -> the options that published numbers on it share; see `Result.literature`."""
    held_out: Need | None = None
    """What is read of real samples that the generator was not trained on, for metrics that detect copies."""
    equal_n: bool = False
    """Whether values are comparable at equal sample sizes only; then the larger side is cut to a seeded subset, and the
    result says so."""
    uncertainty: UncertaintySpec = UncertaintySpec()  # noqa: RUF009  it is frozen
    """How its confidence interval and null band are computed."""
    shared_options: tuple[str, ...] = ()
    """For a metric of a single sample: options that are estimated from the samples, such as a bandwidth. The value on
    the real samples takes them from the extras of the fake ones, since only values under equal options compare."""
    min_image_size: int = 0
    """Least height and width of images, for a metric of pixels; an extractor that resizes to less is refused."""
    companion: str | None = None
    """Extractor that is run in addition where none of those that were named gives the layer: `pixels?size=32`."""
    about: About | None = None
    """Further text for its page in the docs."""

    def __post_init__(self) -> None:
        if self.role not in typing.get_args(Role):
            object.__setattr__(self, "role", "diversity" if self.laws.on_collapse == "worse" else "fidelity")

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A registered metric is pickled and copied as its name: its function cannot be found by that any more."""
        return (_registered, (self.name,)) if METRICS.has(self) else super().__reduce_ex__(protocol)

    @property
    def needs(self) -> Mapping[str, Need]:
        """Side -> what is read of it, in the order of the function's arguments."""
        named = {"real": self.real, "fake": self.fake, "held_out": self.held_out}
        return {side: need for side, need in named.items() if need is not None}

    @property
    def range(self) -> tuple[float, float]:
        """Least and greatest possible value; an infinity where there is no bound."""
        return self.laws.range

    @property
    def facts(self) -> Mapping[str, str]:
        """Direction, range, what is read of each side, presets, the command line, the source."""
        reads = [f"{side}: {need.summary.__name__} of {' or '.join(need.layers)}" for side, need in self.needs.items()]
        options = "".join(f":{option.name}={option.default}" for option in self.options.values())
        return {
            "better": self.better,
            "range": range_text(*self.range),
            "reads": "; ".join(reads),
            "presets": ", ".join(self.presets),
            "command line": f"-m {self.name}{options}",
            "source": self.cite,
        }

    def __call__(self, *sides: Any, **options: Any) -> float:
        """Compute the value; arguments and errors as in `measure`."""
        return self.measure(*sides, **options).value

    def measure(self, *sides: Any, **options: Any) -> Measured:
        """Compute the value with its per-sample columns and extras.

        Args:
            *sides: `[n, d]` arrays, tensors, data frames or summaries, as many as the metric reads: `real, fake`, or
                `fake`; they may also be named, `fid(fake=x, real=y)`.
            **options: Options of the metric; left out, their defaults.

        Raises:
            UnknownName: There is no such option.
            UsageError: An option is of the wrong type, or the number of sides is wrong.
            FeatureError: Features are no numbers or not finite, or the widths of the sides differ.
            TooFewSamples: A side has fewer samples than the metric needs.
        """
        needs = self.needs
        given = dict(zip(needs, sides, strict=False))
        named = {name: options.pop(name) for name in needs if name in options and name not in self.options}
        twice = given.keys() & named.keys()
        unknown = next((name for name in options if name not in self.options), None)
        if unknown is not None and len(given) + len(named) < len(needs):
            raise UnknownName.of(f"argument of {self.name}", unknown, [*needs, *self.options])
        if len(sides) > len(needs) or twice or len(given) + len(named) < len(needs):
            wanted = " and ".join(needs) if len(needs) > 1 else "fake only"
            count = len(sides) + len(named)
            got = f"{min(twice)} twice" if twice else f"{count} argument{'s' * (count != 1)}"
            raise UsageError(f"{self.name} takes {wanted}, got {got}.")
        given.update(named)
        summaries = [self._summarised(side, need, given[side]) for side, need in needs.items()]
        found = self.function(*summaries, **self.resolve(options))
        return found if isinstance(found, Measured) else Measured(float(found))

    def _summarised(self, side: str, need: Need, value: Any) -> Any:
        """What the metric reads of a side. Errors name the metric and the side."""
        try:
            return need.summarise(value)
        except DivmetricsError as error:
            raise error.within(f"{self.name}: {side}") from None


def _registered(name: str) -> Metric:
    """The metric called `name`."""
    return METRICS[name]


METRICS: Registry[Metric] = Registry("metric", "divmetrics.metrics")
metric = declares(Metric, METRICS)
"""Decorator that declares a metric: a function of summaries with keyword-only options that returns its value.

Args:
    name: What users call it.
    fake: What is read of the fake side: `Rows.on("pooled")`.
    real: The same for the real side; left out for a metric of a single sample.
    better: `higher` or `lower`.
    laws: Range and invariances.
    cite: Where the metric was published.

The other fields of `Metric` are optional. The decorated name becomes the record, which is called like the function.
Raises UsageError where the name is taken.
"""
