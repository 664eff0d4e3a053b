"""Measure many metrics on two or three sample sets given as arrays: metric -> value and p-value."""

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
"""Extractor name of the results: the samples themselves are the features, the target gives the classes."""
VERDICT = "verdict"
"""Name under which the report's verdict stands among the metrics: value 1 and p 0 where it is `collapsed`."""
OUTSIDE = "outside"
"""Class of fakes that are too far from every mode."""


Measurement = tuple[float | None, float | None]
"""Value and p-value of one metric; None where it cannot be measured, or where no p-value was asked for."""


def sample_set(
    name: str,
    rows: np.ndarray,
    target: Target | None = None,
    features: np.ndarray | None = None,
    *,
    strict: bool = False,
) -> Collected:
    """One sample set as `measure` takes it: features, and where the target is known logits, classes and pixels.

    Args:
        name: `real`, `fake` or `held_out`.
        rows: Samples `[n, d]`.
        target: The distribution whose modes are the classes.
        features: Features `[n, d]` in place of `rows`, where metrics are to see them scaled.
        strict: Whether samples too far from every mode are of the class OUTSIDE, as fakes should be; else they belong
            to the nearest mode, whose tail they may be.
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


def measure_all(
    metrics: Sequence[str],
    real: Collected,
    fake: Collected,
    held_out: Collected | None = None,
    *,
    seed: int = 0,
    null: bool = False,
) -> dict[str, Measurement]:
    """Metric -> value and p-value, both None for a metric that cannot be measured on these sample sets.

    Args:
        metrics: Names and presets.
        real: Real samples.
        fake: Fakes.
        held_out: Real samples that the generator was not trained on.
        seed: Seed of metrics and permutations.
        null: Whether p-values are wanted.
    """
    modes = 1 if real.labels is None else None  # the mode table is not read: one cluster costs least
    plan = Plan.of(metrics, "pixels", seed=seed, ci_level=0, null=null, modes=modes)
    tolerant = replace(plan, requests=tuple(replace(request, explicit=False) for request in plan.requests))
    found: dict[str, Measurement] = dict.fromkeys((request.name for request in plan.requests), (None, None))
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


def metric_names(wanted: str | Sequence[str]) -> tuple[str, ...]:
    """The names of all metrics in `wanted`, names and presets.

    Raises:
        UnknownName: A metric or preset does not exist.
        UsageError: A metric has options: metrics are validated at their defaults.
    """
    plan = Plan.of(wanted, "pixels")
    for request in plan.requests:
        if request.explicit and any(request.options[n] != o.default for n, o in request.metric.options.items()):
            raise UsageError(
                f"validate measures metrics at their defaults; write {request.metric.name} without options."
            )
    return tuple(dict.fromkeys(request.metric.name for request in plan.requests))
