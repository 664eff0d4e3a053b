"""Share of small faults in the code that the tests notice: a random sample of cosmic-ray's mutants.

    python benchmarks/mutation.py --number 200 divmetrics/arrays/pairs divmetrics/metrics divmetrics/inference

Each mutant is one change of one operator, number, comparison or condition. All tests would take days, so three things
are done: the mutants are a sample by `--seed`; the tests of a mutant are those that run its line (found once, by
coverage, and kept in `--work` as long as the code stays the same), the fast ones first, until `PATIENCE` seconds are
spent; and `--jobs` mutants run at once, each in a copy of the tree. So a mutant may survive here that all tests
together would kill: the share that is printed is a lower bound.

Needs the extra `mutation`. Results go to `benchmarks/results/mutation.json`; docs/mutation.md discusses the survivors.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Queue
from xml.etree import ElementTree

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from coverage import CoverageData
from rich.console import Console
from scipy.stats import beta

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results" / "mutation.json"
PATIENCE = 60.0
"""Seconds, as measured without a mutant, of the tests that a mutant is shown to."""
ABSURD = ("RemoveDecorator", "Variable", "_Not", "_Invert", "UAdd", "BitOr", "BitAnd", "BitXor", "Shift")
"""Parts of names of operators whose mutants rarely run at all, or change a type annotation."""
COPIED = ("divmetrics", "tests", "docs", "benchmarks", "pyproject.toml", "README.md", "CHANGELOG.md", ".mkdocs.yml")


@dataclass(frozen=True)
class Mutant:
    """One change in one place."""

    path: str
    line: int
    column: int
    operator: str
    occurrence: int

    def apply(self, code: str) -> str | None:
        """The changed code; None where the operator changes nothing."""
        return mutate_code(code, get_operator(self.operator)(), self.occurrence)


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant."""

    path: str
    line: int
    operator: str
    before: str
    after: str
    state: str
    """`killed`, `timeout` (killed too), `survived`, `unreached` (no test runs the line)."""
    tests: int
    by: str
    """The test that noticed."""


def mutants_of(path: str) -> Iterator[Mutant]:
    """All mutants of a file, in its order, those of annotations and of `assert` left out."""
    code = (ROOT / path).read_text(encoding="utf-8")
    tree, passed_over = get_ast(code), _idle_lines(code)
    for name in operator_names():
        if any(part in name for part in ABSURD) or get_operator(name).arguments():
            continue
        operator = get_operator(name)()
        places = [start for node in ast_nodes(tree) for start, _ in operator.mutation_positions(node)]
        for occurrence, (line, column) in enumerate(places):
            if (line, column) not in passed_over:
                yield Mutant(path, line, column, name, occurrence)


class _Idle(set[tuple[int, int]]):
    """Places in annotations and assertions, as ranges."""

    def __init__(self, ranges: Sequence[tuple[tuple[int, int], tuple[int, int]]]) -> None:
        self.ranges = ranges

    def __contains__(self, place: object) -> bool:
        return any(start <= place < end for start, end in self.ranges)  # type: ignore[operator]


def _idle_lines(code: str) -> _Idle:
    idle: list[ast.AST | None] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            idle += [a.annotation for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
            idle += [node.returns, *(a.annotation for a in (arguments.vararg, arguments.kwarg) if a)]
        elif isinstance(node, ast.AnnAssign):
            idle.append(node.annotation)
        elif isinstance(node, ast.Assert):
            idle.append(node)
    return _Idle([((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in idle if n is not None])  # type: ignore[attr-defined]


def sample(paths: Sequence[str], number: int, seed: int) -> list[Mutant]:
    """`number` mutants of the Python files below `paths`: places drawn first, then one change of each.

    Many operators change one `+`, and few a comparison: by place, each part of the code has the same weight.
    """
    files = sorted(
        {
            str(f.relative_to(ROOT))
            for p in paths
            for f in ([ROOT / p] if p.endswith(".py") else (ROOT / p).rglob("*.py"))
        }
    )
    places: dict[tuple[str, int, int], list[Mutant]] = {}
    for path in files:
        for mutant in mutants_of(path):
            places.setdefault((mutant.path, mutant.line, mutant.column), []).append(mutant)
    rng = random.Random(seed)  # noqa: S311  a draw, no secret
    drawn = rng.sample(sorted(places), min(number, len(places)))
    return [rng.choice(places[place]) for place in drawn]


@dataclass(frozen=True)
class Reach:
    """Which tests run which lines, and how long each takes."""

    lines: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that run the mutant's line, fast ones first; of a line run at import, those of its file."""
        of_file = self.lines.get(mutant.path, {})
        tests = set(of_file.get(mutant.line, ())) or {test for tests in of_file.values() for test in tests}
        spent, chosen = 0.0, []
        for test in sorted(tests, key=lambda test: (self.seconds.get(test, 1.0), test)):
            spent += self.seconds.get(test, 1.0)
            if spent > PATIENCE and chosen:
                break
            chosen.append(test)
        return chosen


def reach(work: Path, console: Console) -> Reach:
    """Run all tests once under coverage, unless that was done for this code."""
    digest = hashlib.sha256()
    for path in sorted([*(ROOT / "divmetrics").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]):
        digest.update(path.read_bytes())
    kept = work / f"reach-{digest.hexdigest()[:12]}.json"
    if kept.exists():
        return Reach(**_with_int_lines(json.loads(kept.read_text())))
    console.print("running all tests once under coverage")
    data, times = work / "coverage.sqlite", work / "times.xml"
    command = ["-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider", f"--junitxml={times}"]
    command += ["--cov=divmetrics", "--cov-context=test", "--cov-report="]
    environment = {**os.environ, "COVERAGE_FILE": str(data), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, check=False)  # noqa: S603
    seconds = {
        f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}": float(case.get("time", 0))
        for case in ElementTree.parse(times).iter("testcase")  # noqa: S314  written by the line above
    }
    found = CoverageData(str(data))
    found.read()
    lines = {
        str(Path(path).relative_to(ROOT)): {
            line: sorted({context.partition("|")[0] for context in contexts if context})
            for line, contexts in found.contexts_by_lineno(path).items()
        }
        for path in found.measured_files()
    }
    kept.write_text(json.dumps({"lines": lines, "seconds": seconds}))
    return Reach(lines, seconds)


def _with_int_lines(read: dict) -> dict:
    lines = {path: {int(line): tests for line, tests in of.items()} for path, of in read["lines"].items()}
    return {**read, "lines": lines}


def judge(mutant: Mutant, tests: Sequence[str], copy: Path) -> Outcome:
    """Change the file in `copy`, run the tests there, put the file back."""
    file = copy / mutant.path
    code = file.read_text(encoding="utf-8")
    changed = mutant.apply(code)
    if changed is None or not tests:
        return _outcome(mutant, code, changed or code, "unreached", tests, "")
    listed = copy / "tests-of-mutant.txt"
    listed.write_text("\n".join(tests))
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", f"@{listed}"]
    file.write_text(changed, encoding="utf-8")
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=60 + 10 * PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return _outcome(mutant, code, changed, "timeout", tests, "")
    finally:
        file.write_text(code, encoding="utf-8")
    failed = [
        line.partition(" ")[2].partition(" - ")[0]
        for line in done.stdout.splitlines()
        if line.startswith(("FAILED", "ERROR"))
    ]
    state = "survived" if done.returncode == 0 else "killed"
    return _outcome(mutant, code, changed, state, tests, failed[0] if failed else "")


def _outcome(mutant: Mutant, code: str, changed: str, state: str, tests: Sequence[str], by: str) -> Outcome:
    pairs = zip(code.splitlines(), changed.splitlines(), strict=False)
    before, after = next(((a, b) for a, b in pairs if a != b), ("", ""))
    operator = mutant.operator.removeprefix("core/")
    return Outcome(mutant.path, mutant.line, operator, before.strip(), after.strip(), state, len(tests), by)


def run(mutants: Sequence[Mutant], known: Reach, jobs: int, console: Console) -> list[Outcome]:
    """The outcome of each mutant, in their order."""
    with tempfile.TemporaryDirectory() as scratch:
        copies: Queue[Path] = Queue()
        for place in range(jobs):
            copy = Path(scratch) / str(place)
            for name in COPIED:
                source = ROOT / name
                if source.is_dir():
                    shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
                elif source.exists():
                    shutil.copy(source, copy / name)
            copies.put(copy)

        def one(mutant: Mutant) -> Outcome:
            copy = copies.get()
            try:
                outcome = judge(mutant, known.tests_of(mutant), copy)
            finally:
                copies.put(copy)
            if outcome.state not in ("killed", "timeout"):
                console.print(f"{outcome.state} {outcome.path}:{outcome.line}", markup=False, highlight=False)
                console.print(f"    - {outcome.before}\n    + {outcome.after}", markup=False, highlight=False)
            return outcome

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(one, mutants))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="+", help="files or folders of divmetrics/")
    parser.add_argument("--number", type=int, default=100, help="mutants drawn (100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "divmetrics-mutation")
    parser.add_argument("--json", type=Path, default=RESULTS)
    given = parser.parse_args()
    console = Console()
    given.work.mkdir(parents=True, exist_ok=True)
    known = reach(given.work, console)
    outcomes = run(sample(given.paths, given.number, given.seed), known, given.jobs, console)
    killed = sum(outcome.state in ("killed", "timeout") for outcome in outcomes)
    low, high = (float(beta(*shape).ppf(q)) for shape, q in (
        ((killed, len(outcomes) - killed + 1), 0.025), ((killed + 1, len(outcomes) - killed), 0.975)))  # fmt: skip
    console.print(f"{killed} of {len(outcomes)} mutants killed: {killed / len(outcomes):.1%} [{low:.1%}, {high:.1%}]")
    given.json.write_text(
        json.dumps(
            {
                "paths": given.paths,
                "seed": given.seed,
                "number": len(outcomes),
                "killed": killed,
                "mutants": [asdict(o) for o in outcomes],
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
