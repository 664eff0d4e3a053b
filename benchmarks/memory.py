"""Peak memory of one score while 60,000 x 768 features pass: without the cache, with an empty and with a full one.

    python benchmarks/memory.py                 about a minute on two cores
    python benchmarks/memory.py --n 2000        to see that everything runs

Each measurement is a process of its own: `fid` with `ci_level=0` on images of 16 x 16, whose grey levels are the 768
features. The figure is the highest resident memory less what was resident before the call, the images and the imported
libraries; of the summaries only means and covariances, `[768, 768]`, have to be kept. Features alone, n x 768 float32,
would take 176 MiB at n = 60,000.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from harness import measured
from rich.console import Console
from rich.table import Table

CASES = ("off", "cold", "warm")
"""Without the cache; with an empty one; with that of the run before."""


def measure(real: Path, fake: Path, cache: Path | None) -> dict[str, float]:
    """One score in this process: MiB on top of what was resident, seconds, the value."""
    import divmetrics as dm

    sides = [np.load(path) for path in (real, fake)]
    dm.score(sides[1][:100], sides[1][100:200], metrics="fid", extractor="pixels", ci_level=0, null=False, cache=False)
    begin = perf_counter()
    report, _, grown = measured(
        lambda: dm.score(
            *sides, metrics="fid", extractor="pixels", ci_level=0, null=False, device="cpu", cache=cache or False
        )
    )
    value = report.metrics["fid@pixels"].value
    return {"mib": -1 if grown is None else grown, "seconds": perf_counter() - begin, "fid": value}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=60_000, help="images on the real side; the fake side has 2,000")
    parser.add_argument("--measure", nargs=3, metavar=("REAL", "FAKE", "CACHE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        real, fake, cache = given.measure
        sys.stdout.write(json.dumps(measure(Path(real), Path(fake), Path(cache) if cache else None)))
        return
    table = Table("cache", "MiB", "seconds", "fid", title=f"{given.n:,} x 768 features")
    with TemporaryDirectory() as name:
        paths, rng = [Path(name) / "real.npy", Path(name) / "fake.npy"], np.random.default_rng(0)
        for path, n in zip(paths, (given.n, 2000), strict=True):
            np.save(path, rng.integers(0, 256, (n, 16, 16, 3), dtype=np.uint8))
        for case in CASES:
            command = [sys.executable, __file__, "--measure", *paths, "" if case == "off" else Path(name) / "cache"]
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)  # noqa: S603
            found = json.loads(done.stdout)
            table.add_row(case, f"{found['mib']:.0f}", f"{found['seconds']:.1f}", f"{found['fid']:.6f}")
    Console().print(table)


if __name__ == "__main__":
    main()
