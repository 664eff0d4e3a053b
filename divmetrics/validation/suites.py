"""Run validation suites on metrics and sum up the results as report cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from divmetrics._version import __version__
from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.metric import METRICS
from divmetrics.validation import calibration, families, ladders, sanity
from divmetrics.validation.cards import report_cards
from divmetrics.validation.measuring import metric_names
from divmetrics.validation.recommend import smallest
from divmetrics.validation.records import Validation
from divmetrics.validation.running import Job, JobResult, Runner

SUITES = ("sanity", "ladders", "calibration")
UNABLE = {
    "sanity": "the suite sanity has no check for copies of training data, which is what {names} measures; "
    "run the suite ladders.",
    "calibration": "the suite calibration measures p-values, and {names} has none; name a metric of two sample sets.",
}
"""Suite -> why it cannot run on some metrics alone."""


@dataclass(frozen=True)
class Size:
    """How much each suite runs. The published checks have 51 levels; the criteria need a few of them."""

    metrics: str
    """Metrics that are validated by default."""
    sanity_n: int
    levels: int
    """Levels of each sanity case: odd, so that both ends and the middle are among them."""
    sanity_repeats: int
    cases: int | None
    """Cases of each check, the first ones; None for all."""
    targets: tuple[str, ...]
    others: bool
    """Whether ladders of exact scores and of models are run on all their targets, beside those of `targets`."""
    n: int
    rungs: int
    repeats: int
    null_n: int
    null_draws: int
    null_metrics: str
    models: int = 0
    """Sample sets drawn from each trained model; 0 leaves the trained models out."""

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
    """Run a validation suite, or all of them, and sum up the results.

    Args:
        suite: `sanity`, `ladders`, `calibration` or `all`.
        size: How much is run: `FULL` or `QUICK`.
        metrics: Names and presets; None takes those of `size`.
        runner: Where results are kept, and how many processes compute them.

    Returns:
        Rows of each suite, a report card for each metric, and the recommended set of metrics.

    Raises:
        UnknownName: `suite` or a metric does not exist.
        UsageError: A metric has options, or the suite can measure none of the metrics.
    """
    if suite not in (*SUITES, "all"):
        raise UnknownName.of("suite", suite, (*SUITES, "all"))
    wanted = [name for name in SUITES if suite in (name, "all")]
    chosen, begin = metric_names(size.metrics if metrics is None else metrics), perf_counter()
    if suite in UNABLE and metrics is not None and not _able(suite, chosen):
        raise UsageError(UNABLE[suite].format(names=", ".join(chosen)))
    kept: dict[str, Any] = {}
    if "sanity" in wanted:
        kept["sanity"] = _sanity(size, chosen, runner)
    if "ladders" in wanted:
        kept["ladders"] = _ladders(size, chosen, runner)
    if "calibration" in wanted:
        nulls = metric_names(size.null_metrics) if metrics is None else chosen
        kept["calibration"] = _calibration(size, nulls, runner)
    cards = report_cards(chosen, kept.get("sanity", ()), kept.get("ladders", ()), kept.get("calibration", ()))
    meta = {"divmetrics": __version__, "seconds": round(perf_counter() - begin, 1), **_meta(size, wanted)}
    best = smallest(kept.get("ladders", ()))
    return Validation(**{name: tuple(rows) for name, rows in kept.items()}, cards=cards, recommended=best, meta=meta)


def _able(suite: str, metrics: Sequence[str]) -> list[str]:
    """The metrics that a suite can measure: no sanity check has a training set, and only two-sample metrics a null."""
    if suite == "sanity":
        return [name for name in metrics if METRICS[name].role != "copies"]
    return [name for name in metrics if METRICS[name].real is not None]


def _sanity(size: Size, chosen: Sequence[str], runner: Runner) -> list[Any]:
    jobs = sanity.jobs(size.sanity_n, size.levels, size.sanity_repeats, size.cases)
    able = _able("sanity", chosen)
    results: dict[Job, JobResult] = {}
    for some, measured in sanity.split_by_repeats(jobs, able):
        if measured:
            results |= runner.run("sanity", sanity.run_job, some, measured)
            runner = replace(runner, fresh=False)  # the second part goes on from the first
    return sanity.summarise(results, able)


def _ladders(size: Size, chosen: Sequence[str], runner: Runner) -> list[Any]:
    models = ladders.chosen(size.targets, others=size.others)
    jobs = ladders.jobs(models, size.n, size.rungs, size.repeats, ladders.HEALTHY)
    if size.models:
        jobs += ladders.jobs(families.trained_models(), size.n, 1, size.models, ladders.HEALTHY)
    jobs = list(dict.fromkeys(jobs))  # both bring the healthy controls of their targets
    return ladders.summarise(runner.run("ladders", ladders.run_job, jobs, chosen), chosen)


def _calibration(size: Size, chosen: Sequence[str], runner: Runner) -> list[Any]:
    able = _able("calibration", chosen)
    jobs = calibration.jobs(size.null_n, size.null_draws)
    return calibration.summarise(runner.run("calibration", calibration.run_job, jobs, able), able) if able else []


def _meta(size: Size, wanted: Sequence[str]) -> dict[str, Any]:
    """Sizes of the suites that were run."""
    facts: dict[str, dict[str, Any]] = {
        "sanity": {"n": size.sanity_n, "levels": size.levels, "repeats": size.sanity_repeats, "cases": size.cases},
        "ladders": {"n": size.n, "rungs": size.rungs, "repeats": size.repeats, "targets": list(size.targets)}
        | {"healthy": ladders.HEALTHY, "trained_repeats": size.models or None},
        "calibration": {"n": size.null_n, "draws": size.null_draws, "target": calibration.TARGET},
    }
    return {name: facts[name] for name in wanted}
