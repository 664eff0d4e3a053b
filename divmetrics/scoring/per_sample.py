"""Per-sample columns of a report (nearest neighbour, inside or covered, realism, ...), and its table of modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from divmetrics.arrays.pairs import nearest_of_other_side
from divmetrics.arrays.summaries import ClassTally, Rows
from divmetrics.errors import DivmetricsError, MissingLayer
from divmetrics.inference.mode_table import cluster_table, mode_table
from divmetrics.records.metric import METRICS, Measured
from divmetrics.records.results import Mode
from divmetrics.scoring.plan import SIDES, Plan, SideName, Task
from divmetrics.scoring.task_inputs import TaskInputs, inventory

Columns = dict[SideName, dict[str, Sequence[Any]]]

ALWAYS = ("precision", "coverage", "realism", "rarity", "duplicate_fraction")
"""Metrics whose columns are given whenever per-sample values are asked for."""


def sample_columns(tasks: Sequence[Task], found: Mapping[str, Any], sides: TaskInputs, plan: Plan) -> dict[str, Any]:
    """Values of single samples: those of the measured metrics; with `samples=True` all that are known.

    Args:
        tasks: What was measured.
        found: Key in the report -> `Measured`, or an error.
        sides: The samples.
        plan: Says whether all are asked for.

    Returns:
        Side -> column -> one value for each sample, in the order of the column `path`.
    """
    columns: Columns = {"real": {}, "fake": {}}
    for task in tasks:
        if isinstance(value := found[task.key], Measured) and sides.equal_size(task) is None:
            _store_columns(columns, task.key, value)
    if plan.questions.samples and (extractor := pooled_extractor(sides)) is not None:
        real, fake = (sides.collected[side].get(extractor, "pooled", Rows) for side in SIDES)
        for name in ALWAYS:
            _add_columns(columns, f"{name}@{extractor}", name, real, fake)
        _add_neighbours(columns, real, fake, sides)
    return {side: {"path": sides.collected[side].paths, **kept} for side, kept in columns.items() if kept}


def table_of_modes(tasks: Sequence[Task], sides: TaskInputs, plan: Plan) -> tuple[Mode, ...]:
    """The table of modes: the classes of the samples, else clusters of the real samples, else a classifier's classes.

    Where the real samples alone have classes, they classify the fakes. Clustering takes time, so it is done only where
    modes were requested by number, by metric, by a preset or as exhibits. A classifier with a known confusion
    matrix is preferred to clusters.
    """
    counted = [task for task in tasks if task.request.metric.fake.summary is ClassTally and task.request.metric.real]
    questions = plan.questions
    asked = questions.mode_table or questions.modes is not None or questions.exhibits
    wanted = asked or counted or not all(task.request.explicit for task in tasks)
    if plan.questions.modes is None and sides.classes.kind == "labels":
        real, fake = (sides.label_tally(side) for side in SIDES)
        return mode_table(real, fake, sides.class_names, plan.questions.confusion)
    if plan.questions.modes is None and sides.classes.kind == "real" and wanted:
        with suppress(MissingLayer):  # the metrics say so
            return _table_by_real(counted, sides)
    by_network = plan.questions.confusion is not None and counted
    if wanted and not by_network and (extractor := pooled_extractor(sides)) is not None:
        return _cluster_table(extractor, sides, plan)
    if not counted or counted[0].layer != "logits":
        return ()
    real, fake = (cast("ClassTally", sides.summary(counted[0], side)) for side in SIDES)
    return mode_table(real, fake, None, plan.questions.confusion)


def _table_by_real(counted: Sequence[Task], sides: TaskInputs) -> tuple[Mode, ...]:
    """One mode for each class of the real samples, which classify the fakes. Raises MissingLayer where they cannot."""
    extractor = counted[0].extractor if counted else pooled_extractor(sides)
    if extractor is None:
        raise MissingLayer("no features were kept on both sides.")
    found = sides.classified(extractor)
    real, fake = (ClassTally(torch.from_numpy(counts)) for counts in found.predicted_counts())
    return mode_table(real, fake, found.names, found.found.confusion, estimated=True)


def _cluster_table(extractor: str, sides: TaskInputs, plan: Plan) -> tuple[Mode, ...]:
    """One mode for each cluster of the real samples, with the paths of its exemplars."""
    real, fake = (sides.collected[side].get(extractor, "pooled", Rows) for side in SIDES)
    paths = sides.collected["real"].paths or tuple(f"#{place}" for place in real.index.tolist())
    path_at = dict(zip(real.index.tolist(), paths, strict=True))
    table = cluster_table(real, fake, plan.questions.modes, plan.seed)
    return tuple(replace(mode, exemplars=tuple(path_at[place] for place in places)) for mode, places in table)


def pooled_extractor(sides: TaskInputs) -> str | None:
    """The first extractor of which both sides keep the pooled rows."""
    for extractor, layers in inventory(sides.collected["fake"]).items():
        if "pooled" in layers:
            try:
                for side in SIDES:
                    sides.collected[side].get(extractor, "pooled", Rows)
            except MissingLayer:
                continue
            return extractor
    return None


def _store_columns(columns: Columns, key: str, found: Measured) -> None:
    """Add per-sample columns; where two tasks have one of the same name, the later one carries its key."""
    given: dict[SideName, Mapping[str, Any]] = {"real": found.real, "fake": found.fake}
    for side, entries in given.items():
        for name, values in entries.items():
            unique = name if name not in columns[side] else f"{name} ({key})"
            columns[side][unique] = values.tolist() if hasattr(values, "tolist") else list(values)


def _add_columns(columns: Columns, key: str, name: str, real: Rows, fake: Rows) -> None:
    """Add the columns of a metric that was not requested, where it can be computed."""
    try:
        found = METRICS[name].measure(real, fake)
    except DivmetricsError:
        return
    if not {*found.real, *found.fake} & {*columns["real"], *columns["fake"]}:
        _store_columns(columns, key, found)


def _add_neighbours(columns: Columns, real: Rows, fake: Rows, sides: TaskInputs) -> None:
    """Add the nearest sample of the other side and its distance, and the fake that covers each covered real sample."""
    of_real, of_fake = nearest_of_other_side(real, fake)
    for side, other, found in (("real", "fake", of_real), ("fake", "real", of_fake)):
        names = _names_of(found.index, sides.collected[cast("SideName", other)].paths)
        columns[cast("SideName", side)] |= {
            f"nearest_{other}": names,
            f"nearest_{other}_distance": found.distance.tolist(),
        }
    if (covered := columns["real"].get("covered")) is not None:
        by = columns["real"]["nearest_fake"]
        columns["real"]["covered_by"] = [name if inside else "" for name, inside in zip(by, covered, strict=True)]


def _names_of(index: Tensor, paths: Sequence[str]) -> list[str]:
    return [paths[i] if paths else f"#{i}" for i in torch.as_tensor(index).tolist()]
