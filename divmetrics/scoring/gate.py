"""`gate`: hold samples, or a saved report, against rules; what `divmetrics gate` does, in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from divmetrics.errors import UsageError
from divmetrics.records.results import Report
from divmetrics.report.gate.judge import GateResult, judge
from divmetrics.report.gate.rules import Rules, read_rules, rules_from

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
    rules = _rules(config)
    if report is not None:
        if samples or options:
            raise UsageError("gate: a report is not measured again; give report= and config= alone, or real and fake.")
        return judge(report if isinstance(report, Report) else Report.load(report), rules)
    if len(samples) + len(options.keys() & {"real", "fake"}) != 2:
        raise UsageError("gate: give real and fake to measure them, or report= for a report that was saved.")
    from divmetrics.scoring.score import score  # torch comes with it; a saved report is judged without

    return judge(score(*samples, **{**rules.keywords, **options}), rules)


def _rules(config: Config) -> Rules:
    if isinstance(config, Rules):
        return config
    return rules_from(config) if isinstance(config, Mapping) else read_rules(config)
