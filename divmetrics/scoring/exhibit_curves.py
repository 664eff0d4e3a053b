"""Curves and the table of modes in detail, for the exhibits of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch

from divmetrics.arrays.splits import TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.inference.exhibits.convergence import convergence, enough, on_subsets, subsets_of
from divmetrics.inference.exhibits.mode_details import ModeMeasures, measure_mode
from divmetrics.records.exhibits import Curve, ModeDetail, Series
from divmetrics.records.metric import METRICS
from divmetrics.records.results import Mode, Result
from divmetrics.scoring.memberships import Memberships
from divmetrics.scoring.plan import SIDES, Task
from divmetrics.scoring.task_inputs import TaskInputs

MAIN = (
    "fid",
    "kid",
    "precision",
    "recall",
    "density",
    "coverage",
    "clipped_coverage",
    "spacing_ratio",
    "rke_ratio",
)
"""Metrics of which the convergence is shown, where the report has them; quick enough to be computed a dozen times."""
MOST_CURVES = 6
"""Curves of convergence at most."""
MOST_MODES = 100
"""Modes that are measured by themselves at most."""


def prd_curve(real: Rows, fake: Rows) -> Curve:
    """The curve of precision and recall, with the usual options of `prd_f8`."""
    extras = METRICS["prd_f8"].measure(real, fake).extras
    recall, precision = ([round(float(value), 5) for value in extras[name]] for name in ("recall", "precision"))
    text = (
        "How much precision can be had at which recall, as the weight of the two shifts (Sajjadi 2018): over 20 "
        "clusters of both sides together, averaged over 10 clusterings. Alike sides reach the upper right corner; low "
        "at the right is lost diversity, low at the left is lost fidelity."
    )
    series = (Series("precision and recall", tuple(recall), tuple(precision)),)
    return Curve("prd", "Precision and recall of the distributions", "recall", "precision", False, series, text)


def convergence_curves(
    tasks: Sequence[Task], results: Mapping[str, Result], sides: TaskInputs, extractor: str, seed: int
) -> Iterator[Curve]:
    """One curve for each main metric of the report: its value on subsets of both sides, by their size.

    Args:
        tasks: What was measured.
        results: Key in the report -> result.
        sides: All samples.
        extractor: Whose features these are.
        seed: Seed of the subsets.
    """
    chosen = [
        (task, result)
        for name in MAIN
        for task in tasks
        if task.request.metric.name == name and task.extractor == extractor and task.layer == "pooled"
        if (result := results.get(task.key)) is not None and result.value is not None
    ][:MOST_CURVES]
    if not chosen:
        return
    pool = _pool_of_all([task for task, _ in chosen], sides, extractor)
    asked = [(task.request.metric, task.request.options) for task, _ in chosen]
    subsets = subsets_of(pool, seed)
    by_size = [on_subsets(asked, pool, group) for group in subsets]
    for place, (task, result) in enumerate(chosen):
        assert result.value is not None  # noqa: S101
        found = [(group.part, values[place]) for group, values in zip(subsets, by_size, strict=True)]
        levels = convergence(task.request.metric, found, n=result.n_fake or pool.m, value=result.value, ci=result.ci)
        if len(levels) < 2:
            continue
        columns = [(level.n, level.value, level.low, level.high) for level in levels]
        x, y, low, high = zip(*columns, strict=True)
        series = Series(task.key, tuple(map(float, x)), y, low, high)
        how = (
            "Means over disjoint subsets of both sides, drawn by the seed; the band holds the value of one such subset."
        )
        title, text = f"{task.key} by number of samples", f"{how} {enough(levels, _short)}"
        yield Curve(f"convergence:{task.key}", title, "fake samples", task.key, True, (series,), text)


def _pool_of_all(tasks: Sequence[Task], sides: TaskInputs, extractor: str) -> TwoSamplePool:
    """All samples of both sides, as the pool of a task where that is whole: much is computed beside it already."""
    real, fake = (sides.collected[side].get(extractor, "pooled", Rows) for side in SIDES)
    pools = (sides.pool(task) for task in tasks)
    whole = (pool for pool in pools if isinstance(pool, TwoSamplePool) and pool.real is real and pool.fake is fake)
    return next(whole, TwoSamplePool(real, fake))


def _short(value: float) -> str:
    return f"{value:.3g}"


def mode_details(
    modes: Sequence[Mode],
    known: Memberships | None,
    rows: tuple[Rows, Rows] | None,
    sizes: tuple[int, int],
    seed: int,
) -> tuple[list[ModeDetail], list[str]]:
    """The modes of a table by themselves, and notes on those that are left out.

    Args:
        modes: The table of modes.
        known: The mode of each sample; None where only shares are known.
        rows: All real and all fake samples; None where there are no features.
        sizes: Numbers of real and fake samples.
        seed: Seed of draws.
    """
    entries = [*modes, *(_invented(modes, known, sizes[1]) if known is not None else ())]
    shown, notes = _most_telling(entries), []
    if len(shown) < len(entries):
        notes.append(
            f"Of {len(entries)} modes the {len(shown)} most telling ones are measured by themselves: those that lack "
            "samples, then the largest."
        )
    places = (
        {} if known is None else {side: _by_mode(known.number[side], len(known.names)) for side in ("real", "fake")}
    )
    number = {} if known is None else {name: place for place, name in enumerate(known.names)}
    details = []
    for mode in shown:
        found, counts = ModeMeasures(), (round(mode.real_share * sizes[0]), round(mode.fake_share * sizes[1]))
        if known is not None and (place := number.get(mode.name)) is not None:
            own = [places[side][place] for side in ("real", "fake")]
            counts = len(own[0]), len(own[1])
            if rows is not None and min(counts):
                of_real, of_fake = (side.take(torch.from_numpy(at)) for side, at in zip(rows, own, strict=True))
                found = measure_mode(of_real, of_fake, seed)
        details.append(
            ModeDetail(
                mode.name, *counts, found.recall, found.spread, found.fid, found.spacing_ratio, mode.state, mode.p
            )
        )
    return details, notes


def _invented(modes: Sequence[Mode], known: Memberships, m: int) -> Iterator[Mode]:
    """Modes of fake samples that no real sample lies in."""
    named = {mode.name for mode in modes}
    counts = [
        np.bincount(known.number[side][known.number[side] >= 0], minlength=len(known.names))
        for side in ("real", "fake")
    ]
    for place in np.flatnonzero((counts[0] == 0) & (counts[1] > 0)).tolist():
        if known.names[place] not in named:
            yield Mode(place, known.names[place], 0.0, int(counts[1][place]) / max(1, m), None, "invented")


def _most_telling(modes: Sequence[Mode]) -> list[Mode]:
    """At most `MOST_MODES` of them in their order: those that lack samples, then the largest."""

    def weight(place: int) -> tuple[bool, float]:
        return modes[place].state == "present", -max(modes[place].real_share, modes[place].fake_share)

    chosen = sorted(range(len(modes)), key=weight)[:MOST_MODES]
    return [modes[place] for place in sorted(chosen)]


def _by_mode(numbers: np.ndarray, count: int) -> list[np.ndarray]:
    """Positions of the samples of each mode."""
    order = np.argsort(numbers, kind="stable")
    ends = np.searchsorted(numbers[order], np.arange(count + 1))
    return [order[start:end] for start, end in pairwise(ends)]
