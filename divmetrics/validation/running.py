"""Cells computed by several processes and kept on disk, so that a run that was stopped goes on.

A cell is one line of JSON in a file of the cache; the file's name is a digest of the code that the numbers rest on, so
another version starts anew. A metric that is asked for later is added to the cells that are there.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

import divmetrics
from divmetrics.extraction.store import Cache
from divmetrics.records.metric import METRICS
from divmetrics.validation.cells import Found

ASIDE = {"cli", "report", "__main__.py"}
"""What no number rests on."""
JUDGING = {"cards.py", "recommend.py", "records.py", "running.py", "trial.py"}
"""Files of this room that read cells and do not make them."""
Key = tuple[str | int | float, ...]


@dataclass(frozen=True)
class Outcome:
    """What one cell came to."""

    found: Mapping[str, Found]
    facts: Mapping[str, float] = field(default_factory=dict)
    """What is known of the draw beside the metrics: its severity."""


Compute = Callable[[Key, Sequence[str]], Outcome]
"""(key of a cell, metrics) -> outcome; a function of a module, so that other processes find it."""


@dataclass(frozen=True)
class Runner:
    """How cells are computed and where they are kept."""

    folder: Path
    jobs: int
    fresh: bool = False
    progress: bool = False

    @classmethod
    def of(cls, cache_folder: str | None, jobs: int | None, *, fresh: bool = False, progress: bool = False) -> Runner:
        """With the cache in `cache_folder` or its usual place; `jobs` None is one for each core."""
        found = Cache.at(cache_folder).root / "validation"
        return cls(found, jobs or len(os.sched_getaffinity(0)), fresh, progress)

    def run(self, suite: str, compute: Compute, cells: Sequence[Key], metrics: Sequence[str]) -> dict[Key, Outcome]:
        """Each cell with at least `metrics`; what an earlier run has left is not computed again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{suite}-{code_digest(_foreign(metrics))}.jsonl"
        done = {} if self.fresh else _read(path)
        todo = {cell: missing for cell in cells if (missing := _missing(done.get(cell), metrics))}
        steps = self._computed(compute, todo)
        shown = Console(stderr=True)
        with path.open("wb" if self.fresh else "ab", buffering=0) as file:
            for cell, outcome in track(
                steps, suite, len(todo), console=shown, disable=not self.progress, transient=True
            ):
                line = json.dumps([cell, outcome.found, outcome.facts])
                file.write(f"\n{line}\n".encode())  # in one piece; the first end of line closes what a kill cut off
                done[cell] = _together(done.get(cell), outcome)
        return {cell: done[cell] for cell in cells}

    def _computed(self, compute: Compute, todo: Mapping[Key, Sequence[str]]) -> Iterator[tuple[Key, Outcome]]:
        if self.jobs <= 1 or len(todo) <= 1:
            for cell, metrics in todo.items():
                yield cell, compute(cell, metrics)
            return
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
        with ProcessPoolExecutor(min(self.jobs, len(todo)), context, _one_thread) as pool:
            try:
                waiting = {pool.submit(compute, cell, metrics): cell for cell, metrics in todo.items()}
                for future in as_completed(waiting):
                    yield waiting[future], future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


@cache
def code_digest(others: tuple[Path, ...] = ()) -> str:
    """Digest of the code that the numbers of a cell rest on: this package, and the files `others`."""
    root = Path(divmetrics.__file__).parent
    whole = hashlib.sha256(divmetrics.__version__.encode())
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        if parts[0] not in ASIDE and not (parts[0] == "validation" and parts[-1] in JUDGING):
            whole.update(path.read_bytes())
    for path in others:
        whole.update(path.read_bytes())
    return whole.hexdigest()[:12]


def _foreign(metrics: Sequence[str]) -> tuple[Path, ...]:
    """The files of those metrics that came with a plug-in."""
    functions = [METRICS[name].function for name in metrics if name in METRICS]
    strange = [function for function in functions if not function.__module__.startswith("divmetrics.")]
    return tuple(sorted({Path(inspect.getfile(inspect.unwrap(function))) for function in strange}))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # a metric's warnings stand in no report card


def _missing(outcome: Outcome | None, metrics: Sequence[str]) -> list[str]:
    return [name for name in metrics if outcome is None or name not in outcome.found]


def _together(before: Outcome | None, now: Outcome) -> Outcome:
    return now if before is None else Outcome({**before.found, **now.found}, {**before.facts, **now.facts})


def _read(path: Path) -> dict[Key, Outcome]:
    """The cells that are kept; a line that was cut off by a kill is left out."""
    found: dict[Key, Outcome] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            cell, values, facts = json.loads(line)
        except ValueError:
            continue
        key: Key = tuple(cell)
        found[key] = _together(found.get(key), Outcome({name: (v, p) for name, (v, p) in values.items()}, facts))
    return found


def seed_of(*parts: Any) -> list[int]:
    """Seed words for a draw, from the parts of its name: another part, another draw."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return [int.from_bytes(digest[place : place + 4], "big") for place in (0, 4, 8)]


def grouped(cells: Iterable[Key], length: int) -> dict[Key, list[Key]]:
    """Cells by the first `length` parts of their keys, in their order."""
    groups: dict[Key, list[Key]] = {}
    for cell in cells:
        groups.setdefault(cell[:length], []).append(cell)
    return groups
