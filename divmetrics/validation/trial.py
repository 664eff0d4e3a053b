"""`validate`: the suites run on some metrics, judged, and put on cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from divmetrics._version import __version__
from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.metric import METRICS
from divmetrics.validation import calibration, families, ladders, sanity
from divmetrics.validation.cards import cards
from divmetrics.validation.cells import names
from divmetrics.validation.recommend import smallest
from divmetrics.validation.records import Validation
from divmetrics.validation.running import Key, Outcome, Runner

SUITES = ("sanity", "ladders", "calibration")
UNABLE = {
    "sanity": "the suite sanity has no check for copies of training data, which is what {names} measures; "
    "run the suite ladders.",
    "calibration": "the suite calibration measures p-values, and {names} has none; name a metric of two sample sets.",
}
"""Suite -> why it cannot run on some metrics alone."""


@dataclass(frozen=True)
class Size:
    """How much is run. The published recipes take 51 levels; the criteria read a few of them."""

    metrics: str
    """What is judged where nobody says."""
    sanity_n: int
    levels: int
    """Levels of each sanity case that are read: odd, so that the ends and the middle are among them."""
    sanity_repeats: int
    cases: int | None
    """Cases of each check, the first ones; None for all."""
    targets: tuple[str, ...]
    others: bool
    """Whether ladders of exact scores and of models are run on all their targets."""
    n: int
    rungs: int
    repeats: int
    null_n: int
    null_draws: int
    null_metrics: str
    models: int = 0
    """Draws of each trained model; with 0 they are left out."""

    def __post_init__(self) -> None:
        if self.levels < 3 or self.levels % 2 == 0:
            raise UsageError(
                f"levels: got {self.levels}. The ends and the middle of each sanity case are always read, so it takes "
                "an odd number from 3 on: 5, or 51 for all there are."
            )


FULL = Size(
    metrics="full",
    sanity_n=1000,
    levels=5,
    sanity_repeats=10,
    cases=None,
    targets=("grid-25-soft", "modes-64d", "digits"),
    others=True,
    n=500,
    rungs=6,
    repeats=3,
    null_n=250,
    null_draws=100,
    null_metrics="default",
    models=2,
)
QUICK = Size(
    metrics="default",
    sanity_n=500,
    levels=5,
    sanity_repeats=2,
    cases=1,
    targets=("modes-64d",),
    others=False,
    n=500,
    rungs=4,
    repeats=2,
    null_n=200,
    null_draws=20,
    null_metrics="quick",
)


def validate(suite: str, size: Size, metrics: str | Sequence[str] | None, runner: Runner) -> Validation:
    """Run `suite` (or `all`) on `metrics`, names and presets. Raises UnknownName, or UsageError on options."""
    if suite not in (*SUITES, "all"):
        raise UnknownName.of("suite", suite, (*SUITES, "all"))
    wanted = [name for name in SUITES if suite in (name, "all")]
    judged, begin = names(size.metrics if metrics is None else metrics), perf_counter()
    if suite in UNABLE and metrics is not None and not _able(suite, judged):
        raise UsageError(UNABLE[suite].format(names=", ".join(judged)))
    kept: dict[str, Any] = {}
    if "sanity" in wanted:
        kept["sanity"] = _sanity(size, judged, runner)
    if "ladders" in wanted:
        kept["ladders"] = _ladders(size, judged, runner)
    if "calibration" in wanted:
        nulls = names(size.null_metrics) if metrics is None else judged
        kept["calibration"] = _calibration(size, nulls, runner)
    made = cards(judged, kept.get("sanity", ()), kept.get("ladders", ()), kept.get("calibration", ()))
    meta = {"divmetrics": __version__, "seconds": round(perf_counter() - begin, 1), **_meta(size, wanted)}
    best = smallest(kept.get("ladders", ()))
    return Validation(**{name: tuple(rows) for name, rows in kept.items()}, cards=made, recommended=best, meta=meta)


def _able(suite: str, metrics: Sequence[str]) -> list[str]:
    """The metrics that a suite can measure: no sanity check has a training set, and only two-sample metrics a null."""
    if suite == "sanity":
        return [name for name in metrics if METRICS[name].role != "copies"]
    return [name for name in metrics if METRICS[name].real is not None]


def _sanity(size: Size, judged: Sequence[str], runner: Runner) -> list[Any]:
    cells = sanity.cells(size.sanity_n, size.levels, size.sanity_repeats, size.cases)
    able = _able("sanity", judged)
    outcomes: dict[Key, Outcome] = {}
    for some, measured in sanity.shares(cells, able):
        if measured:
            outcomes |= runner.run("sanity", sanity.compute, some, measured)
            runner = replace(runner, fresh=False)  # the second part goes on from the first
    return sanity.judge(outcomes, able)


def _ladders(size: Size, judged: Sequence[str], runner: Runner) -> list[Any]:
    models = ladders.chosen(size.targets, others=size.others)
    cells = ladders.cells(models, size.n, size.rungs, size.repeats, ladders.HEALTHY)
    if size.models:
        cells += ladders.cells(families.trained(), size.n, 1, size.models, ladders.HEALTHY)
    cells = list(dict.fromkeys(cells))  # both bring the healthy controls of their targets
    return ladders.judge(runner.run("ladders", ladders.compute, cells, judged), judged)


def _calibration(size: Size, judged: Sequence[str], runner: Runner) -> list[Any]:
    able = _able("calibration", judged)
    cells = calibration.cells(size.null_n, size.null_draws)
    return calibration.judge(runner.run("calibration", calibration.compute, cells, able), able) if able else []


def _meta(size: Size, wanted: Sequence[str]) -> dict[str, Any]:
    """On how much each suite stands."""
    facts: dict[str, dict[str, Any]] = {
        "sanity": {"n": size.sanity_n, "levels": size.levels, "repeats": size.sanity_repeats, "cases": size.cases},
        "ladders": {"n": size.n, "rungs": size.rungs, "repeats": size.repeats, "targets": list(size.targets)}
        | {"healthy": ladders.HEALTHY, "trained_repeats": size.models or None},
        "calibration": {"n": size.null_n, "draws": size.null_draws, "target": calibration.TARGET},
    }
    return {name: facts[name] for name in wanted}
