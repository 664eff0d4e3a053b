"""Damaged inputs of every reader: nothing may hang, claim a bug, print a traceback, or change a number in silence.

    python tests/fuzz/run.py --inputs 750 --seed 1              all targets, that many inputs each
    python tests/fuzz/run.py --target tar --only 17 --keep DIR  one input again, kept in DIR
    python tests/fuzz/run.py --faults --inputs 640              those, and faults of the machine

Prints a line for each fault with what makes it again, and a line of JSON with the counts at the end.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import signal
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from random import Random
from time import monotonic
from types import FrameType

import faults
from targets import TARGETS, Ended, Target

LIMIT_S, LIMIT_BYTES, LONGEST = 5, 2 * 2**30, 300
"""What one input may take: seconds, bytes of memory, characters of an error."""


class Hung(BaseException):
    """The time is over; no handler of exceptions may swallow it."""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Hung


def faults_of(ended: Ended, target: Target, sound: Ended) -> list[str]:
    """What is wrong with how a try ended, in a word each."""
    lines = ended.err.splitlines()
    errors = [line for line in lines if line.startswith("error:")]
    faults = {
        "bug": "this is a bug" in ended.err,
        "traceback": "Traceback (most recent call last)" in ended.err,
        "code": ended.code not in (0, 1, 2, 3) or (ended.code >= 2 and len(errors) != 1),
        "lines": any(not line.startswith(("error:", "warning:")) for line in lines),
        "long": any(len(line) > LONGEST + len("error: ") for line in errors),
        "raw": bool(re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", ended.out + ended.err)),
    }
    if ended.code == 0 and target.guard == "number":
        faults["silent"] = ended.value != sound.value
    elif ended.code == 0 and target.guard == "count":
        faults["silent"] = ended.value < sound.value
    elif ended.code == 0 and target.guard == "told":
        faults["silent"] = ended.value < sound.value and "warning:" not in ended.err
    return [name for name, wrong in faults.items() if wrong]


def one(target: Target, folder: Path, files: list[Path], random: Random) -> Ended:
    """One try: a file of `folder` is damaged, and used within the time limit."""
    target.damage(random.choice(files), random)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        return target.run(folder)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def fuzz(name: str, inputs: range, seed: int, keep: Path | None) -> Counter[str]:
    """Try one target; returns how often each outcome was seen."""
    target, counts = TARGETS[name], Counter[str]()
    with tempfile.TemporaryDirectory() as scratch:
        sound_folder = Path(scratch) / "sound"
        sound_folder.mkdir()
        places = [path.relative_to(sound_folder) for path in target.make(sound_folder)]
        sound = target.run(sound_folder)
        assert sound.code in (0, 1), (name, sound)
        for number in inputs:
            folder = keep or Path(scratch) / "damaged"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(sound_folder, folder)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                ended = one(target, folder, [folder / place for place in places], Random(f"{name} {seed} {number}"))
            except Hung:
                faults, ended = ["hang"], Ended(-1, "", "")
            except BaseException as error:
                faults, ended = ["traceback"], Ended(-1, "", repr(error)[:300])
            else:
                faults = faults_of(ended, target, sound)
            if (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 > LIMIT_BYTES:
                faults.append("memory")
            counts.update(faults or [{0: "accepted", 1: "failed"}.get(ended.code, "refused")])
            if faults:
                again = f"--target {name} --only {number} --seed {seed}"
                print(f"{' '.join(faults)}: {again}: code {ended.code}, {ended.err[:400]!r}", flush=True)  # noqa: T201
    return counts


def main() -> int:
    """Run what the arguments ask for; 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--target", choices=TARGETS, action="append", help="what to damage; again for more; default all"
    )
    parser.add_argument("--inputs", type=int, default=750, help="damaged inputs of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of one input")
    parser.add_argument("--keep", type=Path, help="folder that keeps the last input")
    parser.add_argument("--faults", action="store_true", help="faults of the machine, too: see faults.py")
    given = parser.parse_args()
    signal.signal(signal.SIGALRM, _stop)
    warnings.simplefilter("ignore")
    inputs = range(given.inputs) if given.only is None else range(given.only, given.only + 1)
    begin, counts = monotonic(), {}
    for name in given.target or TARGETS:
        counts[name] = fuzz(name, inputs, given.seed, given.keep)
    bad = sum(n for outcomes in counts.values() for kind, n in outcomes.items() if kind not in GOOD)
    total = {
        "seed": given.seed,
        "inputs": len(inputs) * len(counts),
        "faults": bad,
        "seconds": round(monotonic() - begin),
    }
    if given.faults:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        warnings.resetwarnings()
        bad += faults.run(None, None, given.seed)
    print(json.dumps({**total, "targets": counts}))  # noqa: T201
    return 1 if bad else 0


GOOD = ("accepted", "failed", "refused")
"""Outcomes that are no faults."""

if __name__ == "__main__":
    sys.exit(main())
