"""`gate`: hold samples, or a saved report, against rules; what `divmetrics gate` does, in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from divmetrics.errors import UsageError
from divmetrics.records.keywords import called_with
from divmetrics.records.results import Report
from divmetrics.records.run_options import ScoreRequest
from divmetrics.report.gate.judge import GateResult, judge
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
        return judge(report if isinstance(report, Report) else Report.load(report), rules)
    if len(samples) + len(options.keys() & {"real", "fake"}) != 2:
        raise UsageError("gate: give real and fake to measure them, or report= for a report that was saved.")
    return measure_and_judge(samples, rules, options)


def measure_and_judge(samples: Sequence[Any], rules: Rules, options: Mapping[str, Any], **meta: Any) -> GateResult:
    """Measure two sets of samples and hold them against rules.

    Args:
        samples: `real` and `fake`, unless `options` has them.
        rules: The rules. For those on a change, as many samples are drawn as the baseline has.
        options: Options of `score`; they come before those of the rules.
        **meta: Entries of `meta` in the report.

    Raises:
        UsageError, MeasureError: as `gate`.
    """
    from divmetrics.scoring.score import score_as_many  # torch comes with it; a saved report is judged without

    request = _request(*samples, **{**rules.keywords, **options})
    sizes = BaselineSizes(rules, request.num)
    sizes.check()
    report = score_as_many(request, sizes.draw)
    return judge(report.with_meta(**meta), rules, sizes.drawn)


def _same(request: ScoreRequest) -> ScoreRequest:
    """The request that the options make."""
    return request


_same.__name__ = "gate"  # errors name the function that the user has called
_request = called_with(ScoreRequest, positional=2)(_same)


def _rules(config: Config) -> Rules:
    if isinstance(config, Rules):
        return config
    return rules_from(config) if isinstance(config, Mapping) else read_rules(config)
