"""The ladders suite: the response of each metric as a generator gets worse, step by step, in a known way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import inf
from typing import Any

import numpy as np
from scipy import stats

from divmetrics.records.generator import ZOO, ZooModel
from divmetrics.records.metric import METRICS, Metric
from divmetrics.validation.families import ENOUGH, families, weights_digest
from divmetrics.validation.measuring import measure_all, sample_set
from divmetrics.validation.records import LadderRow, Rung
from divmetrics.validation.running import Job, JobResult, grouped, seed_of
from divmetrics.zoo.oracle import measure_samples
from divmetrics.zoo.record import measure, recorded
from divmetrics.zoo.targets import target

COLUMNS = {
    "A": "dropped modes",
    "B": "imbalance",
    "C": "shrinkage within modes",
    "D": "repeated samples",
    "E": "invented or scattered samples",
    "F": "noise",
    "G": "copies of the training set",
    "H": "a shift of everything",
}
"""Kinds of fault that a generator can have, by the letter of their column in the matrix of expected responses."""
KNOBS = {
    "drop": "A",
    "thin": "A",
    "ensemble-product": "A",
    "imbalance": "B",
    "shrink": "C",
    "atoms": "D",
    "duplicates": "D",
    "invent": "E",
    "contaminate": "E",
    "noise": "F",
    "memorise": "G",
    "shift": "H",
}
"""Knob of the zoo -> its kind of fault. Mixed ensembles have none: all modes are there, in slightly wrong shares."""
CONTROLS = "EFH"
"""Kinds in which fidelity fails and no diversity is lost."""
BY_LEVEL = CONTROLS + "G"
"""Kinds whose severity is the level itself, because the oracle sees no loss."""
COPIED = 500
"""Size of the training set that `memorise` copies; it is also the real sample set of that ladder."""
HEALTHY = 20
"""Healthy controls of each target: fresh samples of the target itself."""
FALSE_ALARMS = 0.01
SKEWED = 1e-3
"""Logarithms are taken where the least control is at least this share of the mean of the controls."""
CLEAR, MONOTONE = 0.5, 0.3
"""Share of alarms on a rung, and Kendall's tau over the ladder, from which on a metric detects it."""
CONTROL, TRAINED = "healthy", "trained"
"""In a job, in place of a level: samples of the target itself, and samples of a trained model."""


@dataclass(frozen=True)
class Ladder:
    """The jobs of one ladder."""

    name: str
    target: str
    column: str | None
    rungs: tuple[tuple[Job, ...], ...]
    """Jobs of each level, or of each trained model; not ordered by severity yet."""
    trained: bool = False


def column(model: ZooModel) -> str | None:
    """The kind of fault of a ladder; None where it has none of its own."""
    return KNOBS.get(model.name.removeprefix(f"{model.target}-"))


def chosen(targets: Sequence[str], *, others: bool = False) -> list[ZooModel]:
    """The entries of the zoo with levels on `targets`; with `others` also models other than knobs on any target."""
    graded = [model for model in ZOO if len(model.levels) > 1]
    return [model for model in graded if model.target in targets or (others and model.family != "oracle")]


def jobs(models: Iterable[ZooModel], n: int, rungs: int, repeats: int, healthy: int) -> list[Job]:
    """All jobs: (entry, n, level, repeat) of the ladders, and (target, n, "healthy", seed) of their controls.

    For a model without levels: (entry, n, "trained", repeat, digest of its weights).
    """
    models = list(models)
    controls = [(name, n, CONTROL, seed) for name in dict.fromkeys(m.target for m in models) for seed in range(healthy)]
    steps: list[Job] = []
    for model in models:
        levels: list[float | str] = [*_evenly_spaced(model.levels, rungs)] or [TRAINED]
        mark = weights_digest(model)
        steps += [(model.name, n, level, repeat, *mark) for level, repeat in product(levels, range(repeats))]
    return [*controls, *steps]


def run_job(job: Job, metrics: Sequence[str]) -> JobResult:
    """The metrics, and the severity by the oracle, on samples of one rung or of a healthy control.

    For a trained model the oracle takes many more samples than `n`, because few of them may lie in a mode.
    """
    name, n, level = str(job[0]), int(job[1]), job[2]
    model = ZOO[name]
    owner = target(model.target)
    seeds = seed_of(*job)
    rng = np.random.default_rng(seeds)
    copies = COPIED if column(model) == "G" else 0 if level == TRAINED else model.copied
    real = owner.training_set(copies)[0] if copies else owner.sample(n, rng)[0]
    options = {} if level in (CONTROL, TRAINED) else {"level": float(level)}
    fake = model.function(n, seeds[0] % 2**31, **options)
    held_out = sample_set("held_out", owner.sample(n, rng)[0], owner)
    found = measure_all(
        metrics,
        sample_set("real", real, owner),
        sample_set("fake", fake, owner, strict=True),
        held_out,
        seed=seeds[1] % 2**31,
    )
    recording = recorded(model) or measure(model).to_json() if level == TRAINED else None
    truth: Mapping[str, Any] = recording or measure_samples(owner, fake).to_json()
    return JobResult(found, {name: float(truth[name]) for name in ("severity", "high_quality")})


def summarise(results: Mapping[Job, JobResult], metrics: Sequence[str]) -> list[LadderRow]:
    """The response of each metric on each ladder that it can be measured on."""
    healthy = {str(key[0]): jobs for key, jobs in grouped(results, 3).items() if key[2] == CONTROL}
    found = _ladders(results)
    rows = []
    for metric in (METRICS[name] for name in metrics):
        reactions = {}
        for ladder in found:
            controls = _badness(metric, healthy[ladder.target], results)
            rungs = _rungs(ladder, metric, results, controls)
            if rungs:
                reactions[ladder.name] = rungs
        false = _false_reactions(found, reactions)
        rows += [_row(ladder, metric, reactions[ladder.name], false) for ladder in found if ladder.name in reactions]
    return rows


def _ladders(results: Mapping[Job, JobResult]) -> list[Ladder]:
    """The ladders of knobs, and those of trained models with enough samples of high quality."""
    steps: dict[str, list[tuple[Job, ...]]] = {}
    models: list[ZooModel] = []
    for (name, _, level), jobs in grouped(results, 3).items():
        if level == TRAINED and np.mean([results[job].facts["high_quality"] for job in jobs]) >= ENOUGH:
            models.append(ZOO[str(name)])
        if level != CONTROL:
            steps.setdefault(str(name), []).append(tuple(jobs))
    graded = [
        Ladder(name, ZOO[name].target, column(ZOO[name]), tuple(rungs))
        for name, rungs in steps.items()
        if rungs[0][0][2] != TRAINED
    ]
    grown = [
        Ladder(name, members[0].target, None, tuple(steps[model.name][0] for model in members), trained=True)
        for name, members in families(models).items()
    ]
    return graded + grown


def _evenly_spaced(levels: Sequence[float], most: int) -> list[float]:
    places = np.unique(np.round(np.linspace(0, len(levels) - 1, min(most, len(levels)))).astype(int))
    return [float(levels[place]) for place in places]


def _badness(metric: Metric, jobs: Sequence[Job], results: Mapping[Job, JobResult]) -> np.ndarray:
    """The metric on each job where it could be measured, its sign chosen so that higher is worse."""
    found = [results[job].values[metric.name][0] for job in jobs]
    kept = np.array([value for value in found if value is not None])
    return -kept if metric.better == "higher" else kept


def _limits(metric: Metric, controls: np.ndarray) -> tuple[float, float]:
    """Student's prediction interval for one more healthy control, left on either side in 1 % of cases.

    It is computed on logarithms for a positive metric without an upper bound, whose distribution is skewed.
    """
    sizes = np.abs(controls)
    if metric.range[0] >= 0 and metric.range[1] == inf and sizes.min() > SKEWED * sizes.mean():
        low, high = _band(np.log(sizes))
        ends = (float(np.exp(low)), float(np.exp(high)))
        return ends if metric.better == "lower" else (-ends[1], -ends[0])
    return _band(controls)


def _band(controls: np.ndarray) -> tuple[float, float]:
    n = len(controls)
    reach = float(stats.t.ppf(1 - FALSE_ALARMS, n - 1)) * float(controls.std(ddof=1)) * (1 + 1 / n) ** 0.5
    reach = max(reach, 1e-6 * abs(float(controls.mean())), 1e-9)
    return float(controls.mean()) - reach, float(controls.mean()) + reach


def _rungs(ladder: Ladder, metric: Metric, results: Mapping[Job, JobResult], controls: np.ndarray) -> list[Rung]:
    """The rungs by rising severity; empty where the metric could not be measured, or on fewer than three controls."""
    if len(controls) < 3:
        return []
    low, high = _limits(metric, controls)
    found = []
    for members in ladder.rungs:
        bad = _badness(metric, members, results)
        if len(bad) == 0:
            continue
        lost = float(np.mean([results[job].facts["severity"] for job in members]))
        severity = float(members[0][2]) if (ladder.column or "A") in BY_LEVEL else lost
        value = float(bad.mean()) * (-1 if metric.better == "higher" else 1)
        found.append(Rung(severity, value, float((bad > high).mean()), float((bad < low).mean())))
    return sorted(found, key=lambda rung: rung.severity)


def _row(ladder: Ladder, metric: Metric, rungs: Sequence[Rung], false_reactions: Mapping[str, float]) -> LadderRow:
    severity = np.array([rung.severity for rung in rungs])
    bad = np.array([rung.value for rung in rungs]) * (-1 if metric.better == "higher" else 1)
    varied = len(rungs) > 2 and np.ptp(severity) > 0
    moves = varied and np.ptp(bad) > 0
    tau = float(stats.kendalltau(severity, bad).statistic) if moves else (0.0 if varied else None)
    linearity = float(np.corrcoef(severity, bad)[0, 1] ** 2) if moves else (0.0 if varied else None)
    detected = _detected(rungs)
    reaction = "blind"
    if detected is not None and (tau or 0) >= MONOTONE:
        reaction = "sees"
    elif rungs[-1].praise > CLEAR and (tau or 0) <= -MONOTONE:
        reaction = "misled"
    return LadderRow(
        ladder=ladder.name,
        metric=metric.name,
        column=ladder.column,
        kendall_tau=tau,
        linearity=linearity,
        smallest_detectable=detected,
        false_reaction=false_reactions.get(ladder.target),
        reaction=reaction,
        rungs=tuple(rungs),
        trained=ladder.trained,
    )


def _detected(rungs: Sequence[Rung]) -> float | None:
    """Least severity from which on most sample sets of every rung raise an alarm."""
    found = None
    for rung in reversed(rungs):
        if rung.alarms <= CLEAR:
            break
        found = rung.severity
    return found


def _false_reactions(ladders: Sequence[Ladder], reactions: Mapping[str, Sequence[Rung]]) -> dict[str, float]:
    """Target -> share of alarms on its fidelity-only ladders, without the mildest rung of each, which is healthy."""
    alarms: dict[str, list[float]] = {}
    for ladder in ladders:
        if (ladder.column or " ") in CONTROLS:
            found = [rung.alarms for rung in reactions.get(ladder.name, ())[1:]]
            alarms.setdefault(ladder.target, []).extend(found)
    return {target: float(np.mean(found)) for target, found in alarms.items() if found}
