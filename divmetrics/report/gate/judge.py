"""A report held against its rules: passed or failed, in a blink and without torch.

A rule that cannot be judged is never a pass: what the rules ask and the report lacks is an error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from divmetrics.errors import MeasureError, UnknownName, UsageError
from divmetrics.records.results import Report, Result
from divmetrics.report.gate.rules import Rule, Rules

SCHEMA = "divmetrics.gate/1"

Status = Literal["pass", "fail", "warn"]


@dataclass(frozen=True)
class Outcome:
    """One rule, judged."""

    name: str
    metric: str
    """Key of the number in the report; `verdict` for the verdict."""
    level: str
    expected: str
    found: float | str | None
    interval: tuple[float, float] | None
    status: Status
    text: str
    """Why it did not pass; empty where it did."""


@dataclass(frozen=True)
class Gated:
    """A report held against its rules."""

    report: Report
    rules: Rules
    outcomes: tuple[Outcome, ...]
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether no rule of level `error` is broken."""
        return all(outcome.status != "fail" for outcome in self.outcomes)

    def to_json(self) -> str:
        """JSON text, schema `divmetrics.gate/1`."""
        whole = {
            "schema": SCHEMA,
            "divmetrics": self.report.version,
            "passed": self.passed,
            "real": self.report.real.source,
            "fake": self.report.fake.source,
            "rules": [asdict(outcome) for outcome in self.outcomes],
            "warnings": self.warnings,
        }
        return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def judge(report: Report, rules: Rules) -> Gated:
    """`report` held against `rules`.

    Raises UsageError where the report lacks what a rule asks for, or the baseline has another signature; MeasureError
    where a metric that decides could not be computed.
    """
    warnings = [*_other_reals(report, rules)]
    outcomes = [*_judge_verdict(report, rules), *(_judge(rule, report, rules, warnings) for rule in rules.rules)]
    return Gated(report, rules, tuple(outcomes), tuple(dict.fromkeys(warnings)))


def _other_reals(report: Report, rules: Rules) -> Iterator[str]:
    """A warning only: no signature holds the reference, and its digest changes with the mere names of its files."""
    digests = {report.real.digest, rules.baseline.real.digest} if rules.baseline is not None else {None}
    if None not in digests and len(digests) > 1 and rules.baseline is not None:
        yield f"{rules.baseline_path} was measured against other real samples, {rules.baseline.real.source}."


def _judge_verdict(report: Report, rules: Rules) -> Iterator[Outcome]:
    if rules.verdict == "off" or (rules.verdict is None and report.verdict is None):
        return
    if report.verdict is None:
        raise UsageError(f'{rules.path} asks for the verdict and the report has none; set verdict = "off".')
    level = rules.verdict or "error"
    state = report.verdict.state
    text = "" if state != "collapsed" else "the generator has collapsed"
    yield Outcome("verdict", "verdict", level, "not collapsed", state, None, _status(level, text), text)


def _judge(rule: Rule, report: Report, rules: Rules, warnings: list[str]) -> Outcome:
    key = _find(report, rule, rules.extractor)
    result = report.metrics[key]
    if result.value is None:
        text = f"{key} could not be computed: {'; '.join(result.warnings) or 'the report does not say why'}"
        if rule.level == "error":
            raise MeasureError(f"{text}.")
    else:
        text = "; ".join([*_limits(rule, key, result), *_worse(rule, key, result, rules, warnings)])
    return Outcome(rule.name, key, rule.level, rule.expected, result.value, result.ci, _status(rule.level, text), text)


def _status(level: str, complaint: str) -> Status:
    if not complaint:
        return "pass"
    return "fail" if level == "error" else "warn"


def _find(report: Report, rule: Rule, extractor: str | None) -> str:
    """The key in the report that the rule means. Raises UsageError where there is none, or more than one."""
    spec, _, on = rule.name.partition("@")
    keys = _named(report, spec)
    allowed = [on] if on else [*extractor.split(","), "features", "labels"] if extractor else None
    fitting = [key for key in keys if allowed is None or report.metrics[key].extractor in allowed]
    if len(fitting) > 1:
        raise UsageError(f"rule {rule.name!r} fits {', '.join(fitting)}; call the rule by one of these.")
    if keys and not fitting:
        raise UsageError(f"rule {rule.name!r} asks for extractor {on or extractor}; the report has {', '.join(keys)}.")
    if not keys:
        raise UnknownName.of("metric in the report", rule.name, [*report.metrics, *map(_before_at, report.metrics)])
    return fitting[0]


def _named(report: Report, spec: str) -> list[str]:
    """Keys of the metric `spec`; `recall:k=3` also finds a recall that was measured with k=3."""
    exact = [key for key in report.metrics if _before_at(key) == spec]
    metric, *options = spec.split(":")
    if exact or not options:
        return exact
    same = [key for key, result in report.metrics.items() if result.metric == metric]
    return [key for key in same if {f"{o}={v}" for o, v in report.metrics[key].params.items()}.issuperset(options)]


def _before_at(key: str) -> str:
    return key.partition("@")[0]


def _limits(rule: Rule, key: str, result: Result) -> Iterator[str]:
    """What breaks `min` and `max`, in words."""
    if rule.min is not None and (low := _read(rule, key, result, pessimistic="ci_low")) < rule.min:
        yield f"{low:.4g} is below {rule.min:g}"
    if rule.max is not None and (high := _read(rule, key, result, pessimistic="ci_high")) > rule.max:
        yield f"{high:.4g} is above {rule.max:g}"


def _read(rule: Rule, key: str, result: Result, pessimistic: str) -> float:
    """The number of `result` that the rule judges."""
    assert result.value is not None  # noqa: S101  the callers have looked
    use = rule.use if rule.use != "pessimistic" else pessimistic
    if use == "value" or (result.ci is None and rule.use == "pessimistic"):
        return result.value
    if result.ci is None:
        raise UsageError(f"rule {rule.name!r} reads {use} and {key} has no interval; set use to value or pessimistic.")
    return result.ci[use == "ci_high"]


def _worse(rule: Rule, key: str, now: Result, rules: Rules, warnings: list[str]) -> Iterator[str]:
    """What breaks `max_regression`, in words: a change for the worse beyond what is allowed and beyond chance."""
    if rule.max_regression is None or rules.baseline is None:
        return
    before = _comparable(rule, key, now, rules, warnings)
    sign = 1 if now.better == "lower" else -1
    value, reference = (_read(rule, key, result, pessimistic="value") for result in (now, before))
    change, allowed = sign * (value - reference), rule.max_regression.allowed(reference)
    if change > allowed and not math.isclose(change, allowed) and change > _joint_halfwidth(now, before):
        yield f"{value:.4g} is {change:.4g} worse than the baseline's {reference:.4g}, allowed is {allowed:.4g}"


def _comparable(rule: Rule, key: str, now: Result, rules: Rules, warnings: list[str]) -> Result:
    """The baseline's result for `key`. Raises UsageError where there is none or its signature differs."""
    assert rules.baseline is not None  # noqa: S101  the callers have looked
    try:
        before = rules.baseline[key if key in rules.baseline.metrics else rule.name]
    except UsageError as error:
        raise error.within(f"baseline {rules.baseline_path}") from None
    if before.value is None:
        raise UsageError(f"baseline {rules.baseline_path}: {key} could not be computed there; make a new baseline.")
    if different := now.signature.differences(before.signature):
        text = ", ".join(f"{name} {mine!r} against {theirs!r}" for name, (mine, theirs) in different.items())
        raise UsageError(f"{key} has another signature in the baseline {rules.baseline_path}: {text}; make a new one.")
    if now.signature.version != before.signature.version:
        versions = f"divmetrics {before.signature.version}, the report by {now.signature.version}"
        warnings.append(f"{rules.baseline_path} was made by {versions}.")
    return before


def _joint_halfwidth(now: Result, before: Result) -> float:
    """Half-width of the interval of the difference, for independent errors: the two halves that face each other."""
    if now.ci is None or before.ci is None or now.value is None or before.value is None:
        return 0.0
    towards = now.better != "lower"  # a worse higher-is-better number may in truth lie higher, its baseline lower
    return math.hypot(now.ci[towards] - now.value, before.value - before.ci[not towards])
