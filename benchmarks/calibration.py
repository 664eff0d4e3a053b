"""Coverage of confidence intervals and false-alarm rate of p-values, on many fresh samples of known distributions.

    python benchmarks/calibration.py intervals --draws 200 --n 500,2000
    python benchmarks/calibration.py intervals --metrics kid,vendi --worlds unequal,heavy --n 120 --d 16
    python benchmarks/calibration.py nulls --draws 500

Every draw is one line in a scratch file of this commit, so a run that was stopped goes on. The rows take the place of
those of the same cases in `results/intervals.jsonl` and `results/nulls.jsonl`, and of all rows of the same metrics by
another method; `--forget` also drops their rows of other cases, for an interval that changed under the same name.
Draws are seeded by their number.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import RESULTS, commit
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import stats

from divmetrics.arrays.summaries import Rows
from divmetrics.records.null_band import NullBand
from divmetrics.records.results import Side
from divmetrics.scoring.collected import Collected, EncoderInfo
from divmetrics.scoring.measure import measure
from divmetrics.scoring.plan import Plan

MODES = 5
WORLDS = ("shift", "dropped", "shrunken", "unequal", "heavy", "flat")
"""What the fakes are like, or both sides: modes of unequal weights, heavy tails, rows near a space of three axes."""
SHARES = {"real": (0.5, 0.2, 0.15, 0.1, 0.05), "fake": (0.7, 0.2, 0.07, 0.02, 0.01)}
"""Weights of the modes in the world `unequal`, where the fakes have too few of the rare ones."""
ALIKE = "alike"
GIVEN_TRAINING_SET = ("c_t",)
"""Metrics whose interval is for the training set at hand: their real samples are the same in each `DRAWS_OF_A_SET`
draws, and the truth is the mean over these."""
DRAWS_OF_A_SET = 50
TAILS = (0.01, 0.05)
Case = tuple[str, int, int]
"""World, d, n."""


def centres(d: int) -> np.ndarray:
    """Centres of the modes `[MODES, d]`, 6 standard deviations from the origin: modes touch but do not merge."""
    drawn = np.random.default_rng(0).normal(size=(MODES, d))
    return 6 * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def draw(world: str, side: str, n: int, d: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features `[n, d]` and modes `[n]`: the real samples are a mixture, the fakes differ from it as `world` says."""
    middle = centres(d)
    fake = side == "fake"
    modes = rng.integers(0, MODES - (fake and world == "dropped"), n)
    rows = rng.normal(size=(n, d))
    if world == "unequal":
        modes = rng.choice(MODES, n, p=SHARES["fake" if fake else "real"])
    if world == "heavy":  # Student's t of 5 degrees of freedom: third moments of squares do not exist
        rows /= np.sqrt(rng.chisquare(5, (n, 1)) / 5)
    if world == "flat":  # rows on three axes, with a thousandth of the variance off them
        rows[:, 3:] *= 0.03
        middle = 6 * np.eye(MODES, d) * (np.arange(d) < 3) if d > MODES else middle
    if fake and world == "shrunken":
        rows[modes == 0] *= 0.3
    if fake and world in ("shift", "heavy", "flat"):
        rows += 1 / np.sqrt(d)
    return (middle[modes] + rows).astype(np.float32), modes


def collected(world: str, side: str, n: int, d: int, rng: np.random.Generator) -> Collected:
    """One side with features, logits of the ideal classifier, and labels."""
    rows, modes = draw(world, side, n, d, rng)
    logits = -0.5 * ((rows[:, None] - centres(d)) ** 2).sum(2)
    layers = {"pooled": rows, "logits": logits.astype(np.float32), "pixels": 0.5 + rows / 40}  # for psnr
    names = [f"mode {mode}" for mode in modes]
    return Collected(
        side=Side(side, n, None, {name: names.count(name) for name in sorted(set(names))}),
        encoders={"oracle": EncoderInfo("", "none", "none")},
        summaries={("oracle", layer, "Rows"): Rows.from_array(values) for layer, values in layers.items()},
        labels=tuple(names),
    )


def one(job: tuple[str, str, int, int, int, str]) -> dict[str, Any]:
    """One draw of the sample sets: metric -> value, interval, p-value and null band."""
    what, world, d, n, number, metrics = job
    torch.set_num_threads(1)
    rng = np.random.default_rng([number, n, d, (*WORLDS, ALIKE).index(world)])
    real, fake, held_out = (collected(world, side, n, d, rng) for side in ("real", "fake", "held_out"))
    wanted = {"ci_level": 0.95, "null": False} if what == "intervals" else {"ci_level": 0, "null": True}
    options = {"seed": number, "modes": MODES, **wanted}
    results = measure(Plan.of(metrics, "pixels", **options), real, fake, {}, held_out).metrics
    number_of_set = number // DRAWS_OF_A_SET
    if what == "intervals" and (given := [r.metric for r in results.values() if r.metric in GIVEN_TRAINING_SET]):
        training = collected(world, "real", n, d, np.random.default_rng([number_of_set, n, d, len(world)]))
        plan = Plan.of(",".join(given), "pixels", **options | {"seed": number_of_set})
        results = {**results, **measure(plan, training, fake, {}, held_out).metrics}
    found = {
        result.metric: {
            "value": result.value,
            "ci": result.ci,
            "method": result.ci_method if result.ci else result.null and _band(result.null)[1],
            "null": result.null and [*_band(result.null)[0], result.null.p],
            "debiased": result.extras.get("debiased"),
            "set": number_of_set if result.metric in GIVEN_TRAINING_SET else 0,
        }
        for result in results.values()
        if result.value is not None
    }
    return {"world": world, "d": d, "n": n, "draw": number, "metrics": found}


def _band(null: NullBand) -> tuple[list[float | None], str | None]:
    """Ends of the null distribution that the p-value comes from, and how it was found."""
    if null.permutations is None:
        return [null.low, null.high], null.method
    return [null.permutations.low, null.permutations.high], "permutation"


def run(what: str, cases: Sequence[Case], draws: int, metrics: str, jobs: int) -> list[dict[str, Any]]:
    """All draws of all cases, including those of earlier runs of this commit."""
    state, digest = commit(), hashlib.sha256(metrics.encode()).hexdigest()[:8]
    own = Path(tempfile.gettempdir()) / f"divmetrics-{what}-{state}-{digest}.jsonl"
    if state.endswith("-dirty"):
        own.unlink(missing_ok=True)  # who knows what it was measured with
    done = {(line["world"], line["d"], line["n"], line["draw"]) for line in _lines(own)}
    todo = [(what, *case, number, metrics) for number in range(draws) for case in cases if (*case, number) not in done]
    with ProcessPoolExecutor(jobs) as pool, own.open("a") as file:
        for line in track(pool.map(one, todo), total=len(todo), description=what, console=Console(stderr=True)):
            file.write(json.dumps(line) + "\n")
            file.flush()
    return [line for line in _lines(own) if line["draw"] < draws and (line["world"], line["d"], line["n"]) in cases]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def by_metric(lines: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, int, int, list[dict[str, Any]]]]:
    """(metric, world, d, n, results of all draws), sorted; of a draw that was measured twice the later result."""
    groups: dict[tuple[str, str, int, int], dict[int, dict[str, Any]]] = defaultdict(dict)
    for line in lines:
        for name, found in line["metrics"].items():
            groups[name, line["world"], line["d"], line["n"]][line["draw"]] = found
    for key in sorted(groups):
        yield (*key, list(groups[key].values()))


def intervals(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each metric and case: how often the interval contains the mean over all draws, or lies above or below it.

    Where it is for the training set at hand, the mean over the draws with the same one.
    """
    table = []
    for metric, world, d, n, found in by_metric(lines):
        held = [one for one in found if one["ci"]]
        if len(held) < 2:
            continue
        truths = {s: np.mean([one["value"] for one in found if one["set"] == s]) for s in {one["set"] for one in found}}
        truth = np.array([truths[one["set"]] for one in held])
        ends = np.array([one["ci"] for one in held])
        covered = (ends[:, 0] <= truth) & (truth <= ends[:, 1])
        width = float(np.median(ends[:, 1] - ends[:, 0]))
        table.append(
            {"metric": metric, "world": world, "d": d, "n": n, "draws": len(held), "truth": float(truth.mean())}
            | {"covered": float(covered.mean()), "width": width, "method": held[0]["method"]}
            | {"above": float((ends[:, 0] > truth).mean()), "below": float((ends[:, 1] < truth).mean())}
            | {"sd": float(np.std([one["value"] - truths[one["set"]] for one in found], ddof=1))}
        )
    return table


def nulls(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each metric: how often p is at most 1 % and 5 %, and the value outside its null band of 95 %."""
    table = []
    for metric, world, d, n, found in by_metric(lines):
        held = [one for one in found if one["null"]]
        if not held:
            continue
        low, high, p = np.array([one["null"] for one in held], float).T  # None, an unbounded end, becomes NaN
        value = np.array([one["value"] for one in held])
        entry = {"metric": metric, "world": world, "d": d, "n": n, "draws": len(held), "method": held[0]["method"]}
        for tail in TAILS:
            hits = int((p <= tail).sum())
            least, most = (int(stats.binom.ppf(q, len(held), tail)) for q in (0.005, 0.995))
            entry |= {f"p<={tail}": hits / len(held), f"holds {tail}": least <= hits <= most}
        table.append(entry | {"outside": float(((value < low) | (value > high)).mean())})
    return table


def show(name: str, rows: Sequence[Mapping[str, Any]], forget: bool) -> None:
    """Print the table and put its rows into `benchmarks/results/NAME.jsonl`."""
    table = Table(*rows[0], title=name)
    for row in rows:
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row.values()))
    Console(width=160).print(table)
    file = RESULTS / f"{name}.jsonl"
    measured = [{"benchmark": name, "commit": commit(), **row} for row in rows]
    everything = [*kept(_lines(file), measured, forget), *measured]
    everything.sort(key=lambda row: (row["metric"], row["world"], row["d"], row["n"]))
    RESULTS.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in everything))


def kept(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], forget: bool = False
) -> list[Mapping[str, Any]]:
    """Rows of earlier runs that `new` ones leave true: of other metrics, and of other cases by the same method."""
    cases = {_case(row) for row in new}
    methods: dict[str, set[str]] = defaultdict(set)
    for row in new:
        methods[row["metric"]].add(row["method"])
    return [
        row
        for row in old
        if row["metric"] not in methods
        or (not forget and _case(row) not in cases and row["method"] in methods[row["metric"]])
    ]


def _case(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["metric"], row["world"], row["d"], row["n"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("intervals", "nulls"))
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--n", default="500")
    parser.add_argument("--d", default="16,64")
    parser.add_argument("--metrics", default="full")
    parser.add_argument("--worlds", default=",".join(WORLDS), help="of the intervals; nulls have one of their own")
    parser.add_argument("--forget", action="store_true", help="drop all older rows of these metrics")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    worlds = given.worlds.split(",") if given.what == "intervals" else [ALIKE]
    sizes, widths = ([int(one) for one in text.split(",")] for text in (given.n, given.d))
    lines = run(given.what, list(product(worlds, widths, sizes)), given.draws, given.metrics, given.jobs)
    show(given.what, {"intervals": intervals, "nulls": nulls}[given.what](lines), given.forget)


if __name__ == "__main__":
    main()
