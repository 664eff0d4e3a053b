"""One measurement of a trial: two or three sides as arrays in, metric -> value out, all metrics from one draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from divmetrics.arrays.summaries import Rows
from divmetrics.errors import DivmetricsError, UsageError
from divmetrics.records.extractor import Layer
from divmetrics.records.results import Side
from divmetrics.scoring.collected import Collected, EncoderInfo
from divmetrics.scoring.measure import measure
from divmetrics.scoring.plan import Plan
from divmetrics.zoo.targets import Target

ORACLE = "oracle"
"""What the numbers stand under: features as drawn, and the classifier that knows the target."""
VERDICT = "verdict"
"""Name of the whole report's verdict among the metrics: 1, and p 0, where it says collapsed."""
OUTSIDE = "outside"
"""Class of fakes beyond the reach of all modes."""


Found = tuple[float | None, float | None]
"""One metric on one draw: its value, and the chance of one as bad under its null, where that was asked for."""


def side(
    name: str,
    rows: np.ndarray,
    target: Target | None = None,
    features: np.ndarray | None = None,
    *,
    strict: bool = False,
) -> Collected:
    """One side: features, and of a known target also logits, classes, and pixels of images.

    `features` stand in for the rows `[n, d]` where metrics are to see them scaled. Samples beyond the reach of all
    modes are of the nearest one, whose tail they may be, or OUTSIDE where `strict`, as fakes should be.
    """
    layers: dict[Layer, np.ndarray] = {"pooled": rows if features is None else features}
    labels: tuple[str, ...] | None = None
    if target is not None:
        modes, distance = target.nearest_modes(rows)
        inside = (distance <= 1) | (not strict)
        labels = tuple(f"{mode:04}" if good else OUTSIDE for mode, good in zip(modes, inside, strict=True))
        layers["logits"] = target.logits(rows)
        if (images := target.images(rows)) is not None:
            layers["pixels"] = images.transpose(0, 3, 1, 2).astype(np.float32) / 255
    counts = None if labels is None else {label: labels.count(label) for label in sorted(set(labels))}
    return Collected(
        side=Side(name, len(rows), None, counts),
        encoders={ORACLE: EncoderInfo("", "none", "none")},
        summaries={(ORACLE, layer, "Rows"): Rows.from_array(values) for layer, values in layers.items()},
        labels=labels,
    )


def values(
    metrics: Sequence[str],
    real: Collected,
    fake: Collected,
    held_out: Collected | None = None,
    *,
    seed: int = 0,
    null: bool = False,
) -> dict[str, Found]:
    """Metric -> what it found; a metric that cannot be measured on these sides has the value None."""
    modes = 1 if real.labels is None else None  # no classes: a table of one cluster costs nothing, and nobody reads it
    plan = Plan.of(metrics, "pixels", seed=seed, ci_level=0, null=null, modes=modes)
    tolerant = replace(plan, requests=tuple(replace(request, explicit=False) for request in plan.requests))
    found: dict[str, Found] = dict.fromkeys((request.name for request in plan.requests), (None, None))
    try:
        report = measure(tolerant, real, fake, {}, held_out)
    except DivmetricsError:  # not one of them can be measured
        return found
    for key, result in report.metrics.items():
        found[key.rpartition("@")[0]] = (result.value, result.null.p if result.null else None)
    if report.verdict is not None:
        collapsed = report.verdict.state == "collapsed"
        found[VERDICT] = (float(collapsed), 0.0 if collapsed else 1.0)
    return found


def names(wanted: str | Sequence[str]) -> tuple[str, ...]:
    """The metrics that `wanted`, names and presets, stands for. Raises UsageError on one that does not exist."""
    plan = Plan.of(wanted, "pixels")
    for request in plan.requests:
        if request.explicit and any(request.options[n] != o.default for n, o in request.metric.options.items()):
            raise UsageError(f"validate judges metrics at their defaults; write {request.metric.name} without options.")
    return tuple(dict.fromkeys(request.metric.name for request in plan.requests))
