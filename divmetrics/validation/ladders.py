"""The ladders: as a generator gets worse in a known way, step by step, what does each metric say?"""

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
from divmetrics.validation.cells import side, values
from divmetrics.validation.families import ENOUGH, families, weights
from divmetrics.validation.records import LadderRow, Rung
from divmetrics.validation.running import Key, Outcome, grouped, seed_of
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
"""Columns of the matrix of expected responses: what can be wrong with a generator."""
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
"""Knob of the zoo -> its column. Mixed ensembles are in none: they have all modes, in slightly wrong shares."""
CONTROLS = "EFH"
"""Columns in which fidelity fails and nothing is lost."""
BY_LEVEL = CONTROLS + "G"
"""Columns whose severity is the level itself: for the oracle nothing is lost."""
COPIED = 500
"""Size of the training set that `memorise` copies; the reals of its ladder are that set, so all ladders have it."""
HEALTHY = 20
"""Healthy controls of each target."""
FALSE_ALARMS = 0.01
SKEWED = 1e-3
"""Least control over the mean of controls from which on logarithms are taken."""
CLEAR, MONOTONE = 0.5, 0.3
"""Share of alarms on a rung, and Kendall's tau over the ladder, from which on a metric is said to see it."""
CONTROL, TRAINED = "healthy", "trained"
"""In the key of a cell in place of a level: a draw of the target itself, and one of a trained model as it is."""


@dataclass(frozen=True)
class Ladder:
    """Cells that are judged together."""

    name: str
    target: str
    column: str | None
    rungs: tuple[tuple[Key, ...], ...]
    """Cells of each level, or of each trained model; in no order yet."""
    trained: bool = False


def column(model: ZooModel) -> str | None:
    """The column of a ladder; None for one that is in none of them."""
    return KNOBS.get(model.name.removeprefix(f"{model.target}-"))


def chosen(targets: Sequence[str], *, others: bool = False) -> list[ZooModel]:
    """The ladders of the zoo on `targets`; with `others` also those on other targets that are no plain knobs."""
    graded = [model for model in ZOO if len(model.levels) > 1]
    return [model for model in graded if model.target in targets or (others and model.family != "oracle")]


def cells(models: Iterable[ZooModel], n: int, rungs: int, repeats: int, healthy: int) -> list[Key]:
    """(entry, n, level, repeat) of all ladders, and for each target (target, n, "healthy", seed).

    A model without levels stands as it is: (entry, n, "trained", repeat, digest of its weights).
    """
    models = list(models)
    controls = [(name, n, CONTROL, seed) for name in dict.fromkeys(m.target for m in models) for seed in range(healthy)]
    steps: list[Key] = []
    for model in models:
        levels: list[float | str] = [*_some(model.levels, rungs)] or [TRAINED]
        mark = weights(model)
        steps += [(model.name, n, level, repeat, *mark) for level, repeat in product(levels, range(repeats))]
    return [*controls, *steps]


def compute(cell: Key, metrics: Sequence[str]) -> Outcome:
    """One draw of a ladder or of a healthy control: the metrics on it, and what the oracle says.

    Of a trained model the oracle judges many more samples than `n`, since few of them may lie in a mode.
    """
    name, n, level = str(cell[0]), int(cell[1]), cell[2]
    model = ZOO[name]
    owner = target(model.target)
    seeds = seed_of(*cell)
    rng = np.random.default_rng(seeds)
    copies = COPIED if column(model) == "G" else 0 if level == TRAINED else model.copied
    real = owner.training_set(copies)[0] if copies else owner.sample(n, rng)[0]
    options = {} if level in (CONTROL, TRAINED) else {"level": float(level)}
    fake = model.function(n, seeds[0] % 2**31, **options)
    held_out = side("held_out", owner.sample(n, rng)[0], owner)
    found = values(
        metrics, side("real", real, owner), side("fake", fake, owner, strict=True), held_out, seed=seeds[1] % 2**31
    )
    recording = recorded(model) or measure(model).to_json() if level == TRAINED else None
    truth: Mapping[str, Any] = recording or measure_samples(owner, fake).to_json()
    return Outcome(found, {name: float(truth[name]) for name in ("severity", "high_quality")})


def judge(outcomes: Mapping[Key, Outcome], metrics: Sequence[str]) -> list[LadderRow]:
    """A row for each ladder and metric that can be measured on it."""
    healthy = {str(key[0]): cells for key, cells in grouped(outcomes, 3).items() if key[2] == CONTROL}
    found = _ladders(outcomes)
    rows = []
    for metric in (METRICS[name] for name in metrics):
        reactions = {}
        for ladder in found:
            controls = _badness(metric, healthy[ladder.target], outcomes)
            rungs = _rungs(ladder, metric, outcomes, controls)
            if rungs:
                reactions[ladder.name] = rungs
        false = _false_reactions(found, reactions)
        rows += [_row(ladder, metric, reactions[ladder.name], false) for ladder in found if ladder.name in reactions]
    return rows


def _ladders(outcomes: Mapping[Key, Outcome]) -> list[Ladder]:
    """The ladders of knobs, and those of the trained models that the oracle can judge."""
    steps: dict[str, list[tuple[Key, ...]]] = {}
    models: list[ZooModel] = []
    for (name, _, level), cells in grouped(outcomes, 3).items():
        if level == TRAINED and np.mean([outcomes[cell].facts["high_quality"] for cell in cells]) >= ENOUGH:
            models.append(ZOO[str(name)])
        if level != CONTROL:
            steps.setdefault(str(name), []).append(tuple(cells))
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


def _some(levels: Sequence[float], most: int) -> list[float]:
    places = np.unique(np.round(np.linspace(0, len(levels) - 1, min(most, len(levels)))).astype(int))
    return [float(levels[place]) for place in places]


def _badness(metric: Metric, cells: Sequence[Key], outcomes: Mapping[Key, Outcome]) -> np.ndarray:
    """The metric on each cell where it could be measured, turned so that higher is worse."""
    found = [outcomes[cell].found[metric.name][0] for cell in cells]
    kept = np.array([value for value in found if value is not None])
    return -kept if metric.better == "higher" else kept


def _limits(metric: Metric, controls: np.ndarray) -> tuple[float, float]:
    """Band that one more healthy sample leaves to each side in 1 % of cases: Student's prediction interval.

    Of logarithms for a positive metric without an upper end, whose chance is skewed.
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


def _rungs(ladder: Ladder, metric: Metric, outcomes: Mapping[Key, Outcome], controls: np.ndarray) -> list[Rung]:
    """The rungs by rising severity; none where the metric, or its healthy spread, could not be measured."""
    if len(controls) < 3:
        return []
    low, high = _limits(metric, controls)
    found = []
    for members in ladder.rungs:
        bad = _badness(metric, members, outcomes)
        if len(bad) == 0:
            continue
        lost = float(np.mean([outcomes[cell].facts["severity"] for cell in members]))
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
    """Least severity from which on most samples of each rung alarm."""
    found = None
    for rung in reversed(rungs):
        if rung.alarms <= CLEAR:
            break
        found = rung.severity
    return found


def _false_reactions(ladders: Sequence[Ladder], reactions: Mapping[str, Sequence[Rung]]) -> dict[str, float]:
    """Target -> share of alarms over the rungs of its controls, the mildest of each, which is healthy, left out."""
    alarms: dict[str, list[float]] = {}
    for ladder in ladders:
        if (ladder.column or " ") in CONTROLS:
            found = [rung.alarms for rung in reactions.get(ladder.name, ())[1:]]
            alarms.setdefault(ladder.target, []).extend(found)
    return {target: float(np.mean(found)) for target, found in alarms.items() if found}
