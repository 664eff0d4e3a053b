"""From two collected sides to a report: bind the plan, share the passes, call the metrics, sign the numbers."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from time import perf_counter
from typing import Any

from divmetrics._version import __version__
from divmetrics.errors import DivmetricsError, SourceError
from divmetrics.inference.replicates import Replicates
from divmetrics.inference.uncertainty import Estimate, Uncertainty, uncertainties_of
from divmetrics.records.metric import Measured
from divmetrics.records.results import Report, Result, finite_or_none
from divmetrics.records.signature import Signature, params_text
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.per_sample import modes_of, samples_of
from divmetrics.scoring.plan import FEATURES, HELD_OUT, SIDES, Plan, Refused, Request, SideName, Task
from divmetrics.scoring.task_inputs import TaskInputs

Found = Measured | DivmetricsError
"""What a task came to: its value, or why there is none."""


def measure(
    plan: Plan, real: Collected, fake: Collected, meta: Mapping[str, Any], held_out: Collected | None = None
) -> Report:
    """All results of `plan` on the sides. Raises the first failure of a metric that was named explicitly."""
    given: dict[SideName, Collected] = {"real": real, "fake": fake}
    sides = TaskInputs(given if held_out is None else {**given, HELD_OUT: held_out}, plan.seed)
    for other in sides.collected.values():
        _check_same_encoders(real, other)
    bound = plan.bind(sides.inventory(), sides.sizes())
    tasks = [outcome for outcome in bound if isinstance(outcome, Task)]
    begin = perf_counter()
    shared = _share(tasks, sides)
    found = {task.key: _timed(task, sides, shared.get(task.key, 0.0)) for task in tasks}
    measured = perf_counter()
    uncertainties, replicates = _uncertainties(tasks, found, sides, plan)
    spent = {"metrics": round(measured - begin, 3), "chance": round(perf_counter() - measured, 3)}
    results = {
        outcome.key: _result(outcome, sides, plan, outcome.reason, 0.0, Uncertainty())
        if isinstance(outcome, Refused)
        else _result(outcome, sides, plan, *found[outcome.key], uncertainties.get(outcome.key, Uncertainty()))
        for outcome in bound
    }
    return Report(
        version=__version__,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        real=real.side,
        fake=fake.side,
        held_out=None if held_out is None else held_out.side,
        metrics=results,
        modes=modes_of(tasks, sides, plan),
        meta={
            "seed": plan.seed,
            **_provenance(fake),
            **meta,
            "seconds": {**meta.get("seconds", {}), **spent},
            "versions": versions(),
        },
        samples=samples_of(tasks, {key: value for key, (value, _) in found.items()}, sides, plan),
        replicates=replicates,
    )


def versions() -> dict[str, str]:
    """Versions of what the numbers rest on."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "scipy", "torch")}}


def _check_same_encoders(real: Collected, other: Collected) -> None:
    """Raise SourceError where the features of two sides come from different weights or preprocessing."""
    for name in sorted(real.encoders.keys() & other.encoders.keys()):
        if difference := real.encoders[name].difference(other.encoders[name]):
            raise SourceError(
                f"{real.side.source} and {other.side.source} were made by different versions of {name} ({difference}); "
                "extract both again with the same one."
            )


def _provenance(collected: Collected) -> dict[str, Any]:
    encoders = {name: vars(info) for name, info in collected.encoders.items() if name != FEATURES}
    engines = sorted({info["engine"] for info in encoders.values()})
    return {"engine": "+".join(engines) or "none", "extractors": encoders}


def _share(tasks: Sequence[Task], sides: TaskInputs) -> dict[str, float]:
    """Run each shared pass once, for all metrics that name it. Task key -> its part of those seconds."""
    groups: dict[tuple[Callable[..., None], str, str, int | None], list[Task]] = {}
    for task in tasks:
        if (shared_pass := task.request.metric.shared_pass) is not None:
            groups.setdefault((shared_pass, task.extractor, task.layer, sides.cut(task)), []).append(task)
    seconds: dict[str, float] = {}
    for (shared_pass, *_), members in groups.items():
        begin = perf_counter()
        try:
            shared_pass(
                sides.summary(members[0], "real"),
                sides.summary(members[0], "fake"),
                [task.request.options for task in members],
            )
        except DivmetricsError:
            continue  # each member meets the same fact and answers for it: an error if explicit, else a null
        share = (perf_counter() - begin) / len(members)
        seconds.update({task.key: share for task in members})
    return seconds


def _timed(task: Task, sides: TaskInputs, shared: float) -> tuple[Found, float]:
    begin = perf_counter()
    found = _call(task, sides)
    return found, perf_counter() - begin + shared


def _call(task: Task, sides: TaskInputs) -> Found:
    """The measured value, or the failure of a metric that came from a preset."""
    request = task.request
    try:
        found = request.metric.measure(*(sides.summary(task, side) for side in request.sides), **request.options)
        if request.metric.real is None:
            return _with_reference(found, task, sides)
    except DivmetricsError as error:
        if request.explicit:
            raise error.within(task.key) from None
        return error
    return found


def _with_reference(found: Measured, task: Task, sides: TaskInputs) -> Measured:
    """`found` with the same metric of the reals beside it, where they can be measured."""
    try:
        options = {**task.request.options, **{name: found.extras[name] for name in task.request.metric.shared_options}}
        reference = task.request.metric(sides.summary(task, "real"), **options)
    except DivmetricsError:
        return found
    return Measured(found.value, found.real, found.fake, {**found.extras, "real": reference})


def _uncertainties(
    tasks: Sequence[Task], found: Mapping[str, tuple[Found, float]], sides: TaskInputs, plan: Plan
) -> tuple[dict[str, Uncertainty], Replicates | None]:
    """Intervals, null bands and replicates of all tasks with a finite value, by task key; None if not asked for."""
    if not plan.uncertain:
        return {}, None
    values = {task.key: found[task.key][0] for task in tasks}
    estimates = {
        task.key: Estimate(task.request.metric, task.request.options, value.value, sides.pool(task))
        for task in tasks
        if isinstance(value := values[task.key], Measured) and finite_or_none(value.value) is not None
    }
    return uncertainties_of(estimates, plan.seed, level=plan.questions.ci_level, null=plan.questions.null)


def _result(
    task: Task | Refused, sides: TaskInputs, plan: Plan, found: Found, seconds: float, uncertainty: Uncertainty
) -> Result:
    request, extractor = task.request, task.extractor
    value, extras = None, {}
    warnings: tuple[str, ...] = () if isinstance(found, Measured) else (str(found),)
    if isinstance(found, Measured):
        value, extras = finite_or_none(found.value), plain({**found.extras, **uncertainty.extras})
        warnings = uncertainty.warnings if value is not None else (f"the value is {found.value}, not a finite number",)
    size = sides.cut(task) if isinstance(task, Task) else None
    n = {side: size or sides[side].n for side in SIDES}
    if size is not None and value is not None:
        warnings = (*warnings, _cut_note(sides, size))
    params = plain(request.params)
    info = sides.collected["fake"].encoders.get(extractor)
    named = info is not None and extractor != FEATURES
    counted = [str(sides[side].n or "?") for side in request.sides if side in sides.collected and side not in SIDES]
    signature = Signature(
        metric=request.metric.name,
        extractor=f"{extractor}#{info.digest[:8]}" if info and named else extractor,
        layer=task.layer if isinstance(task, Task) else "none",
        preprocessing=info.preprocessing if info and named else "none",
        params=params_text(params),
        n="/".join([*(str(n[side] or "?") if side in request.sides else "-" for side in SIDES), *counted]),
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
        ci=uncertainty.ci,
        ci_level=plan.questions.ci_level if uncertainty.ci is not None else None,
        ci_method=uncertainty.method,
        null=uncertainty.null,
        extras=extras,
        warnings=warnings,
        literature=info is not None and _as_published(request, info.protocol),
        seconds=round(seconds, 4),
    )


def _cut_note(sides: TaskInputs, size: int) -> str:
    """What was left out so that both sides are equal."""
    larger = max(SIDES, key=lambda side: sides[side].n or 0)
    return f"comparable at equal sizes only, so {size} of the {sides[larger].n} {larger} samples were drawn by the seed"


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
