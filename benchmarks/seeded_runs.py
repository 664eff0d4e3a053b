"""Benchmarks that count how often something happens in many seeded runs: the runs, the counts, the results file.

Every run is seeded by its number and is one line in a scratch file, so that a benchmark that was stopped goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from harness import RESULTS
from rich.progress import track

from divmetrics.arrays.share_intervals import clopper_pearson

Line = dict[str, Any]
"""What one run found, with its `case` and its number, `run`."""


def lines_of(path: Path) -> list[Line]:
    """The lines of a file of JSON lines; none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def all_runs(
    one: Callable[[str, int], Line], wanted: Sequence[tuple[str, int]], scratch: Path, jobs: int
) -> list[Line]:
    """The lines of all wanted runs, of which those are made that the scratch file does not hold.

    Args:
        one: Case and number of a run -> its line.
        wanted: Case and number of each run.
        scratch: File that keeps the lines.
        jobs: Processes.
    """
    done = {(line["case"], line["run"]) for line in lines_of(scratch)}
    missing = [pair for pair in wanted if pair not in done]
    if missing:
        with ProcessPoolExecutor(jobs) as pool, scratch.open("a") as file:
            for line in track(pool.map(one, *zip(*missing, strict=True)), total=len(missing)):
                file.write(json.dumps(line) + "\n")
                file.flush()
    asked = set(wanted)
    return [line for line in lines_of(scratch) if (line["case"], line["run"]) in asked]


def share(hits: int, runs: int) -> str:
    """A count of so many runs, with Clopper and Pearson's interval of 95 % of the share."""
    low, high = clopper_pearson(hits, runs)
    return f"{hits}/{runs} [{low:.3f}, {high:.3f}]"


def write_rows(name: str, rows: Sequence[Line]) -> None:
    """Put the rows of a table into `results/NAME.jsonl`, in place of those of the same kind, `what`."""
    path = RESULTS / f"{name}.jsonl"
    kinds = {row.get("what") for row in rows}
    kept = [row for row in lines_of(path) if row.get("what") not in kinds]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*kept, *rows]))
