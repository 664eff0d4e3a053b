"""`compare`: several generators against one reference, ranked by what their samples can tell apart."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from time import perf_counter

import numpy as np

from divmetrics._version import __version__
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import DivmetricsError, FeatureError, MissingLayer, UnknownName
from divmetrics.inference.paired import Scored
from divmetrics.inference.ranking import Compared, falls_of, rankings_of
from divmetrics.records.comparison import Comparison
from divmetrics.records.keywords import called_with
from divmetrics.records.metric import METRICS
from divmetrics.records.results import Report
from divmetrics.records.run_options import CompareRequest, MeterRequest
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.generators import Generators
from divmetrics.scoring.meter import Meter
from divmetrics.scoring.outlines import size_of
from divmetrics.scoring.pictures import pictures_of
from divmetrics.scoring.plan import FEATURES, HELD_OUT, SideName, Task
from divmetrics.scoring.ranks import together
from divmetrics.scoring.score import open_sides
from divmetrics.sources import Source, Stream, subset

Opened = Source | Stream | Collected


@called_with(CompareRequest, positional=2, around=together)
def compare(request: CompareRequest) -> Comparison:
    """Compare several generators against the same real samples, and rank them metric by metric.

    The real samples are read once. All generators are measured at equal sizes, and differences are judged on the same
    half-samples of the real ones: generators that cannot be told apart share a rank.

    Returns:
        The comparison: `reports` with the verdict of each generator, `ranking` with a `Ranking` for each metric,
        `comparison["recall"]` for one of them, `falls` and `collapse` of checkpoints, and `to_json()`.

    Raises:
        UsageError: The request is wrong, such as one generator only; nothing was measured.
        MeasureError: Samples cannot be read, are too few, or do not allow a comparison; the message names the
            generator.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> real, wide = rng.normal(size=(2, 100, 2))
        >>> found = compare(real, {"narrow": wide / 4, "wide": wide}, metrics="recall,precision", null=False)
        >>> [(place.name, place.rank) for place in found["recall"].places]
        [('wide', 1), ('narrow', 2)]
    """
    with together(request.distributed):
        begin = perf_counter()
        generators = Generators.of(request.fakes, steps=request.steps)
        meter = Meter.of(MeterRequest.of(request))
        meter.plan = replace(meter.plan, paired=request.ci_level > 0, brief=True)
        opened = _opened(meter, generators, request)
        sides, notes = _collected(meter, generators, opened, request.seed)
        reports = _measured(meter, sides, list(generators.samples))
        reports = {name: _pictured(report, opened, name, request.max_pixels) for name, report in reports.items()}
        metrics, unranked = _compared(reports)
        rankings = rankings_of(metrics, request.alpha, request.ci_level)
        names = tuple(generators.samples)
        falls = () if generators.steps is None else falls_of(rankings, names, generators.steps)
        return Comparison(
            version=__version__,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            names=names,
            reports=tuple(reports.values()),
            ranking=rankings,
            alpha=request.alpha,
            steps=generators.steps,
            falls=falls,
            notes=(*notes, *unranked),
            meta={"seed": request.seed, "seconds": {"total": round(perf_counter() - begin, 3)}},
        )


def _opened(meter: Meter, generators: Generators, request: CompareRequest) -> dict[str, Opened]:
    """All sides, opened and found to be measurable."""
    others = {"real": request.real} | ({} if request.held_out is None else {HELD_OUT: request.held_out})
    opened = open_sides({**others, **generators.samples}, list(meter.plan.extractors), request)
    _check(meter, opened, list(generators.samples))
    return opened


def _collected(
    meter: Meter, generators: Generators, opened: Mapping[str, Opened], seed: int
) -> tuple[dict[str, Collected], list[str]]:
    """All sides, the generators at equal sizes; and what was left out for that, in words."""
    sizes = {name: _size(opened[name]) for name in generators.samples}
    smallest = min((n for n in sizes.values() if n is not None), default=None)
    sides: dict[str, Collected] = {}
    larger: dict[str, int] = {}
    for name, whole in opened.items():
        n, source = sizes.get(name), whole
        if smallest is not None and n is not None and n > smallest:
            source, larger[name] = _drawn(whole, smallest, seed), n
        with _called(name):
            side: SideName = "real" if name == "real" else HELD_OUT if name == HELD_OUT else "fake"
            own = meter.emptied()
            own.take(side, source)
            sides[name] = own.collected(side)
            _check_width(sides["real"], sides[name])
    found = {name: sides[name].side.n for name in generators.samples}
    smallest = min((n for n in found.values() if n is not None), default=None)
    for name, n in found.items():
        if smallest is not None and n is not None and n > smallest:
            larger.setdefault(name, n)
            with _called(name):
                sides[name] = sides[name].drawn(smallest, seed)
    return sides, _about_sizes(larger, smallest)


def _about_sizes(larger: Mapping[str, int], smallest: int | None) -> list[str]:
    """A note on the samples that were left out to make the generators equally large; `larger` are their whole sizes."""
    if not larger:
        return []
    return [
        f"Values depend on the number of samples, so {smallest} were drawn by the seed from each larger generator: "
        f"{', '.join(f'{name} of {n}' for name, n in larger.items())}."
    ]


def _drawn(source: Opened, num: int, seed: int) -> Opened:
    """`num` of the samples of a source, by the seed."""
    if isinstance(source, Stream):
        return source
    return source.drawn(num, seed) if isinstance(source, Collected) else subset(source, num, seed)


def _size(source: Opened) -> int | None:
    """Number of samples; None where it is not known before they are read."""
    return None if isinstance(source, Stream) else size_of(source)


def _check(meter: Meter, opened: Mapping[str, Opened], names: Sequence[str]) -> None:
    """Raise what can be known before a sample is read; the error names the generator."""
    layers: dict[str, dict[str, str]] = {}
    for name in names:
        sides: dict[SideName, Opened] = {"real": opened["real"], "fake": opened[name]}
        if HELD_OUT in opened:
            sides[HELD_OUT] = opened[HELD_OUT]
        countable = {side: source for side, source in sides.items() if not isinstance(source, Stream)}
        if len(countable) == len(sides):
            with _called(name):
                found = meter.check(countable)
            layers[name] = {
                task.request.name: f"{task.extractor} {task.layer}" for task in found if isinstance(task, Task)
            }
    for name, found_layers in layers.items():
        first, wanted = next(iter(layers.items()))
        for metric in {**wanted, **found_layers}:
            if wanted.get(metric) != found_layers.get(metric):
                raise _other_quantity(metric, {first: opened[first], name: opened[name]})


def _other_quantity(metric: str, pair: Mapping[str, Opened]) -> DivmetricsError:
    """The error for a metric that would be another quantity for one generator than for another."""
    labelled = {name: _has_labels(source) for name, source in pair.items()}
    if len(set(labelled.values())) == 2:
        bare = next(name for name, has in labelled.items() if not has)
        other = next(name for name, has in labelled.items() if has)
        return MissingLayer(
            f"{bare}: its samples have no classes, those of {other} have, so {metric} would count them in two ways; "
            "give the classes of all (--labels), or choose metrics without classes (-m)."
        )
    return MissingLayer(
        f"{metric} would be computed from different layers of {' and '.join(pair)}; give the same kind of samples, or "
        "choose other metrics (-m)."
    )


def _has_labels(source: Opened) -> bool:
    return (source.side.labels if isinstance(source, Collected) else getattr(source, "labels", None)) is not None


def _check_width(real: Collected, other: Collected) -> None:
    """Raise FeatureError where features that were given have another number of columns than the real ones."""
    widths = []
    for side in (real, other):
        rows = next((s for key, s in side.summaries.items() if key[0] == FEATURES and isinstance(s, Rows)), None)
        widths.append(None if rows is None else tuple(rows.features.shape[1:]))
    if None not in widths and widths[0] != widths[1]:
        shown = [width[0] if width is not None and len(width) == 1 else width for width in widths]
        raise FeatureError(
            f"its features have {shown[1]} columns, those of real have {shown[0]}; give the same features."
        )


def _measured(meter: Meter, sides: Mapping[str, Collected], names: Sequence[str]) -> dict[str, Report]:
    """The report of each generator."""
    held_out: dict[SideName, Collected] = {HELD_OUT: sides[HELD_OUT]} if HELD_OUT in sides else {}
    reports = {}
    for name in names:
        with _called(name):
            reports[name] = meter.emptied().measured({"real": sides["real"], "fake": sides[name], **held_out})
    return reports


def _pictured(report: Report, opened: Mapping[str, Opened], name: str, most_pixels: int) -> Report:
    """The report with pictures of the samples that its galleries show."""
    if report.exhibits is None:
        return report
    return replace(report, pictures=pictures_of(report, {"real": opened["real"], "fake": opened[name]}, most_pixels))


def _compared(reports: Mapping[str, Report]) -> tuple[list[Compared], list[str]]:
    """Each metric of all generators, and why some are not ranked."""
    keys = dict.fromkeys(key for report in reports.values() for key in report.metrics)
    found, notes = [], []
    for key in keys:
        results = {name: report.metrics[key] for name, report in reports.items() if key in report.metrics}
        if len(results) < len(reports):
            lacking = ", ".join(name for name in reports if name not in results)
            notes.append(f"{key} is not ranked: it could not be computed for {lacking}.")
            continue
        first = next(iter(results.values()))
        signatures = {name: str(result.signature) for name, result in results.items()}
        other = next((name for name, text in signatures.items() if text != str(first.signature)), None)
        reasons: tuple[str, ...] = ()
        if other is not None:
            reasons = (f"not ranked: {other} was measured in another way, {signatures[other]}, not {first.signature}",)
        scored = {name: _scored(report, key) for name, report in reports.items()}
        metric = METRICS[first.metric]
        own = metric.uncertainty.exchanged
        options = {name: value for name, value in first.params.items() if name in metric.options}
        test = None if own is None else partial(own, **options)
        low, high = first.range
        span = None if low is None or high is None else high - low
        found.append(Compared(key, first.metric, metric.better, metric.role, scored, reasons, test, span))
    return found, notes


def _scored(report: Report, key: str) -> Scored | None:
    """The value of a metric with its half-samples; None where there is no value."""
    result = report.metrics[key]
    if result.value is None:
        return None
    rows = {} if report.replicates is None else report.replicates.rows
    if key not in rows:
        return Scored(result.value, result.ci, result.ci_level, np.empty(0))
    counts = rows[key].class_counts if len(rows[key].class_counts) else None
    return Scored(result.value, result.ci, result.ci_level, rows[key].half_samples, counts)


@contextmanager
def _called(name: str) -> Iterator[None]:
    """Inside, errors and warnings name the generator in place of "fake"."""
    try:
        with warnings.catch_warnings(record=True) as told:
            yield
    except UnknownName:
        raise
    except DivmetricsError as error:
        if name in ("real", HELD_OUT):
            raise
        raise _error_of(name, error) from None
    finally:
        for warning in told:
            text = str(warning.message)
            text = text if name in ("real", HELD_OUT) else _named(name, text)
            warnings.warn_explicit(text, warning.category, warning.filename, warning.lineno)


def _error_of(name: str, error: DivmetricsError) -> DivmetricsError:
    """An error about "fake", of the generator `name`."""
    found = type(error)(_named(name, str(error)))
    for note in getattr(error, "__notes__", ()):
        found.add_note(note)
    return found


def _named(name: str, text: str) -> str:
    """A message about "fake", of the generator `name`; those about the other sides as they are."""
    inner = text.removeprefix("fake: ")
    return inner if inner.startswith((f"{name}: ", "real: ", f"{HELD_OUT}: ")) else f"{name}: {inner}"
