"""From two collected sides to a report: bind the plan, share the passes, call the metrics, sign the numbers."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from time import perf_counter
from typing import Any, cast

import torch

from divmetrics._version import __version__
from divmetrics.collected import Collected
from divmetrics.declare import Family, Measured
from divmetrics.errors import DivmetricsError, SourceError
from divmetrics.modes import mode_table
from divmetrics.plan import FEATURES, LABELS, SIDES, Plan, Refused, Request, SideName, Task
from divmetrics.results import Mode, Report, Result, Signature, finite_or_none, params_text
from divmetrics.summaries import ClassTally, Summary

Sides = Mapping[SideName, Collected]


def measure(plan: Plan, real: Collected, fake: Collected, meta: Mapping[str, Any]) -> Report:
    """All results of `plan` on two sides. Raises the first failure of a metric that was named explicitly."""
    sides: Sides = {"real": real, "fake": fake}
    _check_same_encoders(real, fake)
    bound = plan.bind({side: inventory(sides[side]) for side in SIDES}, {side: sides[side].side.n for side in SIDES})
    tasks = [outcome for outcome in bound if isinstance(outcome, Task)]
    shared = _share(tasks, sides)
    results: dict[str, Result] = {}
    columns: dict[SideName, dict[str, Sequence[Any]]] = {"real": {}, "fake": {}}
    for outcome in bound:
        if isinstance(outcome, Refused):
            results[outcome.key] = _result(outcome.request, outcome.extractor, "", sides, plan, outcome.reason, 0.0)
            continue
        begin = perf_counter()
        found = _call(outcome, sides)
        seconds = perf_counter() - begin + shared.get(outcome.key, 0.0)
        results[outcome.key] = _result(outcome.request, outcome.extractor, outcome.layer, sides, plan, found, seconds)
        if isinstance(found, Measured):
            _keep_columns(columns, outcome, found)
    return Report(
        version=__version__,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        real=real.side,
        fake=fake.side,
        metrics=results,
        modes=_modes(tasks, sides),
        meta={"seed": plan.seed, **_provenance(fake), **meta, "versions": versions()},
        samples={side: {"path": sides[side].paths, **kept} for side, kept in columns.items() if kept},
    )


def inventory(collected: Collected) -> dict[str, Iterable[Any]]:
    """Extractor -> layers of one side, its labels among them."""
    found: dict[str, Iterable[Any]] = dict(collected.layers)
    return found if collected.side.labels is None else {**found, LABELS: ("labels",)}


def versions() -> dict[str, str]:
    """Versions of what the numbers rest on."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "scipy", "torch")}}


def _check_same_encoders(real: Collected, fake: Collected) -> None:
    for name in real.encoders.keys() & fake.encoders.keys():
        if not real.encoders[name].agrees(fake.encoders[name]):
            raise SourceError(
                f"{real.side.source} and {fake.side.source} were made by different versions of {name}: "
                f"{real.encoders[name]} and {fake.encoders[name]}; extract both again with the same."
            )


def _provenance(collected: Collected) -> dict[str, Any]:
    encoders = {name: vars(info) for name, info in collected.encoders.items() if name != FEATURES}
    engines = sorted({info["engine"] for info in encoders.values()})
    return {"engine": "+".join(engines) or "none", "extractors": encoders}


def _share(tasks: Sequence[Task], sides: Sides) -> dict[str, float]:
    """Run the common pass of each family once. Task key -> its part of those seconds."""
    groups: dict[tuple[Family, str, str], list[Task]] = {}
    for task in tasks:
        if (family := task.request.metric.family) is not None:
            groups.setdefault((family, task.extractor, task.layer), []).append(task)
    seconds: dict[str, float] = {}
    for (family, _, _), members in groups.items():
        begin = perf_counter()
        try:
            family.fill(
                _summary(members[0], "real", sides),
                _summary(members[0], "fake", sides),
                [task.request.options for task in members],
            )
        except DivmetricsError:
            continue  # each member meets the same fact and answers for it: an error if explicit, else a null
        share = (perf_counter() - begin) / len(members)
        seconds.update({task.key: share for task in members})
    return seconds


def _summary(task: Task, side: SideName, sides: Sides) -> Summary:
    kind = task.request.need(side).summary
    if task.extractor == LABELS:
        return _label_tally(sides, side)
    summary: Summary = sides[side].get(task.extractor, task.layer, kind)
    return summary


def _label_names(sides: Sides) -> list[str]:
    """The classes of both sides, sorted: a class number means the same on both."""
    return sorted({name for side in SIDES for name in sides[side].side.labels or {}})


def _label_tally(sides: Sides, side: SideName) -> ClassTally:
    labels = sides[side].side.labels or {}
    return ClassTally(torch.tensor([labels.get(name, 0) for name in _label_names(sides)]))


def _call(task: Task, sides: Sides) -> Measured | DivmetricsError:
    """The measured value, or the failure of a metric that came from a preset."""
    request = task.request
    try:
        found = request.metric.measure(*(_summary(task, side, sides) for side in request.sides), **request.options)
        if request.metric.real is None:
            return _with_reference(found, task, sides)
    except DivmetricsError as error:
        if request.explicit:
            raise error.within(task.key) from None
        return error
    return found


def _with_reference(found: Measured, task: Task, sides: Sides) -> Measured:
    """`found` with the same metric of the reals beside it, where they can be measured."""
    try:
        reference = task.request.metric(_summary(task, "real", sides), **task.request.options)
    except DivmetricsError:
        return found
    return Measured(found.value, found.real, found.fake, {**found.extras, "real": reference})


def _result(
    request: Request,
    extractor: str,
    layer: str,
    sides: Sides,
    plan: Plan,
    found: Measured | DivmetricsError,
    seconds: float,
) -> Result:
    value, extras, warning = None, {}, str(found)
    if isinstance(found, Measured):
        value, extras = finite_or_none(found.value), plain(found.extras)
        warning = f"the value is {found.value}, not a finite number"
    n = {side: sides[side].side.n for side in SIDES}
    params = plain(request.params)
    info = sides["fake"].encoders.get(extractor)
    named = info is not None and extractor != FEATURES
    signature = Signature(
        metric=request.metric.name,
        extractor=f"{extractor}#{info.digest[:8]}" if info and named else extractor,
        layer=layer or "none",
        preprocessing=info.preprocessing if info and named else "none",
        params=params_text(params),
        n="/".join(str(n[side] or "?") if side in request.sides else "-" for side in SIDES),
        seed=str(request.options.get("seed", plan.seed)),
        version=__version__,
    )
    low, high = request.metric.range
    return Result(
        metric=request.metric.name,
        extractor=extractor,
        value=value,
        better=request.metric.better,
        range=(finite_or_none(low), finite_or_none(high)),
        params=params,
        n_real=n["real"],
        n_fake=n["fake"],
        signature=signature,
        extras=extras,
        warnings=() if value is not None else (warning,),
        literature=info is not None and _as_published(request, info.protocol),
        seconds=round(seconds, 4),
    )


def _as_published(request: Request, protocol: str | None) -> bool:
    """Whether papers compute this metric on this encoder with these parameters."""
    published = request.metric.protocols.get(protocol or "")
    return published is not None and published.items() <= request.params.items()


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: tensors and arrays as lists, numbers without NaN or Infinity."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and finite_or_none(value) is None:
        return str(value)
    return value


def _keep_columns(columns: dict[SideName, dict[str, Sequence[Any]]], task: Task, found: Measured) -> None:
    """Per-sample columns under their own name; where two tasks give the same one, the key tells them apart."""
    given: dict[SideName, Mapping[str, Any]] = {"real": found.real, "fake": found.fake}
    for side, entries in given.items():
        for name, values in entries.items():
            place = name if name not in columns[side] else f"{name} ({task.key})"
            columns[side][place] = plain(values)


def _modes(tasks: Sequence[Task], sides: Sides) -> tuple[Mode, ...]:
    """The table of modes, where a metric counted classes on both sides."""
    for task in tasks:
        if task.request.metric.real is not None and task.request.need("fake").summary is ClassTally:
            real, fake = (cast("ClassTally", _summary(task, side, sides)) for side in SIDES)
            return mode_table(real, fake, _label_names(sides) if task.extractor == LABELS else None)
    return ()
