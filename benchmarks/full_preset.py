"""Time and memory of the preset `full` on two sets of features: values alone, then with intervals and null bands.

    python benchmarks/full_preset.py --n 5000 --d 1280

Features are a mixture of 20 modes, with labels, 100 logits, held-out real samples and 32 x 32 pixels, so that every
metric of features, labels and logits is measured. The metrics are printed with their times, the slowest first.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import numpy as np
from harness import RESULTS, commit, machine, measured
from rich.console import Console
from rich.table import Table

from divmetrics.arrays.summaries import Rows
from divmetrics.inference import uncertainty
from divmetrics.records.results import Report, Side
from divmetrics.scoring.collected import Collected, EncoderInfo
from divmetrics.scoring.measure import measure
from divmetrics.scoring.plan import Plan

MODES, CLASSES = 20, 100


def collected(side: str, n: int, d: int, seed: int) -> Collected:
    """One side: features like those of a network (non-negative, a few strong directions), logits, labels, pixels."""
    rng, shared = np.random.default_rng(seed), np.random.default_rng(0)
    centres, spread = shared.normal(size=(MODES, d)), 0.2 + shared.exponential(size=d)
    modes = rng.integers(0, MODES, n)
    rows = np.maximum(centres[modes] + spread * rng.normal(size=(n, d)), 0).astype(np.float32)
    logits = (rows[:, :CLASSES] * 3).astype(np.float32)
    pixels = rng.random((n, 3 * 32 * 32), dtype=np.float32)
    names = [f"mode {mode}" for mode in modes]
    layers = {("net", "pooled"): rows, ("net", "logits"): logits, ("pixels?size=32", "pixels"): pixels}
    return Collected(
        side=Side(side, n, None, {name: names.count(name) for name in sorted(set(names))}),
        encoders={name: EncoderInfo("", "none", "none") for name in ("net", "pixels?size=32")},
        summaries={(*key, "Rows"): Rows.from_array(values) for key, values in layers.items()},
        labels=tuple(names),
    )


def run(sides: Sequence[Collected], metrics: str, **wanted: Any) -> tuple[Report, float, float | None]:
    real, fake, held_out = sides
    plan = Plan.of(metrics, "efficientnet-lite0", **wanted)
    report, seconds, memory = measured(lambda: measure(plan, real, fake, {}, held_out))
    return report, seconds, memory


def timed_uncertainties() -> dict[str, float]:
    """Metric -> seconds of its interval and null band, filled while they are computed."""
    spent: dict[str, float] = {}
    inner = uncertainty.uncertainty_of

    def timed(estimate: uncertainty.Estimate, *given: Any, **options: Any) -> Any:
        begin = perf_counter()
        found = inner(estimate, *given, **options)
        spent[estimate.metric.name] = perf_counter() - begin
        return found

    uncertainty.uncertainty_of = timed
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--d", type=int, default=1280)
    parser.add_argument("--metrics", default="full")
    given = parser.parse_args()
    sides = [collected(side, given.n, given.d, seed) for seed, side in enumerate(("real", "fake", "held_out"), 1)]
    bare, seconds, memory = run(sides, given.metrics, ci_level=0, null=False)
    seconds_of = timed_uncertainties()
    whole, seconds_whole, peak = run(sides, given.metrics)
    table = Table("metric", "value s", "uncertainty s", "interval", "null")
    for name in sorted(seconds_of, key=lambda name: -seconds_of[name] - bare[name].seconds):
        result = whole[name]
        null = "" if result.null is None else result.null.method
        table.add_row(name, f"{bare[name].seconds:.2f}", f"{seconds_of[name]:.2f}", result.ci_method, null)
    absent = [key for key, result in whole.metrics.items() if result.value is None]
    console = Console(width=140)
    console.print(table)
    console.print(
        f"values {seconds:.1f} s ({memory or 0:.0f} MB), with uncertainty {seconds_whole:.1f} s ({peak or 0:.0f} MB)"
    )
    console.print(f"without a value: {', '.join(absent) or 'none'}")
    RESULTS.mkdir(exist_ok=True)
    line = {"benchmark": "full_preset", "created": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit()}
    line |= {"machine": machine(["torch", "numpy", "scipy", "scikit-learn"]), **vars(given)}
    line |= {"values_s": round(seconds, 2), "with_chance_s": round(seconds_whole, 2), "peak_mb": peak}
    with (RESULTS / "full_preset.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
