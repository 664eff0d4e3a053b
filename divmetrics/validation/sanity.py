"""The sanity suite: checks whether each metric behaves as it must on samples whose correct response is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from divmetrics.records.metric import METRICS, Metric
from divmetrics.validation.checks import CHECKS, ROLES, Check, Curve, Role
from divmetrics.validation.measuring import Measurement, measure_all, sample_set
from divmetrics.validation.records import SanityRow
from divmetrics.validation.running import Job, JobResult, grouped, seed_of

RELATIVE = 3
"""Repeats, at most, for metrics of which only the direction is checked."""
MOVED = 4.0
"""Standard errors by which a metric without a range must change to count as changing at all."""


def jobs(n: int, levels: int, repeats: int, cases: int | None = None) -> list[Job]:
    """All jobs: (check, case, n, level, repeat), at most `levels` levels of the first `cases` cases of each check."""
    return [
        (check.name, case, n, level, repeat)
        for check in CHECKS.values()
        for case in check.cases[:cases]
        for level in check.chosen(case, levels)
        for repeat in range(repeats)
    ]


def run_job(job: Job, metrics: Sequence[str]) -> JobResult:
    """The metrics on one pair of sample sets of one check."""
    name, case, n, level, repeat = job
    check = CHECKS[str(name)]
    pair = check.draw(str(case), float(level), int(n), np.random.default_rng(seed_of(*job)))
    sides = [pair.real, pair.fake]
    if check.scaled:
        sd = pair.real.std(0)
        sides = [(rows - pair.real.mean(0)) / np.where(sd > 0, sd, 1) for rows in sides]
    real, fake = (
        sample_set(place, rows, pair.target, shown.astype(np.float32), strict=place == "fake")
        for place, rows, shown in zip(("real", "fake"), (pair.real, pair.fake), sides, strict=True)
    )
    return JobResult(measure_all(metrics, real, fake, seed=int(repeat)))


def summarise(results: Mapping[Job, JobResult], metrics: Sequence[str]) -> list[SanityRow]:
    """A row for each check and metric, for each role that the metric has and the check has criteria for."""
    rows = []
    for (name,), members in grouped(results, 1).items():
        check = CHECKS[str(name)]
        cases = grouped(members, 2).values()
        for metric in (METRICS[metric] for metric in metrics):
            rows += [
                row
                for role in ROLES
                if role in check.criteria and metric.role in (role, "distance")
                if (row := _row(check, metric, role, [_curve(metric, case, results) for case in cases])) is not None
            ]
    return rows


def split_by_repeats(jobs: Sequence[Job], metrics: Sequence[str]) -> list[tuple[list[Job], list[str]]]:
    """(jobs, metrics) to run: metrics with a 0 and 1 of their own on all repeats, the others on the first few."""
    exact = [name for name in metrics if has_zero_and_one(METRICS[name])]
    few = [job for job in jobs if int(job[4]) < RELATIVE]
    return [(few, list(metrics)), (list(jobs), exact)]


def has_zero_and_one(metric: Metric) -> bool:
    """Whether the metric is 0 where all is lost and 1 where nothing is, by its range or as a ratio to real samples."""
    low, high = metric.range
    ratio = low == 0 and metric.laws.on_copies == 1 and metric.better == "higher"
    return metric.role != "distance" and ((low, high) == (0, 1) or ratio)


def _curve(metric: Metric, jobs: Sequence[Job], results: Mapping[Job, JobResult]) -> Curve | None:
    """Means over the repeats, higher is better; None where a level could not be measured."""
    levels = grouped(jobs, 4)
    means, errors = [], []
    for members in levels.values():
        found: list[Measurement] = [results[job].values.get(metric.name, (None, None)) for job in members]
        kept = [value for value, _ in found if value is not None]
        if not kept:
            return None
        means.append(float(np.mean(kept)))
        errors.append(float(np.std(kept, ddof=1)) / len(kept) ** 0.5 if len(kept) > 1 else 0.0)
    xs, good = np.array([float(level[3]) for level in levels]), np.array(means)
    if has_zero_and_one(metric):
        return Curve(xs, good if metric.better == "higher" else 1 - good, absolute=True)
    good = good if metric.better == "higher" else -good
    width = float(np.ptp(good))
    if width <= MOVED * float(np.mean(errors)) or width == 0:
        return Curve(xs, np.zeros(len(xs)), absolute=False)
    return Curve(xs, (good - good.min()) / width, absolute=False)


def _row(check: Check, metric: Metric, role: Role, curves: Sequence[Curve | None]) -> SanityRow | None:
    """The metric on one check; None where it cannot be measured on every level, as class metrics without a target."""
    known = [curve for curve in curves if curve is not None]
    if len(known) < len(curves):
        return None
    criterion, whole = check.criteria[role], all(curve.absolute for curve in known)
    holds, shape = None, None
    if criterion.bounds is not None and whole:
        holds = all(criterion.bounds(curve) for curve in known)
    if criterion.shape is not None and (whole or not criterion.needs_bounds):
        verdicts = {criterion.shape(curve) for curve in known}
        shape = verdicts.pop() if len(verdicts) == 1 else "fail"
    return SanityRow(check.name, metric.name, role, holds, shape)
