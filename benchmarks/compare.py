"""False alarms and power of comparisons, on fresh samples of known distributions.

    python benchmarks/compare.py pairs --runs 200
    python benchmarks/compare.py power --runs 50
    python benchmarks/compare.py steps --runs 200
    python benchmarks/compare.py collapse --runs 50

`pairs`: one generator twice. `power`: beside it, one with a fault. `steps`: eight checkpoints of a run that does not
change. `collapse`: eight checkpoints, of which the last four lack modes. Every run is seeded by its number and is one
line in a scratch file, so that a run that was stopped goes on. The tables are written to `results/compare.jsonl`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import commit
from rich.console import Console
from rich.table import Table
from seeded_runs import all_runs, share, write_rows

import divmetrics as dm
from divmetrics.zoo.targets import target

METRICS = "default,modes_found,kid,vendi,density,coverage,duplicate_fraction"
OF_STEPS = "recall,sym_recall,effective_modes,modes_found,precision"
"""Metrics of checkpoints, of which four measure diversity."""
TARGETS = ("ring-8", "grid-25", "modes-64d", "two-modes")
SIZES = (100, 200, 400)
STEPS = 8
CHANGED = 5
"""First step at which the generator of `collapse` lacks modes."""
ALPHA = 0.01

FAULTS: Mapping[str, tuple[str, int, int, float]] = {
    "ring-8, one mode of 8 dropped, n=400": ("ring-8", 400, 1, 1.0),
    "ring-8, half of the modes dropped, n=100": ("ring-8", 100, 4, 1.0),
    "grid-25, 5 modes of 25 dropped, n=400": ("grid-25", 400, 5, 1.0),
    "modes-64d, spread x .7, n=400": ("modes-64d", 400, 0, 0.7),
}
"""Case -> target, samples, modes that are dropped, factor of the spread within modes."""


def collected(name: str, n: int, rng: np.random.Generator, dropped: int = 0, spread: float = 1.0) -> dm.Collected:
    """Samples with their modes as labels."""
    rows, modes = target(name).sample(6 * n, rng)
    kept = np.flatnonzero(modes >= dropped)[:n]
    rows, modes = rows[kept], modes[kept]
    for mode in np.unique(modes):
        centre = rows[modes == mode].mean(0)
        rows[modes == mode] = centre + spread * (rows[modes == mode] - centre)
    meter = dm.Meter(METRICS)
    meter.add("fake", np.asarray(rows, np.float32), labels=[f"mode {mode}" for mode in modes])
    return meter.collected("fake")


def judge(what: str, case: str, number: int) -> dict[str, Any]:
    """One run."""
    torch.set_num_threads(1)
    rng = np.random.default_rng([number, sum(what.encode()), sum(case.encode())])
    asked: dict[str, Any] = {"metrics": METRICS, "null": False, "alpha": ALPHA, "seed": number}
    if what in ("steps", "collapse"):
        n = 200 if what == "steps" else 400
        lost = [0 if what == "steps" or step < CHANGED else 2 for step in range(1, STEPS + 1)]
        asked["metrics"] = OF_STEPS
        run = {step: collected(case, n, rng, dropped) for step, dropped in enumerate(lost, 1)}
        found = dm.compare(collected(case, n, rng), run, **asked)
        collapse = found.collapse
        said = {"step": collapse and collapse.step, "metric": collapse and collapse.key, "dips": len(found.falls)}
        return {"what": what, "case": case, "run": number, **said}
    name, n, dropped, spread = FAULTS[case] if what == "power" else (case, SIZES[number % len(SIZES)], 0, 1.0)
    real, a, b = collected(name, n, rng), collected(name, n, rng), collected(name, n, rng, dropped, spread)
    found = dm.compare(real, {"a": a, "b": b}, **asked)
    tests = {}
    for ranking in found.ranking:
        if (difference := ranking.difference("a", "b")) is not None:
            worse = (difference.value > 0) == (ranking.better == "higher")
            tests[ranking.metric] = [difference.p, difference.told_apart, worse]
    return {"what": what, "case": case, "run": number, "n": n, "tests": tests}


def cases(what: str, runs: int) -> list[tuple[str, int]]:
    """Case and number of each run."""
    if what == "power":
        return [(case, number) for number in range(runs) for case in FAULTS]
    if what == "collapse":
        return [("ring-8", number) for number in range(runs)]
    return [(TARGETS[number % len(TARGETS)], number) for number in range(runs)]


def rows_of(what: str, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the table, a dict each."""
    runs = len(lines)
    if what == "pairs":
        rows = []
        for metric in dict.fromkeys(name for line in lines for name in line["tests"]):
            tests = [line["tests"][metric] for line in lines if metric in line["tests"]]
            shares = {f"p <= {level}": sum(p <= level for p, *_ in tests) for level in (0.05, 0.01)}
            rows.append({"metric": metric, "runs": len(tests), **shares, "told apart": sum(t[1] for t in tests)})
        some = sum(any(apart for _, apart, _ in line["tests"].values()) for line in lines)
        return [*rows, {"metric": "any of them", "runs": runs, "told apart": some}]
    if what == "power":
        rows = []
        for case in FAULTS:
            own = [line["tests"] for line in lines if line["case"] == case]
            below = {
                m: sum(t[m][1] and t[m][2] for t in own if m in t) for m in dict.fromkeys(m for t in own for m in t)
            }
            above = sum(any(apart and not worse for _, apart, worse in t.values()) for t in own)
            best = sorted(below, key=lambda metric: -below[metric])[:4]
            some = sum(any(apart and worse for _, apart, worse in t.values()) for t in own)
            named = {metric: below[metric] for metric in best}
            rows.append({"case": case, "runs": len(own), "ranks below": some, "by": named, "ranks above in one": above})
        return rows
    told = [line["step"] for line in lines]
    if what == "steps":
        rows = []
        for case in (*TARGETS, "all"):
            own = [line for line in lines if case in (line["case"], "all")]
            hits = sum(line["step"] is not None for line in own)
            rows.append(
                {"case": case, "runs": len(own), "collapse": hits, "falls": sum(line["dips"] > 0 for line in own)}
            )
        return rows
    right, late = sum(step == CHANGED for step in told), sum(step is not None and step > CHANGED for step in told)
    early = sum(step is not None and step < CHANGED for step in told)
    return [
        {
            "case": "ring-8, 2 of 8 modes lost from step 5",
            "runs": runs,
            "step 5": right,
            "later": late,
            "earlier": early,
        }
    ]


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rows, counts with their intervals."""
    table = Table(*dict.fromkeys(name for row in rows for name in row))
    for row in rows:
        table.add_row(
            *(
                share(row[name], row["runs"])
                if isinstance(row.get(name), int) and name != "runs"
                else str(row.get(name, ""))
                for name in dict.fromkeys(name for row in rows for name in row)
            )
        )
    Console(width=140).print(table)


def main() -> None:
    """Run what is missing, print the table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pairs", "power", "steps", "collapse"))
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    scratch = Path(tempfile.gettempdir()) / f"divmetrics-compare-{given.what}-{commit()}.jsonl"
    lines = all_runs(partial(judge, given.what), cases(given.what, given.runs), scratch, given.workers)
    rows = [{"what": given.what, **row, "commit": commit()} for row in rows_of(given.what, lines)]
    show([{name: value for name, value in row.items() if name not in ("what", "commit")} for row in rows])
    write_rows("compare", rows)


if __name__ == "__main__":
    main()
