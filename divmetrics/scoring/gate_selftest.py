"""`gate --selftest`: the rate at which a gate fails for unchanged samples, measured on random halves of the fakes.

One half stands for the baseline, the other for a new draw of the same generator. All noise is sqrt(2) times that of the
full sizes, so thresholds are widened by as much: `max_regression`, and the distance of `min` and `max` from the number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from divmetrics.arrays.share_intervals import clopper_pearson
from divmetrics.records.results import Report
from divmetrics.records.run_options import ScoreRequest
from divmetrics.report.gate.judge import find_key, judge
from divmetrics.report.gate.rules import MODE_RULES, Regression, Rule, Rules
from divmetrics.report.gate.selftest import Selftest
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.gate import check_rules, request_of
from divmetrics.scoring.plan import SideName
from divmetrics.scoring.progress import shown_steps
from divmetrics.scoring.resplits import FACTOR, measured, resplits, sides_of
from divmetrics.scoring.score import filled_meter


def selftest(real: Any, fake: Any, rules: Rules, options: Mapping[str, Any], count: int) -> Selftest:
    """Split unchanged samples at random, and judge one half against the other by rules.

    Args:
        real: The reference samples.
        fake: Samples of one generator.
        rules: The rules; their baseline is replaced by a half of the fakes.
        options: Options of `score`; they come before those of the rules.
        count: How many re-splits.

    Returns:
        How often the gate, and each rule, failed.

    Raises:
        UsageError: The rules are wrong, or name what cannot be measured.
        MeasureError: The samples cannot be read, or are too few to be split into halves.
    """
    check_rules(rules)
    request = request_of((real, fake), rules, options)
    meter = filled_meter(request)
    sides = sides_of(meter, request)
    pairs = []
    with shown_steps(shown=request.progress) as step:
        for number, resplit in enumerate(resplits(sides, count, request.seed), 1):
            step(f"re-split {number} of {count}")
            before = resplit.measured("first", request, null=False, mode_table=False) if rules.baseline else None
            pairs.append((before, resplit.measured("second", request, null=request.null and rules.verdict != "off")))
    adapted = _bounds_at_half_size(rules, _whole(sides, request, rules), [now for _, now in pairs])
    return _judged(adapted, pairs, request)


def _judged(rules: Rules, pairs: Sequence[tuple[Report | None, Report]], request: ScoreRequest) -> Selftest:
    red, by_rule = 0, dict[str, int]()
    for before, now in pairs:
        result = judge(now, rules if before is None else replace(rules, baseline=before))
        red += not result.passed
        for outcome in result.outcomes:
            by_rule[outcome.name] = by_rule.get(outcome.name, 0) + (outcome.status in ("fail", "error"))
    last = pairs[-1][1]
    return Selftest(
        rules.path,
        last.real.source,
        last.fake.source,
        last.real.n or 0,
        last.fake.n or 0,
        len(pairs),
        red,
        clopper_pearson(red, len(pairs)),
        request.alpha,
        by_rule,
    )


def _whole(sides: Mapping[SideName, Collected], request: ScoreRequest, rules: Rules) -> Report | None:
    """The numbers of all samples, where `min` or `max` of a rule are to be moved to half the size."""
    if not any(_is_absolute(rule) for rule in rules.rules):
        return None
    return measured(sides, request, ci_level=0, null=False, mode_table=False)


def _is_absolute(rule: Rule) -> bool:
    return rule.name not in MODE_RULES and (rule.min is not None or rule.max is not None)


def _bounds_at_half_size(rules: Rules, whole: Report | None, halves: Sequence[Report]) -> Rules:
    """The rules with thresholds that are as far away in units of the noise as they are at full size."""
    return replace(rules, rules=tuple(_at_half_size(rule, rules.extractor, whole, halves) for rule in rules.rules))


def _at_half_size(rule: Rule, extractor: str | None, whole: Report | None, halves: Sequence[Report]) -> Rule:
    change = rule.max_regression
    if change is not None:
        rule = replace(rule, max_regression=Regression(change.amount * FACTOR, relative=change.relative))
    if whole is None or not _is_absolute(rule):
        return rule
    key = find_key(whole, rule, extractor)
    now = whole.metrics[key].value
    values = [report.metrics[key].value for report in halves if key in report.metrics]
    known = [value for value in values if value is not None]
    if now is None or not known:  # the rule is an error in each half then, whatever its bounds
        return rule
    centre = sum(known) / len(known)
    moved = [None if bound is None else centre + FACTOR * (bound - now) for bound in (rule.min, rule.max)]
    return replace(rule, min=moved[0], max=moved[1])
