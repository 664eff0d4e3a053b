"""Share of small faults in the code that the tests notice: a random sample of cosmic-ray's mutants.

    python benchmarks/mutation.py --number 200 divmetrics/arrays/pairs divmetrics/metrics divmetrics/inference
    python benchmarks/mutation.py --again divmetrics/arrays/pairs divmetrics/metrics divmetrics/inference

Each mutant is one change of one operator, number, comparison or condition, or the loss of a guard: an `if` that ends in
an error, a return or the next round, and is never true. All tests would take days, so three things are done: the
mutants are a sample by `--seed`; the tests of a mutant are those of `--tests` that run its line (found once, by
coverage, and kept in `--work` as long as the code stays the same), the fast ones first, until `--patience` seconds are
spent; and `--jobs` mutants run at once, each in a copy of the tree. So a mutant may survive here that all tests
together would kill: the share that is printed is a lower bound.

Needs the extra `mutation`. Results go to `benchmarks/results/mutation.json`, one entry for each choice of paths; with
`--again` its survivors are shown to the tests of today. docs/mutation.md discusses those that are left.
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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import Queue
from typing import Any
from xml.etree import ElementTree

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator, operator_names
from coverage import CoverageData
from parso.python.tree import IfStmt
from rich.console import Console
from scipy.stats import beta

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results" / "mutation.json"
PATIENCE = 60.0
"""Seconds, as measured without a mutant, of the tests that a mutant is shown to, unless `--patience` says otherwise."""
ABSURD = ("RemoveDecorator", "Variable", "_Not", "_Invert", "UAdd", "BitOr", "BitAnd", "BitXor", "Shift", "Eq_Is")
"""Parts of names of operators whose mutants rarely run at all, change a type annotation, or draw a warning of Python's
compiler (`is` with a text), which any test takes for a failure."""
GUARD = "RemoveGuard"
SERVER = """
import os, signal, sys
import numpy, PIL.Image, pytest, scipy.stats, sklearn.linear_model, torch
for line in sys.stdin:
    limit, out, *arguments = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if not child:
        signal.alarm(int(limit))
        file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1), os.dup2(file, 2)
        code = pytest.main(arguments)
        sys.stdout.flush()
        os._exit(int(code))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs pytest for each line of arguments, in a process that has the slow imports done."""
COPIED = ("divmetrics", "tests", "docs", "benchmarks", "pyproject.toml", "README.md", "CHANGELOG.md", ".mkdocs.yml")


class RemoveGuard(Operator):
    """An `if` or `elif` that ends in `raise`, `return` or `continue` is never true."""

    @staticmethod
    def _guards(node: Any) -> list[int]:
        """Places of the conditions among the children of an if statement."""
        children = node.children if isinstance(node, IfStmt) else []
        conditions = [place + 1 for place, child in enumerate(children) if child in ("if", "elif")]
        ends = {place: list(ast_nodes(children[place + 2])) for place in conditions}
        return [place for place, nodes in ends.items() if any(node in LEAVING for node in nodes)]

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        for place in self._guards(node):
            yield node.children[place].start_pos, node.children[place].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.children[self._guards(node)[index]] = parso.parse(" False")
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("if x < 0: raise ValueError", "if False: raise ValueError"),)


LEAVING = ("raise", "return", "continue")


def operator_named(name: str) -> type[Operator]:
    """An operator of cosmic-ray, or ours."""
    return RemoveGuard if name == GUARD else get_operator(name)


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
        return mutate_code(code, operator_named(self.operator)(), self.occurrence)


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant."""

    path: str
    line: int
    operator: str
    before: str
    after: str
    state: str
    """`killed`, `timeout` (killed too), `survived`, `unreached` (no test runs the line), `removed` (it is gone)."""
    tests: int
    by: str
    """The test that noticed."""

    @property
    def killed(self) -> bool:
        """Whether a test noticed, or took for ever."""
        return self.state in ("killed", "timeout")


def mutants_of(path: str) -> Iterator[Mutant]:
    """All mutants of a file, in its order, those of annotations and of `assert` left out."""
    code = (ROOT / path).read_text(encoding="utf-8")
    tree, passed_over = get_ast(code), _idle_lines(code)
    for name in (*operator_names(), GUARD):
        if any(part in name for part in ABSURD) or operator_named(name).arguments():
            continue
        operator = operator_named(name)()
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


def _files(paths: Sequence[str]) -> list[str]:
    """The Python files below `paths`."""
    found = (f for p in paths for f in ([ROOT / p] if p.endswith(".py") else (ROOT / p).rglob("*.py")))
    return sorted({str(file.relative_to(ROOT)) for file in found})


def found_again(outcomes: Sequence[Outcome]) -> list[Mutant | None]:
    """The mutants of earlier outcomes in the code of today; None where the line is not there any more."""
    known: dict[tuple[str, str, str, str], list[Mutant]] = {}
    sought = {(outcome.path, outcome.operator, outcome.before) for outcome in outcomes}
    for path in {outcome.path for outcome in outcomes}:
        code = (ROOT / path).read_text(encoding="utf-8")
        lines = [line.strip() for line in code.splitlines()]
        for mutant in mutants_of(path):
            here = path, mutant.operator.removeprefix("core/"), lines[mutant.line - 1]
            if here in sought and (changed := mutant.apply(code)) is not None:
                known.setdefault(_of(_outcome(mutant, code, changed, "", (), "")), []).append(mutant)
    near = [(outcome, known.get(_of(outcome), [])) for outcome in outcomes]
    return [min(found, key=lambda m: abs(m.line - o.line)) if found else None for o, found in near]


def _of(outcome: Outcome) -> tuple[str, str, str, str]:
    return outcome.path, outcome.operator, outcome.before, outcome.after


def sample(paths: Sequence[str], number: int, guards: int, seed: int) -> list[Mutant]:
    """Mutants of the Python files below `paths`: `number` places with one change of each, and `guards` lost guards.

    Many operators change one `+`, and few a comparison: by place, each part of the code has the same weight.
    """
    places: dict[tuple[str, int, int], list[Mutant]] = {}
    guarded: list[Mutant] = []
    for mutant in (mutant for path in _files(paths) for mutant in mutants_of(path)):
        if mutant.operator == GUARD:
            guarded.append(mutant)
        else:
            places.setdefault((mutant.path, mutant.line, mutant.column), []).append(mutant)
    rng = random.Random(seed)  # noqa: S311  a draw, no secret
    drawn = [rng.choice(places[place]) for place in rng.sample(sorted(places), min(number, len(places)))]
    return [*drawn, *rng.sample(guarded, min(guards, len(guarded)))]


@dataclass(frozen=True)
class Reach:
    """Which tests run which lines, and how long each takes."""

    lines: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]

    def tests_of(self, mutant: Mutant, patience: float) -> list[str]:
        """The tests that run the mutant's line, fast ones first; of a line run at import, those of its file.

        The tests of the module that mirrors the file come before them: what they check may have run at their import.
        """
        of_file = self.lines.get(mutant.path, {})
        tests = set(of_file.get(mutant.line, ())) or {test for tests in of_file.values() for test in tests}
        own = mutant.path.replace("divmetrics/", "tests/", 1).replace(
            Path(mutant.path).name, f"test_{Path(mutant.path).name}"
        )
        tests |= {test for test in self.seconds if test.startswith(f"{own}::")}
        spent, chosen = 0.0, []
        for test in sorted(tests, key=lambda test: (not test.startswith(own), self.seconds.get(test, 1.0), test)):
            spent += self.seconds.get(test, 1.0)
            if spent > patience and chosen:
                break
            chosen.append(test)
        return chosen


def reach(work: Path, chosen: Sequence[str], jobs: int, console: Console) -> Reach:
    """Run the chosen tests once under coverage, unless that was done for this code; none are all."""
    digest = hashlib.sha256("\n".join(chosen).encode())
    for path in sorted([*(ROOT / "divmetrics").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]):
        digest.update(path.read_bytes())
    kept = work / f"reach-{digest.hexdigest()[:12]}.json"
    if kept.exists():
        return Reach(**_with_int_lines(json.loads(kept.read_text())))
    console.print("running the tests once under coverage")
    data, times = work / "coverage.sqlite", work / "times.xml"
    command = ["-m", "pytest", "-q", "-n", str(jobs if jobs > 1 else 0), "-p", "no:cacheprovider", *chosen]
    command += [f"--junitxml={times}"]
    command += ["--cov=divmetrics", "--cov-context=test", "--cov-report="]
    environment = {**os.environ, "COVERAGE_FILE": str(data), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, check=False)  # noqa: S603
    seconds = {
        f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}": float(case.get("time", 0))
        for case in ElementTree.parse(times).iter("testcase")  # noqa: S314  written by the line above
        if not {child.tag for child in case} & {"failure", "error", "skipped"}  # these notice nothing
    }
    found = CoverageData(str(data))
    found.read()
    lines = {
        str(Path(path).relative_to(ROOT)): {
            line: sorted({context.rpartition("|")[0] for context in contexts} & seconds.keys())
            for line, contexts in found.contexts_by_lineno(path).items()
        }
        for path in found.measured_files()
    }
    kept.write_text(json.dumps({"lines": lines, "seconds": seconds}))
    return Reach(lines, seconds)


def _with_int_lines(read: dict) -> dict:
    lines = {path: {int(line): tests for line, tests in of.items()} for path, of in read["lines"].items()}
    return {**read, "lines": lines}


class Copy:
    """A copy of the tree, with a process that runs tests in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, folder / name)
        environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        command = [sys.executable, "-c", SERVER]
        self.server = subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)  # type: ignore[call-overload]  # noqa: S603

    def test(self, tests: Sequence[str], limit: int) -> tuple[int, str]:
        """Exit code of pytest, negative where it was stopped at `limit` seconds, and what it printed."""
        listed, out = self.folder / "tests-of-mutant.txt", self.folder / "printed.txt"
        listed.write_text("\n".join(tests))
        options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", f"--basetemp={self.folder / 'temporary'}"]
        self.server.stdin.write("\t".join([str(limit), str(out), *options, f"@{listed}"]) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline()), out.read_text(errors="replace")

    def close(self) -> None:
        """End the process."""
        self.server.stdin.close()
        self.server.wait()


def judge(mutant: Mutant, tests: Sequence[str], copy: Copy, patience: float) -> Outcome:
    """Change the file in `copy`, run the tests there, put the file back."""
    file = copy.folder / mutant.path
    code = file.read_text(encoding="utf-8")
    changed = mutant.apply(code)
    if changed is None or not tests:
        return _outcome(mutant, code, changed or code, "unreached", tests, "")
    file.write_text(changed, encoding="utf-8")
    try:
        exit_code, printed = copy.test(tests, int(30 + 10 * patience))
    finally:
        file.write_text(code, encoding="utf-8")
    if exit_code < 0:
        return _outcome(mutant, code, changed, "timeout", tests, "")
    failed = [
        line.partition(" ")[2].partition(" - ")[0]
        for line in printed.splitlines()
        if line.startswith(("FAILED", "ERROR"))
    ]
    state = "survived" if exit_code == 0 else "killed"
    return _outcome(mutant, code, changed, state, tests, failed[0] if failed else "")


def _outcome(mutant: Mutant, code: str, changed: str, state: str, tests: Sequence[str], by: str) -> Outcome:
    pairs = zip(code.splitlines(), changed.splitlines(), strict=False)
    before, after = next(((a, b) for a, b in pairs if a != b), ("", ""))
    operator = mutant.operator.removeprefix("core/")
    return Outcome(mutant.path, mutant.line, operator, before.strip(), after.strip(), state, len(tests), by)


def run(mutants: Sequence[Mutant], known: Reach, jobs: int, patience: float, console: Console) -> list[Outcome]:
    """The outcome of each mutant, in their order."""
    with tempfile.TemporaryDirectory() as scratch:
        copies: Queue[Copy] = Queue()
        for place in range(jobs):
            copies.put(Copy(Path(scratch) / str(place)))

        def one(mutant: Mutant) -> Outcome:
            copy = copies.get()
            try:
                outcome = judge(mutant, known.tests_of(mutant, patience), copy, patience)
            finally:
                copies.put(copy)
            if not outcome.killed:
                console.print(f"{outcome.state} {outcome.path}:{outcome.line}", markup=False, highlight=False)
                console.print(f"    - {outcome.before}\n    + {outcome.after}", markup=False, highlight=False)
            return outcome

        with ThreadPoolExecutor(jobs) as pool:
            outcomes = list(pool.map(one, mutants))
        while not copies.empty():
            copies.get().close()
        return outcomes


def once_more(entry: dict[str, Any], known: Reach, given: argparse.Namespace, console: Console) -> dict[str, Any]:
    """An earlier run, its survivors judged by the tests of today; those whose line is gone count as `removed`."""
    outcomes = [Outcome(**read) for read in entry["mutants"]]
    left = [place for place, outcome in enumerate(outcomes) if not outcome.killed]
    mutants = found_again([outcomes[place] for place in left])
    found = iter(run([m for m in mutants if m is not None], known, given.jobs, given.patience, console))
    for place, mutant in zip(left, mutants, strict=True):
        outcomes[place] = replace(outcomes[place], state="removed") if mutant is None else next(found)
    return {**entry, "after": _killed(outcomes), "mutants": [asdict(o) for o in outcomes]}


def _killed(outcomes: Sequence[Outcome]) -> int:
    return sum(outcome.killed for outcome in outcomes)


def share_in_words(killed: int, number: int) -> str:
    """A count with its share and the exact interval of 95 %."""
    low = float(beta(killed, number - killed + 1).ppf(0.025)) if killed else 0.0
    high = float(beta(killed + 1, number - killed).ppf(0.975)) if killed < number else 1.0
    return f"{killed} of {number} mutants killed: {killed / number:.1%} [{low:.1%}, {high:.1%}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="+", help="files or folders of divmetrics/")
    parser.add_argument("--number", type=int, default=100, help="mutants drawn (100)")
    parser.add_argument("--guards", type=int, default=0, help="lost guards that are drawn besides (0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="judge the survivors that the JSON has for these paths")
    parser.add_argument("--tests", nargs="*", default=[], help="files or folders of tests (all)")
    parser.add_argument("--patience", type=float, default=PATIENCE, help=f"seconds of tests a mutant ({PATIENCE:g})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "divmetrics-mutation")
    parser.add_argument("--json", type=Path, default=RESULTS)
    given = parser.parse_args()
    console = Console()
    given.work.mkdir(parents=True, exist_ok=True)
    entries = json.loads(given.json.read_text())["runs"] if given.json.exists() else []
    place = next((place for place, entry in enumerate(entries) if entry["paths"] == given.paths), len(entries))
    known = reach(given.work, given.tests, given.jobs, console)
    if given.again:
        entry = once_more(entries[place], known, given, console)
        console.print(share_in_words(entry["after"], entry["number"]))
    else:
        outcomes = run(
            sample(given.paths, given.number, given.guards, given.seed), known, given.jobs, given.patience, console
        )
        entry = {
            "paths": given.paths,
            "tests": given.tests,
            "patience": given.patience,
            "seed": given.seed,
            "guards": sum(outcome.operator == GUARD for outcome in outcomes),
            "number": len(outcomes),
            "killed": _killed(outcomes),
            "mutants": [asdict(o) for o in outcomes],
        }
        console.print(share_in_words(entry["killed"], entry["number"]))
    entries[place : place + 1] = [entry]
    given.json.write_text(json.dumps({"runs": entries}, indent=1) + "\n")


if __name__ == "__main__":
    main()
