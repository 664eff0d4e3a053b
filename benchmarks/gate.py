"""A gate made by `gate --init`: how often it is red for an unchanged generator, and for one that lost modes.

    python benchmarks/gate.py --runs 200

Each run draws real and generated samples anew, makes rules and a baseline from them, and gates two more sets of
generated samples: fresh ones, and fresh ones without a tenth of the modes (one of 8, one of 10, two of 25). It is one
line in a scratch file, so that a benchmark that was stopped goes on. The table is computed from all lines and written
to `results/gate.jsonl`.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import commit
from rich.console import Console
from rich.table import Table
from seeded_runs import all_runs, share, write_rows

from divmetrics.scoring.gate import gate
from divmetrics.scoring.gate_start import start_gate
from divmetrics.zoo.targets import target

CASES: Mapping[str, tuple[str, int, bool]] = {
    "grid-25, n=400": ("grid-25", 400, False),
    "ring-8, n=200": ("ring-8", 200, False),
    "modes-64d, n=250": ("modes-64d", 250, False),
    "digits with classes, n=300": ("digits", 300, True),
}
"""Name -> target, samples a side, whether both sides name their classes."""


def drawn(name: str, n: int, rng: np.random.Generator, lost: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Samples and their modes, without the share `lost` of the modes, at least one if any."""
    found = target(name)
    rows, modes = found.sample(n if lost == 0 else 2 * n, rng)
    rows, modes = np.asarray(rows), np.asarray(modes)
    if lost:
        present = np.unique(modes)
        gone = rng.choice(present, max(1, round(lost * len(present))), replace=False)
        kept = np.flatnonzero(~np.isin(modes, gone))[:n]
        rows, modes = rows[kept], modes[kept]
    return rows.reshape(len(rows), -1), modes


def saved(folder: Path, name: str, side: tuple[np.ndarray, np.ndarray], *, labelled: bool) -> str:
    """A file of features, with classes where they are known."""
    rows, modes = side
    path = folder / (f"{name}.npz" if labelled else f"{name}.npy")
    if labelled:
        np.savez(path, features=rows.astype(np.float32), labels=np.array([f"class {mode}" for mode in modes]))
    else:
        np.save(path, rows.astype(np.float32))
    return str(path)


def run(case: str, number: int) -> dict[str, Any]:
    """Whether the gate of one run is red for unchanged samples, and for those that lost modes, and by which rules."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    name, n, labelled = CASES[case]
    rng = np.random.default_rng([number, sum(case.encode())])
    line: dict[str, Any] = {"case": case, "run": number}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        real, fake, fresh = (
            saved(folder, side, drawn(name, n, rng), labelled=labelled) for side in ("real", "fake", "fresh")
        )
        lost = saved(folder, "lost", drawn(name, n, rng, lost=0.1), labelled=labelled)
        config = folder / "divmetrics.toml"
        start = start_gate(real, fake, str(config), {}, force=False)
        line["verdict"] = start.verdict
        for what, samples in (("unchanged", fresh), ("lost", lost)):
            judged = gate(real, samples, config=config)
            line[what] = {"red": not judged.passed, "rules": [o.name for o in judged.outcomes if o.status == "fail"]}
    return line


def show(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print the table and return its rows."""
    rows = []
    table = Table("case", "red, unchanged", "red, a tenth of the modes lost", "rules red when unchanged")
    for case in (*CASES, "all"):
        of_case = [line for line in lines if case in (line["case"], "all")]
        red = {what: sum(line[what]["red"] for line in of_case) for what in ("unchanged", "lost")}
        false = Counter(rule for line in of_case for rule in line["unchanged"]["rules"])
        caught = Counter(rule for line in of_case for rule in line["lost"]["rules"])
        table.add_row(case, share(red["unchanged"], len(of_case)), share(red["lost"], len(of_case)), str(false))
        rows.append({"case": case, "runs": len(of_case), **red, "false": dict(false), "caught": dict(caught)})
    Console(width=140).print(table)
    return rows


def main() -> None:
    """Run what is not yet in the scratch file, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="default: a file of this commit in the temporary folder")
    parser.add_argument("--no-save", action="store_true", help="print the table only")
    chosen = parser.parse_args()
    scratch = chosen.scratch or Path(tempfile.gettempdir()) / f"divmetrics-gate-{commit()}.jsonl"
    wanted = [([*CASES][number % len(CASES)], number) for number in range(chosen.runs)]
    rows = show(all_runs(run, wanted, scratch, chosen.processes))
    if not chosen.no_save:
        write_rows("gate", [{"commit": commit(), **row} for row in rows])


if __name__ == "__main__":
    main()
