"""Faults of the machine: errors of the disk at any moment, kills, streams that are closed, ranks that refuse, threads.

    python tests/fuzz/faults.py                     all kinds
    python tests/fuzz/faults.py --kind disk --tries 40 --seed 7

Prints a line for each fault and for each test that was skipped, which is no try, and a table of the counts at the
end. `run.py --faults` does this after its own inputs.
"""

from __future__ import annotations

import argparse
import builtins
import errno
import io
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image
from targets import Ended, command

import divmetrics as dm
from divmetrics.errors import DivmetricsError

TESTS = Path(__file__).parent.parent
ERRORS = (errno.ENOSPC, errno.EIO, errno.ESTALE, errno.EACCES)
CALLS = ((builtins, "open"), (io, "open"), (os, "open"), (os, "replace"), (os, "scandir"), (os, "stat"), (os, "mkdir"))
"""What may fail: the calls through which Python reaches files."""


@dataclass
class Count:
    """Tries of one kind, and those that went wrong."""

    tries: int = 0
    faults: list[str] = field(default_factory=list)
    refused: int = 0
    """Tries that ended in an error, as they should."""
    skipped: list[str] = field(default_factory=list)
    """Tests that this machine cannot run, with the reasons; they are no tries."""


@contextmanager
def failing(folder: Path, number: int, place: int) -> Iterator[list[str]]:
    """The call `place` on a file below `folder` raises OSError `number`; yields the names of all calls up to there."""
    seen = list[str]()

    def wrapped(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def fails(path: Any, *given: Any, **options: Any) -> Any:
            if isinstance(path, (str, os.PathLike)) and str(path).startswith(str(folder)):
                seen.append(name)
                if len(seen) == place:
                    raise OSError(number, os.strerror(number), str(path))
            return call(path, *given, **options)

        return fails

    with ExitStack() as stack:
        for module, name in CALLS:
            stack.enter_context(mock.patch.object(module, name, wrapped(name, getattr(module, name))))
        yield seen


def _images(folder: Path, n: int, seed: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(n):
        Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(folder / f"{number}.png")


def _score(root: Path) -> Ended:
    """A run with a cache and outputs."""
    options = ("-m", "fid", "-e", "pixels?size=4", "--ci-level", "0", "--no-null", "--quiet", "--max-skipped", "0.2")
    return command(
        "score", root / "real", root / "fake", *options, "--cache", root / "cache", "--json", root / "o.json"
    )


def _found(root: Path) -> tuple[float, bool]:
    """The number in the report, and whether it lists samples that were skipped."""
    report = json.loads((root / "o.json").read_text())
    (result,) = report["metrics"].values()
    return result["value"], any(report[side]["skipped"] for side in ("real", "fake"))


def disk(tries: int, seed: int) -> Count:
    """One call on a file fails, at a random moment: the run ends in one sentence, or with the same number."""
    count = Count()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "sound"
        _images(root / "real", 8, 0)
        _images(root / "fake", 8, 1)
        with failing(root, 0, 0) as calls:
            assert _score(root).code == 0
        sound, _ = _found(root)
        for trial in range(tries):
            random = Random(f"disk {seed} {trial}")
            number, place = ERRORS[trial % len(ERRORS)], random.randrange(1, len(calls))
            if random.random() < 0.5:  # a new cache, or that of the runs before
                with suppress(FileNotFoundError):
                    (root / "cache").rename(root.parent / f"old-{trial}")
            with failing(root, number, place) as made:
                ended = _score(root)
            value, skipped = _found(root) if ended.code == 0 else (sound, False)
            count.tries += 1
            count.refused += ended.code != 0
            errors = [line for line in ended.err.splitlines() if line.startswith("error:")]
            wrong = {
                "bug": "this is a bug" in ended.err,
                "traceback": "Traceback" in ended.err,
                "code": ended.code not in (0, 2, 3) or (ended.code != 0 and len(errors) != 1),
                "silent": not skipped and value != sound,
            }
            if found := " ".join(name for name, is_wrong in wrong.items() if is_wrong):
                what = f"{errno.errorcode[number]} in call {place}, {made[-1]}"
                count.faults.append(
                    f"{found}: disk, seed {seed}, try {trial}: {what}: {ended.code} {ended.err[:300]!r}"
                )
    return count


def threads(tries: int, seed: int) -> Count:
    """Eight threads add to one meter, some batches are refused: the numbers are those of one thread."""
    count, rng = Count(), np.random.default_rng(seed)
    for trial in range(tries):
        batches = [(side, rng.normal(size=(9, 5))) for side in ("real", "fake") for _ in range(24)]
        bad = rng.choice(len(batches), 6, replace=False)
        one, many = (dm.Meter("fid", ci_level=0, null=False) for _ in range(2))
        for place, (side, rows) in enumerate(batches):
            if place in bad:
                rows[-1, 0] = np.nan
            else:
                one.add(side, rows)

        def add(batch: tuple[str, np.ndarray], meter: dm.Meter = many) -> bool:
            try:
                meter.add(batch[0], batch[1])
            except DivmetricsError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(add, batches))
        wanted, found = (meter.results() for meter in (one, many))
        count.tries += 1
        count.refused += len(batches) - sum(taken)
        sizes = [report.real.n == report.fake.n or report.real.n for report in (wanted, found)]
        same = abs(wanted["fid"].value - found["fid"].value) < 1e-9 * abs(wanted["fid"].value)
        if sum(taken) != len(batches) - 6 or sizes[0] != sizes[1] or not same:
            count.faults.append(f"threads, seed {seed}, try {trial}: {sum(taken)} batches, {found['fid'].value}")
    return count


def kills(tries: int, seed: int) -> Count:
    """Extractions killed at random points and resumed: the features are those of a run that nobody has killed."""
    with tempfile.TemporaryDirectory() as scratch:
        _images(Path(scratch) / "images", 300, 0)
        script = TESTS / "extraction" / "killed_runs.py"
        line = [sys.executable, str(script), "kill", f"{scratch}/images", f"{scratch}/work", str(tries)]
        (Path(scratch) / "work").mkdir()
        done = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603
    failed = [] if done.returncode == 0 else [f"kills: {done.stderr[-400:]}"]
    return Count(tries, failed)


def _tests(*paths: str) -> Count:
    """Tests of the suite, the long ones too."""
    with tempfile.TemporaryDirectory() as scratch:
        line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "slow or not slow"]
        line += [f"--junitxml={scratch}/found.xml", *(str(TESTS / path) for path in paths)]
        subprocess.run(line, capture_output=True, check=False)  # noqa: S603
        return _counted(ElementTree.parse(f"{scratch}/found.xml"))  # noqa: S314  written above


def _counted(found: ElementTree.ElementTree[ElementTree.Element]) -> Count:
    """The tests in a JUnit file: those that were run, that failed, and that were skipped."""
    tests = [(case.get("name", ""), {part.tag: part for part in case}) for case in found.iter("testcase")]
    failed = [name for name, parts in tests if parts.keys() & {"failure", "error"}]
    skipped = [f"{name}: {parts['skipped'].get('message')}" for name, parts in tests if "skipped" in parts]
    return Count(len(tests) - len(skipped), failed, skipped=skipped)


KINDS: dict[str, Callable[[int, int], Count]] = {
    "disk": disk,
    "kills": kills,
    "streams": lambda *_: _tests("cli/test_cli_streams.py"),
    "ranks": lambda *_: _tests("scoring/test_distributed.py"),
    "threads": threads,
}
TRIES = {"disk": 400, "kills": 20, "threads": 20}
"""How often what comes by chance is tried; the others are tests that are counted."""


def table(counts: dict[str, Count]) -> str:
    """The counts in Markdown."""
    lines = ["| fault | tries | refused | skipped | faults |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {c.tries} | {c.refused or ''} | {len(c.skipped) or ''} | {len(c.faults)} |"
        for name, c in counts.items()
    ]
    return "\n".join(lines)


def run(kinds: list[str] | None, tries: int | None, seed: int) -> int:
    """Try the kinds, print what was found; the number of faults."""
    counts = {}
    for name in kinds or KINDS:
        counts[name] = KINDS[name](tries or TRIES.get(name, 0), seed)
        told = [*counts[name].faults, *(f"skipped, not tried: {name}, {test}" for test in counts[name].skipped)]
        print(*told, sep="\n", end="\n" * bool(told), flush=True)  # noqa: T201
    print(table(counts))  # noqa: T201
    return sum(len(count.faults) for count in counts.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=KINDS, action="append", help="again for more; default all")
    parser.add_argument("--tries", type=int, help="of each kind that comes by chance")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sys.exit(1 if run(given.kind, given.tries, given.seed) else 0)
