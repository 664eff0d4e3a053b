"""`Metric`: a pure function of summaries and all that is known of it; `@metric` declares one, `METRICS` holds them."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal

from divmetrics.errors import UsageError
from divmetrics.records.extractor import Layer
from divmetrics.records.part import Part, range_text, undeclared
from divmetrics.records.registry import Registry, declares

Better = Literal["higher", "lower"]
Role = Literal["fidelity", "diversity", "distance", "copies"]
"""What a metric is for: are samples right, is all there, both in one number, or is something copied."""
ReplicateCost = Literal[
    "reindexed",
    "projected",
    "recomputed",
    "bootstrapped",
    "decomposed",
    "decomposed_repeatedly",
    "entropic_transport",
    "optimal_transport",
]
"""What the value on one more half-sample or permutation costs, cheapest first: a look into the distances or counts that
are there, a sort along lines, clusters or classifiers fitted anew, a bootstrap, one eigenvalue problem of the features,
several, a run of Sinkhorn iterations, an exact transport plan."""


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

    By default half-samples (for the interval) and permutations (for the null) are drawn and the metric is called on
    each. A metric that can do better says so: a `variance` or whole `interval`, a closed-form `null`, or `resample`,
    which computes the value on many splits of one pool from one pass over its pairs.
    """

    variance: Variance | None = None
    resample: Callable[..., Any] | None = None
    """`(pool, splits, **options)` -> float64 `[len(splits)]`: the value on each split of the pool."""
    null: Callable[..., Null | None] | None = None
    """`(pool, **options)` -> closed-form null; None where it does not hold for these samples."""
    replicate_cost: ReplicateCost | None = None
    """What one more replicate costs, from which `inference/replicates.py` decides how many are drawn; None is
    `reindexed` with `resample` or on class counts, else `recomputed`."""
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


@dataclass(frozen=True, kw_only=True, repr=False)
class Metric(Part):
    """A pure function of summaries and what there is to know about it. Call it with arrays, tensors or summaries.

    A two-sample metric takes `(real, fake)`, a metric with `real=None` takes `(fake)`, one that reads held-out reals
    `(real, fake, held_out)`; options are keywords.
    """

    name: str = field(kw_only=False)
    function: Callable[..., float | Measured] = undeclared
    real: Need | None = None
    fake: Need
    better: Better
    laws: Laws
    cite: str
    role: Role = ""  # type: ignore[assignment]  # `__post_init__` puts the right one in its place
    """What it answers for in the report card. Left out, it is diversity where the metric gets worse when the fakes
    collapse (`laws.on_collapse`), else for fidelity."""
    presets: tuple[str, ...] = ()
    shared_pass: Callable[[Any, Any, Sequence[Mapping[str, Any]]], None] | None = None
    """Computation that several metrics share: `(real, fake, options)`, options of each requested metric that names this
    function. It runs once before the first of them and keeps what it computes with `arrays.memo.once`."""
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

    def __post_init__(self) -> None:
        if self.role not in typing.get_args(Role):
            object.__setattr__(self, "role", "diversity" if self.laws.on_collapse == "worse" else "fidelity")

    @property
    def needs(self) -> Mapping[str, Need]:
        """Side -> what the metric reads of it, in the order of the function's arguments."""
        named = {"real": self.real, "fake": self.fake, "held_out": self.held_out}
        return {side: need for side, need in named.items() if need is not None}

    @property
    def range(self) -> tuple[float, float]:
        """Least and greatest value, the infinities included."""
        return self.laws.range

    @property
    def facts(self) -> Mapping[str, str]:
        """Direction, range, what is read of each side, presets, options on the command line, source."""
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


METRICS: Registry[Metric] = Registry("metric", "divmetrics.metrics")
metric = declares(Metric, METRICS)
"""Declare a metric: `@metric("recall", real=Rows.on("pooled"), fake=Rows.on("pooled"), better="higher", ...)`."""
