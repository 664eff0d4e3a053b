"""`gate`: hold samples, or a saved report, against rules; what `divmetrics gate` does, in Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from divmetrics.errors import MeasureError, UsageError
from divmetrics.records import keywords
from divmetrics.records.results import Report
from divmetrics.records.run_options import LEAST_ALPHA, ScoreRequest
from divmetrics.report.gate.judge import judge, judge_saved
from divmetrics.report.gate.numbers import check_possible
from divmetrics.report.gate.outcomes import GateResult
from divmetrics.report.gate.rules import Rules, read_rules, rules_from
from divmetrics.report.gate.sizes import BaselineSizes

Config = Rules | Mapping[str, Any] | str | os.PathLike[str] | None


def gate(
    *samples: Any, report: Report | str | os.PathLike[str] | None = None, config: Config = None, **options: Any
) -> GateResult:
    """Hold two sets of samples, or a report, against rules.

    Args:
        *samples: `real` and `fake` as in `score`: the reference, and the samples to judge. Left out with `report`.
        report: A report, or the path of one as JSON; nothing is measured again.
        config: A rule file (TOML), or its table `[gate]` as a mapping: `{"rules": {"recall": {"min": 0.4}}}`. Left
            out: `divmetrics.toml`, else `pyproject.toml`, in the current folder.
        **options: Options of `score`. Without `metrics`, those that the rules name are measured, and no others.

    Returns:
        The judgement: `passed`, one outcome a rule in `outcomes`, `warnings`, `report`, and `to_json()`.

    Raises:
        UsageError: The rules are wrong, name what the report lacks, or neither or both of samples and a report are
            given.
        MeasureError: The samples, or a metric that decides, could not be measured.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).normal(size=(50, 2))
        >>> judged = gate(rows, rows[:, ::-1], config={"rules": {"recall": {"min": 0.5}}}, null=False)
        >>> judged.passed, judged.outcomes[0].status
        (True, 'pass')
    """
    if options.get("distributed") is True:
        from divmetrics.scoring.ranks import together  # torch comes with it

        with together(distributed=True):  # a refusal of one rank is raised on all
            return _gate(samples, report, config, options)
    return _gate(samples, report, config, options)


def _gate(
    samples: Sequence[Any], report: Report | str | os.PathLike[str] | None, config: Config, options: Mapping[str, Any]
) -> GateResult:
    """`gate`, with what it was called with."""
    rules = _rules(config)
    if report is not None:
        if samples or options:
            raise UsageError("gate: a report is not measured again; give report= and config= alone, or real and fake.")
        if not isinstance(report, (Report, str, os.PathLike)):
            raise UsageError(f"gate: report is a {type(report).__name__}; give a Report, or the path of one as JSON.")
        return _complete(judge_saved(report if isinstance(report, Report) else Report.load(report), rules))
    if len(samples) + len(options.keys() & {"real", "fake"}) != 2:
        raise UsageError("gate: give real and fake to measure them, or report= for a report that was saved.")
    return _complete(measure_and_judge(samples, rules, options))


def _complete(judged: GateResult) -> GateResult:
    """`judged`. Raises MeasureError where a rule of level `error` could not be judged."""
    if judged.exit_code > 1:
        raise MeasureError(judged.error or "a rule could not be judged.")
    return judged


def measure_and_judge(
    samples: Sequence[Any],
    rules: Rules,
    options: Mapping[str, Any],
    scored: Callable[[Report], None] = lambda _report: None,
    **meta: Any,
) -> GateResult:
    """Measure two sets of samples and hold them against rules.

    Args:
        samples: `real` and `fake`, unless `options` has them.
        rules: The rules. For those on a change, as many samples are drawn as the baseline has.
        options: Options of `score`; they come before those of the rules.
        scored: Called with the report before it is judged.
        **meta: Entries of `meta` in the report.

    Raises:
        UsageError, MeasureError: as `gate`.
    """
    from divmetrics.scoring.score import score_as_many  # torch comes with it; a saved report is judged without

    check_rules(rules)
    request = request_of(samples, rules, options)
    sizes = BaselineSizes(rules, request.num)
    sizes.check()
    if rules.quarantine:
        _check_repeatable(request)
    report = score_as_many(request, sizes.draw).with_meta(**meta)
    scored(report)
    first = judge(report, rules, sizes.drawn)
    if not rules.quarantine or first.passed or first.error is not None:
        return first
    again = replace(request, seed=request.seed + 1, alpha=request.alpha / 2, exhibits=False)
    report = score_as_many(again, sizes.draw).with_meta(**meta)
    second = judge(report, rules, sizes.drawn, share=0.5, ignored=("seed",))
    if report.fake.digest is not None and report.fake.digest == first.report.fake.digest:
        second = replace(second, warnings=(*second.warnings, SAME_SAMPLES))
    return replace(first, second=second)


SAME_SAMPLES = (
    "the second run has measured the same samples, since FAKE has no others; give more samples than the baseline has, "
    "and each run draws its own."
)


def check_rules(rules: Rules) -> None:
    """Raise UsageError where no value of a metric could pass a rule."""
    from divmetrics.records.metric import METRICS

    check_possible(rules, {metric.name: metric.range for metric in METRICS})


def request_of(samples: Sequence[Any], rules: Rules, options: Mapping[str, Any]) -> ScoreRequest:
    """What is asked of `score`: the options, and those of the rules where they say nothing."""
    return keywords.request_of(ScoreRequest, "gate", positional=2)(*samples, **{**rules.keywords, **options})


def _check_repeatable(request: ScoreRequest) -> None:
    """Raise UsageError where a second run is impossible: samples that can be read once, an alpha without a half."""
    for side in ("real", "fake", "held_out"):
        if hasattr(getattr(request, side), "__next__"):
            raise UsageError(f"gate: quarantine may read the samples twice, and {side} is an iterator; give a list.")
    if request.null and request.alpha < 2 * LEAST_ALPHA:
        raise UsageError(
            f"gate: quarantine halves alpha, and {request.alpha:g} has no half of at least {LEAST_ALPHA:g}; give at "
            f"least {2 * LEAST_ALPHA:g}."
        )


def _rules(config: Config) -> Rules:
    if isinstance(config, Rules):
        return config
    if isinstance(config, Mapping):
        return rules_from(config)
    if config is not None and not isinstance(config, (str, os.PathLike)):
        raise UsageError(
            f"gate: config is a {type(config).__name__}; give a rule file, or its table [gate] as a mapping."
        )
    return read_rules(config)
