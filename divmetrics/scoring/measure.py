"""`measure`: from collected samples to a report: metrics, uncertainty, signatures, modes, per-sample columns."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from time import perf_counter
from typing import Any

from divmetrics._version import __version__
from divmetrics.arrays.devices import no_autocast
from divmetrics.arrays.overflow import explained
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import DivmetricsError, MissingLayer, SourceError
from divmetrics.inference.replicates import Replicates
from divmetrics.inference.uncertainty import Asked, Estimate, Uncertainty, uncertainties_of
from divmetrics.records.foreign import guarded
from divmetrics.records.metric import Measured
from divmetrics.records.results import Mode, Report, Result, finite_or_none
from divmetrics.records.signature import Signature, params_text
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.exhibits import Measurement, exhibits_of, read_by_exhibits
from divmetrics.scoring.facts import facts_of
from divmetrics.scoring.per_sample import sample_columns, table_of_modes
from divmetrics.scoring.plan import FEATURES, HELD_OUT, SIDES, Plan, Refused, Request, SideName, Task
from divmetrics.scoring.progress import Step, silent
from divmetrics.scoring.task_inputs import TaskInputs, identified
from divmetrics.scoring.verdict import judged_on

Outcome = Measured | DivmetricsError
"""What a task gives: its value, or the error that says why there is none."""


@no_autocast()
def measure(
    plan: Plan,
    real: Collected,
    fake: Collected,
    meta: Mapping[str, Any],
    held_out: Collected | None = None,
    step: Step = silent,
) -> Report:
    """The report of a plan on collected samples.

    Args:
        plan: What is measured, and what is asked of the numbers.
        real: The reference samples.
        fake: The samples that are judged.
        meta: Entries of `meta` that are known already: device, seconds of the extraction.
        held_out: Real samples that the generator was not trained on.
        step: Told what is being done.

    Raises:
        DivmetricsError: That of the first metric that was named and cannot be computed.
    """
    sides = _task_inputs(real, fake, held_out, plan.seed)
    bound = plan.bind(sides.inventory(), sides.sizes(), sides.classes)
    tasks = [outcome for outcome in bound if isinstance(outcome, Task)]
    begin = perf_counter()
    found = _measured(tasks, sides, plan, step)
    measured = perf_counter()
    uncertainties, replicates = _uncertainties(tasks, found, sides, plan, step)
    spent = {"metrics": round(measured - begin, 3), "uncertainty": round(perf_counter() - measured, 3)}
    results = _results(bound, found, uncertainties, sides, plan)
    modes = _modes(tasks, sides, plan)
    step("verdict: tests on permutations")
    begin = perf_counter()
    judged = judged_on(sides, plan, results, modes)
    spent["verdict"] = round(perf_counter() - begin, 3)
    begin = perf_counter()
    exhibits = exhibits_of(Measurement(sides, plan, tasks, results, modes, judged), step)
    if exhibits is not None:
        spent["exhibits"] = round(perf_counter() - begin, 3)
    seconds = {**meta.get("seconds", {}), **spent}
    return Report(
        version=__version__,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        real=real.side,
        fake=fake.side,
        held_out=None if held_out is None else held_out.side,
        metrics=results,
        facts=facts_of(sides.collected),
        modes=modes,
        verdict=None if judged is None else judged.verdict,
        meta={**_provenance(fake, plan.seed), **_about_classes(tasks, sides), **meta, "seconds": seconds},
        samples=sample_columns(tasks, {key: value for key, (value, _) in found.items()}, sides, plan),
        replicates=replicates,
        exhibits=exhibits,
    )


def _task_inputs(real: Collected, fake: Collected, held_out: Collected | None, seed: int) -> TaskInputs:
    """All sides together. Raises SourceError where different encoders made them."""
    given: dict[SideName, Collected] = {"real": real, "fake": fake}
    if held_out is not None:
        given[HELD_OUT] = held_out
    sides = TaskInputs({side: identified(collected) for side, collected in given.items()}, seed)
    for other in sides.collected.values():
        _check_same_encoders(real, other)
    return sides


def _modes(tasks: Sequence[Task], sides: TaskInputs, plan: Plan) -> tuple[Mode, ...]:
    """The table of modes; where there is none, a warning says why, and an error if it was asked for."""
    try:
        with guarded("the table of modes", table_of_modes):
            return table_of_modes(tasks, sides, plan)
    except DivmetricsError as raised:
        kept = [s for side in SIDES for s in sides.collected[side].summaries.values() if isinstance(s, Rows)]
        error = explained(raised, *kept)
        if plan.questions.modes is not None or plan.questions.confusion is not None:
            raise error.within("the table of modes") from None
        warnings.warn(f"no table of modes: {error}", stacklevel=2)
        return ()


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that compute the numbers."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "scipy", "torch")}}


def _check_same_encoders(real: Collected, other: Collected) -> None:
    """Raise SourceError where the features of two sides come from different weights or preprocessing."""
    for name in sorted(real.encoders.keys() & other.encoders.keys()):
        if difference := real.encoders[name].difference(other.encoders[name]):
            raise SourceError(
                f"{real.side.source} and {other.side.source} were made by different versions of {name} ({difference}); "
                "extract both again with the same one."
            )


def _rule(task: Task, sides: TaskInputs) -> str:
    """By what rule the real samples classify the fakes, as signatures show it."""
    try:
        return sides.classified(task.extractor).rule
    except MissingLayer:
        return "by-real"


def _left_out(task: Task, outcome: Outcome) -> bool:
    """Whether a preset goes without this metric: its classes turned out not to be recognisable."""
    return task.request.optional and task.layer == "classes" and isinstance(outcome, MissingLayer)


def _about_classes(tasks: Sequence[Task], sides: TaskInputs) -> dict[str, Any]:
    """The entry `classes` of `meta`: where classes come from, and what users must know; none where all is plain."""
    source = sides.classes
    texts = [source.text]
    named = dict.fromkeys(task.extractor for task in tasks if task.layer in ("classes", "pooled"))
    entry: dict[str, Any] = {"from": source.kind}
    for extractor in named if source.kind == "real" else ():
        try:
            found = sides.classified(extractor)
        except MissingLayer as error:
            texts.append(f"{extractor}: {error}")
            continue
        texts.append(found.text(extractor))
        entry.setdefault("accuracy", {})[extractor] = round(found.found.accuracy, 4)
    text = " ".join(filter(None, texts))
    return {"classes": {**entry, "text": text}} if text else {}


def _provenance(collected: Collected, seed: int) -> dict[str, Any]:
    """Seed, engines, encoders and versions of libraries: what the numbers come from."""
    encoders = {name: vars(info) for name, info in collected.encoders.items() if name != FEATURES}
    engines = sorted({info["engine"] for info in encoders.values()})
    return {"seed": seed, "engine": "+".join(engines) or "none", "extractors": encoders, "versions": versions()}


def _run_shared_passes(tasks: Sequence[Task], sides: TaskInputs, plan: Plan) -> dict[str, float]:
    """Run each pass that several metrics share once. Returns the task's part of its seconds, by task key.

    What the exhibits read of it is computed on the way, where they show all samples.
    """
    groups: dict[tuple[Callable[..., None], tuple[str, str, int | None]], list[Task]] = {}
    for task in tasks:
        if (shared_pass := task.request.metric.shared_pass) is not None:
            read = (task.extractor, task.layer, sides.equal_size(task))
            groups.setdefault((shared_pass, read), []).append(task)
    seconds: dict[str, float] = {}
    shown = read_by_exhibits(sides, plan)
    for (shared_pass, samples), members in groups.items():
        besides = [options for own, options in shown.get(samples, ()) if own is shared_pass]
        begin = perf_counter()
        try:
            with guarded(f"the metric {members[0].request.name}", shared_pass):
                shared_pass(
                    sides.summary(members[0], "real"),
                    sides.summary(members[0], "fake"),
                    [*(task.request.options for task in members), *besides],
                )
        except DivmetricsError:
            continue  # each metric meets the same error when it is called
        share = (perf_counter() - begin) / len(members)
        seconds.update({task.key: share for task in members})
    return seconds


def _measured(tasks: Sequence[Task], sides: TaskInputs, plan: Plan, step: Step) -> dict[str, tuple[Outcome, float]]:
    """The outcome of each task and the seconds that it took, by task key."""
    step("distances and sums that several metrics share")
    shared, found = _run_shared_passes(tasks, sides, plan), {}
    for place, task in enumerate(tasks, 1):
        step(f"{task.key}: value, {place} of {len(tasks)}")
        found[task.key] = _measure_timed(task, sides, shared.get(task.key, 0.0))
    return found


def _measure_timed(task: Task, sides: TaskInputs, shared: float) -> tuple[Outcome, float]:
    begin = perf_counter()
    found = _measure_task(task, sides)
    return found, perf_counter() - begin + shared


def _measure_task(task: Task, sides: TaskInputs) -> Outcome:
    """The value of one task, or the error of a metric that came from a preset."""
    request = task.request
    try:
        with guarded(f"the metric {request.name}", request.metric.function):
            found = request.metric.measure(*(sides.summary(task, side) for side in request.sides), **request.options)
            if request.metric.real is None:
                return _with_real_value(found, task, sides)
    except DivmetricsError as raised:
        error = explained(raised, *_rows_read(task, sides))
        if request.explicit:
            raise error.within(task.key) from None
        return error
    return found


def _rows_read(task: Task, sides: TaskInputs) -> list[Rows]:
    """The features that a task reads, as far as they were kept."""
    found = []
    for side in task.request.sides:
        with suppress(DivmetricsError):
            found.append(sides.collected[side].get(task.extractor, task.features, Rows))
    return found


def _with_real_value(measured: Measured, task: Task, sides: TaskInputs) -> Measured:
    """`measured` with the same metric of the real samples in `extras`, where that can be computed."""
    try:
        options = {
            **task.request.options,
            **{name: measured.extras[name] for name in task.request.metric.shared_options},
        }
        with guarded(f"the metric {task.request.name}", task.request.metric.function):
            reference = task.request.metric(sides.summary(task, "real"), **options)
    except DivmetricsError:
        return measured
    if finite_or_none(reference) is None:
        return measured
    return Measured(measured.value, measured.real, measured.fake, {**measured.extras, "real": reference})


def _uncertainties(
    tasks: Sequence[Task], found: Mapping[str, tuple[Outcome, float]], sides: TaskInputs, plan: Plan, step: Step
) -> tuple[dict[str, Uncertainty], Replicates | None]:
    """Intervals, null bands and replicates of all tasks with a finite value, by task key; None if not asked for."""
    if not plan.uncertain:
        return {}, None
    values = {task.key: found[task.key][0] for task in tasks}
    estimates = {
        task.key: Estimate(
            task.request.metric, task.request.options, value.value, sides.pool(task), sides.more_reals(task)
        )
        for task in tasks
        if isinstance(value := values[task.key], Measured) and finite_or_none(value.value) is not None
    }
    asked = Asked(plan.questions.ci_level, null=plan.questions.null, paired=plan.paired)
    return uncertainties_of(estimates, plan.seed, asked, step)


def _results(
    bound: Sequence[Task | Refused],
    found: Mapping[str, tuple[Outcome, float]],
    uncertainties: Mapping[str, Uncertainty],
    sides: TaskInputs,
    plan: Plan,
) -> dict[str, Result]:
    """Key in the report -> result, also of what was refused; without what a preset leaves out."""
    return {
        outcome.key: _result(outcome, sides, plan, outcome.reason, 0.0, Uncertainty())
        if isinstance(outcome, Refused)
        else _result(outcome, sides, plan, *found[outcome.key], uncertainties.get(outcome.key, Uncertainty()))
        for outcome in bound
        if not (isinstance(outcome, Task) and _left_out(outcome, found[outcome.key][0]))
    }


def _result(
    task: Task | Refused, sides: TaskInputs, plan: Plan, found: Outcome, seconds: float, uncertainty: Uncertainty
) -> Result:
    request, extractor = task.request, task.extractor
    value, extras = None, {}
    warnings: tuple[str, ...] = () if isinstance(found, Measured) else (str(found),)
    if isinstance(found, Measured):
        value, extras = finite_or_none(found.value), to_plain_json({**found.extras, **uncertainty.extras})
        warnings = uncertainty.warnings if value is not None else (f"the value is {found.value}, not a finite number",)
    size = sides.equal_size(task) if isinstance(task, Task) else None
    stored = sides.sides_with_stored(task) if isinstance(task, Task) else []
    n = {side: None if side in stored else size or sides[side].n for side in SIDES}
    if size is not None and value is not None:
        warnings = (*warnings, _equal_size_note(sides, size))
    warnings = (*warnings, *(f"{side}: the mean and covariance stored in {sides[side].source}" for side in stored))
    if isinstance(task, Task) and task.layer == "logits" and "labels" in request.metric.fake.layers:
        warnings = (*warnings, f"counts the classes that {extractor} knows, as the samples have none of their own")
    params = to_plain_json(request.params)
    if isinstance(task, Task) and task.layer == "classes":
        params = {**params, "classes": _rule(task, sides)}
    info = sides.collected["fake"].encoders.get(extractor)
    named = info is not None and extractor != FEATURES
    counted = [str(sides[side].n or "?") for side in request.sides if side in sides.collected and side not in SIDES]
    signature = Signature(
        metric=request.metric.name,
        extractor=f"{extractor}#{info.digest[:8]}" if info and named else extractor,
        layer="+".join([task.features, *(f"stored-{side}" for side in stored)]) if isinstance(task, Task) else "none",
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


def _equal_size_note(sides: TaskInputs, size: int) -> str:
    """A note on the samples that were left out to make the sides equal."""
    larger = max(SIDES, key=lambda side: sides[side].n or 0)
    return f"comparable at equal sizes only, so {size} of the {sides[larger].n} {larger} samples were drawn by the seed"


def _as_published(request: Request, protocol: str | None) -> bool:
    """Whether published values use this encoder with these parameters."""
    published = request.metric.protocols.get(protocol or "")
    return published is not None and published.items() <= request.params.items()


def to_plain_json(value: Any) -> Any:
    """`value` as plain JSON: tensors and arrays as lists, NaN and infinities as text."""
    if isinstance(value, Mapping):
        return {str(key): to_plain_json(entry) for key, entry in value.items()}
    if hasattr(value, "tolist"):
        return to_plain_json(value.tolist())
    if isinstance(value, (list, tuple)):
        return [to_plain_json(entry) for entry in value]
    if isinstance(value, float) and finite_or_none(value) is None:
        return str(value)
    return value
