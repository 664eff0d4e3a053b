"""The sanity suite: does a metric do on each recipe what it must?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from divmetrics.records.metric import METRICS, Metric
from divmetrics.validation.cells import Found, side, values
from divmetrics.validation.checks import CHECKS, ROLES, Check, Curve, Role
from divmetrics.validation.records import SanityRow
from divmetrics.validation.running import Key, Outcome, grouped, seed_of

RELATIVE = 3
"""Repeats, at most, of metrics that are judged by direction alone."""
MOVED = 4.0
"""Standard errors that a metric without a range must move by to be said to move at all."""


def cells(n: int, levels: int, repeats: int, cases: int | None = None) -> list[Key]:
    """(check, case, n, level, repeat) of all checks; `levels` at most of each case, of the first `cases` of each."""
    return [
        (check.name, case, n, level, repeat)
        for check in CHECKS.values()
        for case in check.cases[:cases]
        for level in check.chosen(case, levels)
        for repeat in range(repeats)
    ]


def compute(cell: Key, metrics: Sequence[str]) -> Outcome:
    """One draw of one check."""
    name, case, n, level, repeat = cell
    check = CHECKS[str(name)]
    drawn = check.draw(str(case), float(level), int(n), np.random.default_rng(seed_of(*cell)))
    sides = [drawn.real, drawn.fake]
    if check.scaled:
        sd = drawn.real.std(0)
        sides = [(rows - drawn.real.mean(0)) / np.where(sd > 0, sd, 1) for rows in sides]
    real, fake = (
        side(place, rows, drawn.target, shown.astype(np.float32), strict=place == "fake")
        for place, rows, shown in zip(("real", "fake"), (drawn.real, drawn.fake), sides, strict=True)
    )
    return Outcome(values(metrics, real, fake, seed=int(repeat)))


def judge(outcomes: Mapping[Key, Outcome], metrics: Sequence[str]) -> list[SanityRow]:
    """A row for each check, metric and role that the metric claims and the check asks for."""
    rows = []
    for (name,), members in grouped(outcomes, 1).items():
        check = CHECKS[str(name)]
        cases = grouped(members, 2).values()
        for metric in (METRICS[metric] for metric in metrics):
            rows += [
                row
                for role in ROLES
                if role in check.criteria and metric.role in (role, "distance")
                if (row := _row(check, metric, role, [_curve(metric, case, outcomes) for case in cases])) is not None
            ]
    return rows


def shares(cells: Sequence[Key], metrics: Sequence[str]) -> list[tuple[list[Key], list[str]]]:
    """What to measure where: metrics with a range of their own on all repeats, the others on the first few."""
    exact = [name for name in metrics if absolute(METRICS[name])]
    few = [cell for cell in cells if int(cell[4]) < RELATIVE]
    return [(few, list(metrics)), (list(cells), exact)]


def absolute(metric: Metric) -> bool:
    """Whether the metric is 0 where all is lost and 1 where nothing is: by its range, or as a ratio to the reals."""
    low, high = metric.range
    ratio = low == 0 and metric.laws.on_copies == 1 and metric.better == "higher"
    return metric.role != "distance" and ((low, high) == (0, 1) or ratio)


def _curve(metric: Metric, cells: Sequence[Key], outcomes: Mapping[Key, Outcome]) -> Curve | None:
    """Means over the repeats, higher = better; None where a level could not be measured."""
    levels = grouped(cells, 4)
    means, errors = [], []
    for members in levels.values():
        found: list[Found] = [outcomes[cell].found.get(metric.name, (None, None)) for cell in members]
        kept = [value for value, _ in found if value is not None]
        if not kept:
            return None
        means.append(float(np.mean(kept)))
        errors.append(float(np.std(kept, ddof=1)) / len(kept) ** 0.5 if len(kept) > 1 else 0.0)
    xs, good = np.array([float(level[3]) for level in levels]), np.array(means)
    if absolute(metric):
        return Curve(xs, good if metric.better == "higher" else 1 - good, absolute=True)
    good = good if metric.better == "higher" else -good
    width = float(np.ptp(good))
    if width <= MOVED * float(np.mean(errors)) or width == 0:
        return Curve(xs, np.zeros(len(xs)), absolute=False)
    return Curve(xs, (good - good.min()) / width, absolute=False)


def _row(check: Check, metric: Metric, role: Role, curves: Sequence[Curve | None]) -> SanityRow | None:
    """None where a level of the check cannot be measured with the metric, as classes without a target."""
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
