"""Time, CPU time and memory of `divmetrics score -m default` on large sets of features, step by step.

    python benchmarks/large.py                     50,000 x 512 features a side
    python benchmarks/large.py --n 12500           a sixteenth of the pairs

Goal: at most 4 minutes on two idle cores and 2 GB, libraries and features included. Most steps are linear in n;
distances, neighbour lists and `clipped_density` are quadratic. The verdict looks at 5,000 samples of a side at most.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np
from rich.console import Console
from rich.table import Table

Step = Callable[[str], None]
Mark = tuple[str, float, float, float]
"""A step, the clock and the CPU clock at its beginning, and the most memory in GB in the step before."""


def mark(step: str) -> Mark:
    """The beginning of a step; where the system can forget its peak of memory, it does."""
    status, forget = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if status.exists() and os.access(forget, os.W_OK):
        peak = 1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1])
        forget.write_text("5")
    return step, perf_counter(), process_time(), peak / 1e9


def make(path: str, n: int, d: int, seed: int) -> None:
    """Features of 50 clusters whose spread falls from column to column."""
    rng, shared = np.random.default_rng(seed), np.random.default_rng(0)
    centres = shared.normal(size=(50, d)).astype(np.float32)
    mix = (shared.normal(size=(d, d)) / d**0.5 * np.linspace(1, 0.05, d)).astype(np.float32)
    noise = rng.normal(size=(n, d)).astype(np.float32) @ mix * 2
    np.save(path, centres[rng.integers(0, 50, n)] + noise)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=50_000, help="samples of each side")
    parser.add_argument("--d", type=int, default=512, help="columns")
    parser.add_argument("--metrics", default="default")
    given = parser.parse_args()
    import divmetrics as dm
    from divmetrics.scoring import meter

    steps: list[Mark] = []

    @contextmanager
    def shown_steps(**_: object) -> Iterator[Step]:
        yield lambda text: steps.append(mark(text))

    meter.shown_steps = shown_steps  # type: ignore[assignment]
    with TemporaryDirectory() as folder:
        for seed, side in enumerate(("real", "fake"), 1):
            make(f"{folder}/{side}.npy", given.n, given.d, seed)
        steps.append(mark("reading"))
        dm.score(f"{folder}/real.npy", f"{folder}/fake.npy", metrics=given.metrics)
        steps.append(mark(""))
    title = f"{given.n:,} x {given.d} features a side, {given.metrics}"
    table = Table("step", "seconds", "CPU seconds", "peak GB", title=title)
    for (text, wall, cpu, _), (_, next_wall, next_cpu, peak) in pairwise(steps):
        table.add_row(text, f"{next_wall - wall:.1f}", f"{next_cpu - cpu:.1f}", f"{peak:.2f}")
    whole = [f"{after - before:.1f}" for before, after in zip(steps[0][1:3], steps[-1][1:3], strict=True)]
    table.add_row("all", *whole, f"{max(peak for *_, peak in steps[1:]):.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
