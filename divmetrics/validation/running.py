"""Run jobs in several processes and keep their results on disk, so that a run that was stopped goes on.

A job is one draw of samples on which all metrics are measured; its result is one line of JSON in a file of the
cache. The file's name is a digest of the code that the numbers depend on, so another version starts anew. A metric that
is asked for later is added to the results that are there.
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
from divmetrics.validation.measuring import Measurement

ASIDE = {"cli", "report", "plugins.py", "__main__.py"}
"""Rooms and files that no number depends on."""
READERS = {"cards.py", "recommend.py", "records.py", "running.py", "suites.py"}
"""Files of this room that read results of jobs and do not make them."""
Job = tuple[str | int | float, ...]
"""Name of one draw of samples, from which its seed follows; the first part is the check, ladder entry or case."""


@dataclass(frozen=True)
class JobResult:
    """The result of one job."""

    values: Mapping[str, Measurement]
    """Metric -> value and p-value."""
    facts: Mapping[str, float] = field(default_factory=dict)
    """What is known of the samples beside the metrics, such as their severity."""


RunJob = Callable[[Job, Sequence[str]], JobResult]
"""(job, metrics) -> result; a module-level function, so that other processes can import it."""


@dataclass(frozen=True)
class Runner:
    """Where results are kept, and how many processes compute the missing ones."""

    folder: Path
    processes: int
    fresh: bool = False
    progress: bool = False

    @classmethod
    def of(
        cls, cache_folder: str | None, processes: int | None, *, fresh: bool = False, progress: bool = False
    ) -> Runner:
        """With the cache in `cache_folder` or its usual place; `processes` None is one for each core."""
        found = Cache.at(cache_folder).made().root / "validation"
        return cls(found, processes or len(os.sched_getaffinity(0)), fresh, progress)

    def run(self, suite: str, run_job: RunJob, jobs: Sequence[Job], metrics: Sequence[str]) -> dict[Job, JobResult]:
        """The result of each job with at least `metrics`; what an earlier run has kept is not computed again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{suite}-{code_digest(_plugin_files(metrics))}.jsonl"
        done = {} if self.fresh else _read(path)
        todo = {job: missing for job in jobs if (missing := _missing(done.get(job), metrics))}
        steps = self._computed(run_job, todo)
        shown = Console(stderr=True)
        with path.open("wb" if self.fresh else "ab", buffering=0) as file:
            for job, result in track(steps, suite, len(todo), console=shown, disable=not self.progress, transient=True):
                line = json.dumps([job, result.values, result.facts])
                file.write(f"\n{line}\n".encode())  # in one piece; the first end of line closes what a kill cut off
                done[job] = _together(done.get(job), result)
        return {job: done[job] for job in jobs}

    def _computed(self, run_job: RunJob, todo: Mapping[Job, Sequence[str]]) -> Iterator[tuple[Job, JobResult]]:
        if self.processes <= 1 or len(todo) <= 1:
            for job, metrics in todo.items():
                yield job, run_job(job, metrics)
            return
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
        with ProcessPoolExecutor(min(self.processes, len(todo)), context, _one_thread) as pool:
            try:
                waiting = {pool.submit(run_job, job, metrics): job for job, metrics in todo.items()}
                for future in as_completed(waiting):
                    yield waiting[future], future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


@cache
def code_digest(others: tuple[Path, ...] = ()) -> str:
    """Digest of the code that the numbers of a job depend on: this package, and the files `others`."""
    root = Path(divmetrics.__file__).parent
    whole = hashlib.sha256(divmetrics.__version__.encode())
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        if parts[0] not in ASIDE and not (parts[0] == "validation" and parts[-1] in READERS):
            whole.update(path.read_bytes())
    for path in others:
        whole.update(path.read_bytes())
    return whole.hexdigest()[:12]


def _plugin_files(metrics: Sequence[str]) -> tuple[Path, ...]:
    """The files of those metrics that come from a plug-in."""
    functions = [METRICS[name].function for name in metrics if name in METRICS]
    foreign = [function for function in functions if not function.__module__.startswith("divmetrics.")]
    return tuple(sorted({Path(inspect.getfile(inspect.unwrap(function))) for function in foreign}))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # report cards show no warnings of metrics


def _missing(result: JobResult | None, metrics: Sequence[str]) -> list[str]:
    return [name for name in metrics if result is None or name not in result.values]


def _together(before: JobResult | None, now: JobResult) -> JobResult:
    return now if before is None else JobResult({**before.values, **now.values}, {**before.facts, **now.facts})


def _read(path: Path) -> dict[Job, JobResult]:
    """The results that were kept; a line that was cut off when a run was killed is left out."""
    found: dict[Job, JobResult] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            job, values, facts = json.loads(line)
        except ValueError:
            continue
        found[tuple(job)] = _together(
            found.get(tuple(job)), JobResult({name: (v, p) for name, (v, p) in values.items()}, facts)
        )
    return found


def seed_of(*parts: Any) -> list[int]:
    """Seed of a job, three words of a digest of its parts."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return [int.from_bytes(digest[place : place + 4], "big") for place in (0, 4, 8)]


def grouped(jobs: Iterable[Job], length: int) -> dict[Job, list[Job]]:
    """Jobs by their first `length` parts, in their order."""
    groups: dict[Job, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job[:length], []).append(job)
    return groups
