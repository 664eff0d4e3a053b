"""False alarms and power of the verdict, on fresh samples of known distributions.

    python benchmarks/verdict.py alarms --runs 500
    python benchmarks/verdict.py power --runs 100

Every run is seeded by its number and is one line in a scratch file, so that a run that was stopped goes on. The tables
are computed from all lines and written to `results/verdict.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import RESULTS, commit
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import beta

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict import Question, verdict_of
from divmetrics.zoo.targets import target

Rng = np.random.Generator
SIZES = ((100, 100), (200, 200), (500, 500), (1000, 1000), (2000, 2000), (500, 150), (300, 1200))
"""Real and fake samples of the healthy runs, in turn."""


@cache
def digit_features() -> tuple[np.ndarray, np.ndarray]:
    """Features of the default extractor of all digits `[1797, 1280]`, and their classes."""
    from sklearn.datasets import load_digits

    import divmetrics as dm

    digits = load_digits()
    images = np.repeat((digits.images * 15.9).astype(np.uint8)[..., None], 3, 3)
    with tempfile.TemporaryDirectory() as folder:
        dm.extract(images, f"{folder}/digits.dms")
        rows = dm.Collected.load(f"{folder}/digits.dms").get("efficientnet-lite0", "pooled", Rows)
    return rows.features.numpy(), digits.target


def two_sets_of_digits(rng: Rng, n: int, m: int, keep: Callable[[np.ndarray, Rng], np.ndarray]) -> tuple[Any, Any]:
    """Disjoint sets of digits' features; `keep` chooses the fake ones: classes -> places."""
    features, classes = digit_features()
    order = rng.permutation(len(classes))
    real, rest = order[:n], order[n:]
    return features[real], features[rest[keep(classes[rest], rng)[:m]]]


def every(classes: np.ndarray, rng: Rng) -> np.ndarray:
    return rng.permutation(len(classes))


def without_eights(classes: np.ndarray, rng: Rng) -> np.ndarray:
    return rng.permutation(np.flatnonzero(classes != 8))


def five_halved(classes: np.ndarray, rng: Rng) -> np.ndarray:
    """Classes 0 to 4 have a third of the share of the others, so that half their own share is left."""
    kept = (classes > 4) | (rng.random(len(classes)) < 1 / 3)
    return rng.permutation(np.flatnonzero(kept))


def near_copies(rng: Rng, rows: np.ndarray, share: float) -> np.ndarray:
    count = round(share * len(rows))
    sources = rows[rng.integers(count, len(rows), count)]
    return np.concatenate([sources + 1e-3 * rows.std() * rng.normal(size=sources.shape), rows[count:]])


def of_target(name: str, rng: Rng, n: int) -> np.ndarray:
    return target(name).sample(n, rng)[0]


def heavy(rng: Rng, n: int, d: int) -> np.ndarray:
    return rng.normal(size=(n, d)) / np.sqrt(rng.chisquare(4, size=(n, 1)) / 4)


HEALTHY: Mapping[str, Callable[[Rng, int, int], tuple[Any, Any]]] = {
    **{
        name: lambda rng, n, m, name=name: (of_target(name, rng, n), of_target(name, rng, m))  # type: ignore[misc]
        for name in ("grid-25", "ring-8", "modes-64d", "two-modes")
    },
    "digits, features": lambda rng, n, m: two_sets_of_digits(rng, min(n, 890), min(m, 890), every),
    **{
        f"heavy tails, d={d}": lambda rng, n, m, d=d: (heavy(rng, n, d), heavy(rng, m, d))  # type: ignore[misc]
        for d in (2, 32, 512)
    },
}


def shrunken_digits(rng: Rng) -> tuple[Any, Any]:
    """Digits whose fake samples lie .7 times as far from the mean of their class."""
    features, classes = digit_features()
    order = rng.permutation(len(classes))
    real, fake = order[:800], order[800:1600]
    centres = np.stack([features[classes == c].mean(0) for c in range(10)])[classes[fake]]
    return features[real], centres + 0.7 * (features[fake] - centres)


def dropped_mode(rng: Rng) -> tuple[Any, Any]:
    name = "grid-25"
    fake, modes = target(name).sample(3000, rng)
    return of_target(name, rng, 2500), fake[modes != 12][:2500]


def repeated_digits(rng: Rng) -> tuple[Any, Any]:
    real, fake = two_sets_of_digits(rng, 800, 800, every)
    return near_copies(rng, real, 0.03), near_copies(rng, fake, 0.3)


def memorised(rng: Rng) -> tuple[Any, Any, Any]:
    """Half of the fake samples are near-copies of training data."""
    train, held_out, fresh = (of_target("modes-64d", rng, 800) for _ in range(3))
    fake = np.concatenate([train[:400] + 1e-3 * rng.normal(size=train[:400].shape), fresh[:400]])
    return train, fake, held_out


FAULTS: Mapping[str, tuple[Callable[[Rng], tuple[Any, ...]], str, tuple[str, ...]]] = {
    "one mode of grid-25 dropped, n=2500": (dropped_mode, "collapsed", ("dropped_modes",)),
    "one class of ten missing, digits, n=800": (
        lambda rng: two_sets_of_digits(rng, 800, 800, without_eights),
        "collapsed",
        ("dropped_modes", "thinned_modes"),
    ),
    "five of ten classes halved, digits, n=800": (
        lambda rng: two_sets_of_digits(rng, 800, 800, five_halved),
        "collapsed",
        ("thinned_modes", "dropped_modes"),
    ),
    "spread x .7, digits, n=800": (shrunken_digits, "collapsed", ("shrunken_modes",)),
    "30 % near-duplicates, 3 % among the real": (repeated_digits, "collapsed", ("near_duplicates", "few_atoms")),
    "half memorised, held-out reals, n=800": (memorised, "collapsed", ("copies",)),
    "exact sampler of grid-25, n=2000": (
        lambda rng: (of_target("grid-25", rng, 2000), of_target("grid-25", rng, 2000)),
        "healthy",
        (),
    ),
    "exact sampler of modes-64d, n=2000": (
        lambda rng: (of_target("modes-64d", rng, 2000), of_target("modes-64d", rng, 2000)),
        "healthy",
        (),
    ),
}
"""Case -> samples, the state that is right, and the kinds of which one should come first."""


def judge(what: str, case: str, number: int) -> dict[str, Any]:
    """The verdict of one run."""
    torch.set_num_threads(1)
    rng = np.random.default_rng([number, sum(case.encode())])
    if what == "alarms":
        sides: tuple[Any, ...] = HEALTHY[case](rng, *SIZES[number // len(HEALTHY) % len(SIZES)])
    else:
        sides = FAULTS[case][0](rng)
    real, fake, *held_out = (Rows.from_array(np.asarray(side, np.float32)) for side in sides)
    verdict = verdict_of(real, fake, Question(seed=number), held_out=held_out[0] if held_out else None)
    kinds = [finding.kind for finding in verdict.findings]
    return {"what": what, "case": case, "run": number, "n": real.n, "m": fake.n, "state": verdict.state, "kinds": kinds}


def cases(what: str, runs: int) -> list[tuple[str, int]]:
    """Case and number of each run; the healthy runs go through the distributions in turn."""
    if what == "alarms":
        return [([*HEALTHY][number % len(HEALTHY)], number) for number in range(runs)]
    return [(case, number) for case in FAULTS for number in range(runs)]


def interval(hits: int, runs: int) -> str:
    """Clopper-Pearson interval of 95 % of a share."""
    low = beta.ppf(0.025, hits, runs - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, runs - hits) if hits < runs else 1.0
    return f"{hits}/{runs} [{low:.3f}, {high:.3f}]"


def show(what: str, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print the table and return its rows."""
    rows: list[dict[str, Any]] = []
    table = Table("case", "collapsed", "healthy", "findings" if what == "alarms" else "right kind first")
    named = HEALTHY if what == "alarms" else FAULTS
    for case in (*named, "all") if what == "alarms" else named:
        of_case = [line for line in lines if case in (line["case"], "all")]
        states = Counter(line["state"] for line in of_case)
        if what == "alarms":
            named_ones = Counter(kind for line in of_case for kind in line["kinds"])
            third: Any = dict(named_ones)
        else:
            right = FAULTS[case][2]
            third = sum(bool(line["kinds"]) and line["kinds"][0] in right for line in of_case) if right else None
        row = {"what": what, "case": case, "runs": len(of_case), "states": dict(states), "kinds": third}
        rows.append(row)
        runs = len(of_case)
        if runs:
            table.add_row(case, interval(states["collapsed"], runs), interval(states["healthy"], runs), str(third))
    Console().print(table)
    return rows


def main() -> None:
    """Run what is missing, print the table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("alarms", "power"))
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    scratch = Path(tempfile.gettempdir()) / f"divmetrics-verdict-{given.what}-{commit()}.jsonl"
    lines = [json.loads(line) for line in scratch.read_text().splitlines()] if scratch.exists() else []
    done = {(line["case"], line["run"]) for line in lines}
    todo = [one for one in cases(given.what, given.runs) if one not in done]
    digit_features()  # before the processes are forked
    with ProcessPoolExecutor(given.workers) as pool, scratch.open("a") as file:
        found = pool.map(judge, *zip(*[(given.what, *one) for one in todo], strict=True)) if todo else iter(())
        for line in track(found, total=len(todo)):
            file.write(json.dumps(line) + "\n")
            file.flush()
            lines.append(line)
    rows = show(given.what, lines)
    path = RESULTS / "verdict.jsonl"
    kept = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    kept = [row for row in kept if row["what"] != given.what]
    path.write_text("".join(json.dumps({**row, "commit": row.get("commit", commit())}) + "\n" for row in kept + rows))


if __name__ == "__main__":
    main()
