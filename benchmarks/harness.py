"""Time contenders against each other: in turn, in one process, on the same arrays; median, peak memory, JSON lines."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Contender:
    """One way to compute a number. The first of a race is ours; ratios are against it."""

    name: str
    run: Callable[[], Any]


@dataclass(frozen=True)
class Timing:
    """What one contender took in one race."""

    case: str
    contender: str
    value: str
    seconds: tuple[float, ...]
    memory_mb: float | None
    """Highest resident memory on top of what was there before the run; None where the system does not tell."""
    ratio: float
    """Median over our median: how many times slower than divmetrics."""
    cpu_seconds: tuple[float, ...]
    """What the cores worked for it, child processes included: on a machine that others use, the steadier number."""
    cpu_ratio: float

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def race(case: str, contenders: Sequence[Contender], repeats: int = 3, patience: float = 60) -> list[Timing]:
    """Run the contenders in turn, `repeats` times; who has used `patience` seconds is not run again.

    In turn, so that a busy moment of the machine falls on all of them. The first round also warms caches and threads;
    with three rounds the median leaves it out.
    """
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    busy: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    memory: dict[str, float | None] = {}
    values: dict[str, Any] = {}
    for _ in range(repeats):
        for contender in contenders:
            if sum(seconds[contender.name]) < patience:
                before = cpu_seconds()
                values[contender.name], spent, memory[contender.name] = measured(contender.run)
                seconds[contender.name].append(spent)
                busy[contender.name].append(round(cpu_seconds() - before, 2))
    names, median = [contender.name for contender in contenders], statistics.median
    wall, cpu = ({name: median(took[name]) / median(took[names[0]]) for name in names} for took in (seconds, busy))
    return [
        Timing(
            case,
            name,
            shown(values[name]),
            tuple(seconds[name]),
            memory[name],
            wall[name],
            tuple(busy[name]),
            cpu[name],
        )
        for name in names
    ]


def cpu_seconds() -> float:
    """Of this process and its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measured(run: Callable[[], Any]) -> tuple[Any, float, float | None]:
    """Value, seconds, and megabytes on top of what was resident before."""
    before = reset_peak()
    begin = perf_counter()
    value = run()
    seconds = perf_counter() - begin
    return value, seconds, None if before is None else (resident("VmHWM") - before) / 1024


def reset_peak() -> float | None:
    """Forget the peak of resident memory and return what is resident now, in kB; None elsewhere than on Linux."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return resident("VmRSS")


def resident(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(field)))


def shown(value: Any) -> str:
    """A number, or several, as the table and the results file show it."""
    values = value if isinstance(value, (tuple, list)) else [value]
    return "  ".join(f"{float(one):.10g}" for one in values)


def machine(packages: Iterable[str]) -> dict[str, Any]:
    """Where the numbers come from: processor, cores, versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "versions": {name: version(name) for name in packages},
    }


def photographs(folder: Path, n: int, seed: int) -> Path:
    """`n` JPEGs of 256 x 256, cropped from the photographs of scikit-learn."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_sample_images

    folder.mkdir()
    rng, images = np.random.default_rng(seed), load_sample_images().images
    for i in range(n):
        image = images[i % len(images)]
        top, left = (int(rng.integers(size - 256)) for size in image.shape[:2])
        Image.fromarray(image[top : top + 256, left : left + 256]).save(folder / f"{i:05}.jpg", quality=90)
    return folder


def commit() -> str:
    """The git commit that was measured, marked where files other than results differ from it."""
    name = _git("describe", "--always", "--abbrev=12")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(exclude,top)benchmarks/results")
    return f"{name}-dirty" if changed else name


def _git(*command: str) -> str:
    line, folder = ["git", *command], Path(__file__).parent
    done = subprocess.run(line, capture_output=True, text=True, cwd=folder, check=True)  # noqa: S603
    return done.stdout.strip()


def report(name: str, timings: Sequence[Timing], packages: Iterable[str]) -> None:
    """Print the table and append one JSON line a timing to `benchmarks/results/NAME.jsonl`."""
    table = Table("case", "contender", "median s", "times ours", "CPU s", "times ours", "MB", "value", title=name)
    for place, timing in enumerate(timings):
        new = place == 0 or timings[place - 1].case != timing.case
        if new and place:
            table.add_section()
        memory = "" if timing.memory_mb is None else f"{timing.memory_mb:,.0f}"
        busy = [f"{statistics.median(timing.cpu_seconds):.2f}", f"{timing.cpu_ratio:.2f}"]
        cells = [timing.contender, f"{timing.median:.3f}", f"{timing.ratio:.2f}", *busy, memory, timing.value]
        table.add_row(timing.case if new else "", *cells, style="bold" if timing.ratio == 1 else "")
    Console(width=None if Console().is_terminal else 160).print(table)
    where = {"benchmark": name, "created": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit()}
    where["machine"] = machine(packages)
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.jsonl").open("a") as lines:
        lines.writelines(json.dumps(where | {"median": t.median} | asdict(t)) + "\n" for t in timings)
