"""Judgement of a report by the rules of a gate.

A rule that cannot be judged is an error, never a pass.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from divmetrics._version import __version__
from divmetrics.errors import MeasureError, UnknownName, UsageError
from divmetrics.records.results import Report, Result
from divmetrics.report.gate.rules import Rule, Rules
from divmetrics.report.gate.sizes import difference_in_words

SCHEMA = "divmetrics.gate/1"

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-6, 1e-12
"""A bound is broken beyond these only: the round-off of float32 features, and of a sum that should be 0."""
TOTALS = {"modes_found": "modes_total"}
"""Metrics whose values are whole numbers -> the further number of the result that says how large they can be."""

ABOUT_MODES = ("modes_found", "effective_modes", "mode_kl", "mode_tv", "unseen_mass")
"""Metrics that the missing modes explain."""
NAMED = 20
"""Most missing modes that are named."""

Status = Literal["pass", "fail", "warn"]


@dataclass(frozen=True)
class RuleResult:
    """Result of one rule."""

    name: str
    """Name of the rule, as in the rule file."""
    metric: str
    """Key of the number in the report; `verdict` for the verdict."""
    level: str
    """`error` or `warn`."""
    expected: str
    """The rule in words."""
    found: float | str | None
    """The value in the report, or the state of the verdict."""
    interval: tuple[float, float] | None
    """Its confidence interval, where the report has one."""
    judged: tuple[tuple[str, float], ...]
    """The numbers that were held against the bounds, each with what it is: `value`, `ci_low` or `ci_high`."""
    status: Status
    """`fail` for a broken rule of level `error`, `warn` for one of level `warn`."""
    text: str
    """Why it did not pass; empty where it did."""


@dataclass(frozen=True)
class GateResult:
    """Result of a gate: a report judged by rules."""

    report: Report
    rules: Rules
    outcomes: tuple[RuleResult, ...]
    """One for each rule, the verdict's first."""
    warnings: tuple[str, ...]
    """What limits the comparison with the baseline, one sentence each."""

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


def error_json(sentence: str, exit_code: int) -> str:
    """JSON text, schema `divmetrics.gate/1`, of a gate that could not judge: not passed, no rules, and the reason.

    Args:
        sentence: The error.
        exit_code: That of the command: 2 for a wrong request, 3 where the samples could not be measured.
    """
    whole = {
        "schema": SCHEMA,
        "divmetrics": __version__,
        "passed": False,
        "error": sentence,
        "exit_code": exit_code,
        "real": None,
        "fake": None,
        "rules": [],
        "warnings": [],
    }
    return json.dumps(whole, indent=1) + "\n"


def judge(report: Report, rules: Rules, drawn: Mapping[str, str] | None = None) -> GateResult:
    """Judge a report by rules.

    Args:
        report: The report.
        rules: The rules, with their baseline.
        drawn: Side of which fewer samples were drawn, to compare as many as the baseline has -> a sentence for the
            warnings.

    Returns:
        One result for each rule, and warnings.

    Raises:
        UsageError: where the report lacks what a rule names, or the baseline has another signature.
        MeasureError: where a metric of a rule of level `error` could not be computed.
    """
    drawn = drawn or {}
    warnings = [*drawn.values(), *(_reference_warning(report, rules) if "real" not in drawn else ())]
    outcomes = [
        *_apply_verdict_rule(report, rules),
        *(_apply_rule(rule, report, rules, warnings) for rule in rules.rules),
    ]
    if any(report.metrics[outcome.metric].metric in ABOUT_MODES for outcome in outcomes if outcome.metric != "verdict"):
        warnings += _about_classes(report)
    return GateResult(report, rules, tuple(outcomes), tuple(dict.fromkeys(warnings)))


def _about_classes(report: Report) -> Iterator[str]:
    """Where the classes come from that rules judge, where that needs saying."""
    about = report.meta.get("classes")
    if isinstance(about, dict) and isinstance(about.get("text"), str) and about["text"]:
        yield about["text"]


def _reference_warning(report: Report, rules: Rules) -> Iterator[str]:
    """A warning where the baseline was measured on other real samples.

    No error, since the digest of the real samples changes with the names of their files, too.
    """
    digests = {report.real.digest, rules.baseline.real.digest} if rules.baseline is not None else {None}
    if None not in digests and len(digests) > 1 and rules.baseline is not None:
        yield f"{rules.baseline_path} was measured against other real samples, {rules.baseline.real.source}."


def _apply_verdict_rule(report: Report, rules: Rules) -> Iterator[RuleResult]:
    """Result of the rule on the verdict; nothing where it is off, or neither rules nor report have one."""
    if rules.verdict == "off" or (rules.verdict is None and report.verdict is None):
        return
    if report.verdict is None:
        raise UsageError(f'{rules.path} asks for the verdict and the report has none; set verdict = "off".')
    level = rules.verdict or "error"
    state = report.verdict.state
    text = "" if state != "collapsed" else "the generator has collapsed"
    yield RuleResult("verdict", "verdict", level, "not collapsed", state, None, (), _status(level, text), text)


def _apply_rule(rule: Rule, report: Report, rules: Rules, warnings: list[str]) -> RuleResult:
    """Result of one rule; warnings about the baseline are appended to `warnings`."""
    key = _find_key(report, rule, rules.extractor)
    result, judged = report.metrics[key], dict[str, float]()
    if result.value is None:
        text = f"{key} could not be computed: {'; '.join(result.warnings) or 'the report does not say why'}"
        if rule.level == "error":
            raise MeasureError(f"{text}.")
    else:
        _check_numbers(result, key)
        broken = [*_violated_bounds(rule, key, result), *_regressions(rule, key, result, rules, warnings)]
        text = "; ".join([*broken, *(_missing_modes(report, result) if broken else ())])
        judged = _judged_numbers(rule, key, result)
    status = _status(rule.level, text)
    return RuleResult(
        rule.name, key, rule.level, rule.expected, result.value, result.ci, tuple(judged.items()), status, text
    )


def _check_numbers(result: Result, name: str) -> None:
    """Raise UsageError where a number of `result` cannot be compared with a bound: not finite, or ends in disorder."""
    for what, number in zip(("value", "ci_low", "ci_high"), (result.value, *(result.ci or ())), strict=False):
        if number is not None and not math.isfinite(number):
            raise UsageError(f"{name}: {what} is {number}, which is not finite and cannot be judged; measure it again.")
    if result.ci is not None and result.ci[0] > result.ci[1]:
        raise UsageError(f"{name}: the interval {list(result.ci)} ends below its begin; measure it again.")


def _judged_numbers(rule: Rule, key: str, result: Result) -> dict[str, float]:
    """The numbers of `result` that the bounds of `rule` are held against, by what they are."""
    asked = {"ci_low": rule.min, "ci_high": rule.max, "value": rule.max_regression}
    uses = [_use(rule, result, end) for end, bound in asked.items() if bound is not None]
    return {use: _number_of(rule, key, result, use) for use in uses}


def _missing_modes(report: Report, result: Result) -> Iterator[str]:
    """The names of the missing modes, where `result` is about modes."""
    if result.metric not in ABOUT_MODES:
        return
    names = [mode.name for mode in report.modes if mode.state in ("missing", "unseen")]
    absent = result.extras.get("missing")
    if absent is not None:  # the modes of the report may be clusters, with numbers of their own
        by_number = {mode.id: mode.name for mode in report.modes if not mode.exemplars}
        same = len(report.modes) == result.extras.get("modes_total")
        names = [
            which if isinstance(which, str) else by_number.get(which, f"class {which}") if same else f"class {which}"
            for which in absent
        ]
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield f"missing modes: {', '.join(names[:NAMED])}{more}"


def _status(level: str, complaint: str) -> Status:
    """Status of a rule; `complaint` says how it is broken, empty where it is not."""
    if not complaint:
        return "pass"
    return "fail" if level == "error" else "warn"


def _find_key(report: Report, rule: Rule, extractor: str | None) -> str:
    """Key of the result that the rule names. Raises UsageError where there is none, or more than one."""
    spec, _, named = rule.name.partition("@")
    keys = _keys_of_metric(report, spec)
    allowed = [named] if named else [*extractor.split(","), "features", "labels"] if extractor else None
    matching = [key for key in keys if allowed is None or report.metrics[key].extractor in allowed]
    if len(matching) > 1:
        raise UsageError(f"rule {rule.name!r} fits {', '.join(matching)}; call the rule by one of these.")
    if keys and not matching:
        raise UsageError(
            f"rule {rule.name!r} asks for extractor {named or extractor}; the report has {', '.join(keys)}."
        )
    if not keys:
        raise UnknownName.of("metric in the report", rule.name, [*report.metrics, *map(_metric_of, report.metrics)])
    return matching[0]


def _keys_of_metric(report: Report, spec: str) -> list[str]:
    """Keys of the results of the metric `spec`; `recall:k=3` also matches `recall` measured with k=3."""
    exact = [key for key in report.metrics if _metric_of(key) == spec]
    metric, *options = spec.split(":")
    if exact or not options:
        return exact
    same = [key for key, result in report.metrics.items() if result.metric == metric]
    return [key for key in same if {f"{o}={v}" for o, v in report.metrics[key].params.items()}.issuperset(options)]


def _metric_of(key: str) -> str:
    """Metric of a key, without the extractor."""
    return key.partition("@")[0]


def _violated_bounds(rule: Rule, key: str, result: Result) -> Iterator[str]:
    """How `min` and `max` are violated, in words."""
    if rule.min is not None and _exceeds(rule.min, low := _judged_value(rule, key, result, pessimistic="ci_low")):
        yield "{} is below {}".format(*_told_apart(low, rule.min))
    if rule.max is not None and _exceeds(high := _judged_value(rule, key, result, pessimistic="ci_high"), rule.max):
        yield "{} is above {}".format(*_told_apart(high, rule.max))


def _exceeds(larger: float, smaller: float, scale: float = 0.0) -> bool:
    """Whether `larger` exceeds `smaller` beyond round-off of numbers of their size, or of the size `scale`."""
    size = max(abs(larger), abs(smaller), scale)
    return larger - smaller > max(RELATIVE_TOLERANCE * size, ABSOLUTE_TOLERANCE)


def _told_apart(first: float, second: float) -> tuple[str, str]:
    """Two different numbers in 4 significant digits, or as many more as it takes to tell them apart."""
    for digits in range(4, 18):
        texts = f"{first:.{digits}g}", f"{second:.{max(digits, 6)}g}"
        shown = [float(text) for text in texts]
        if shown[0] != shown[1] and (shown[0] < shown[1]) == (first < second):
            break
    return texts


def _judged_value(rule: Rule, key: str, result: Result, pessimistic: str) -> float:
    """The number of `result` that the rule judges: its value or an end of its interval."""
    return _number_of(rule, key, result, _use(rule, result, pessimistic))


def _use(rule: Rule, result: Result, pessimistic: str) -> str:
    """What the rule reads of `result`: `value`, `ci_low` or `ci_high`; `pessimistic` is the end that would fail."""
    if rule.use != "pessimistic":
        return rule.use
    return "value" if result.ci is None else pessimistic


def _number_of(rule: Rule, key: str, result: Result, use: str) -> float:
    """The value of `result`, or an end of its interval. Raises UsageError where it has no interval."""
    assert result.value is not None  # noqa: S101  checked by the callers
    if use == "value":
        return result.value
    if result.ci is None:
        raise UsageError(f"rule {rule.name!r} reads {use} and {key} has no interval; set use to value or pessimistic.")
    return _possible(result, result.ci[use == "ci_high"])


def _possible(result: Result, end: float) -> float:
    """An end of the interval of `result`; for a count, the nearest whole number from 0 to its total."""
    if result.metric not in TOTALS:
        return end
    total = result.extras.get(TOTALS[result.metric], math.inf)
    return float(min(max(round(end), 0), total))


def _regressions(rule: Rule, key: str, now: Result, rules: Rules, warnings: list[str]) -> Iterator[str]:
    """How `max_regression` is violated, in words: a change beyond what is allowed and beyond the joint interval."""
    if rule.max_regression is None or rules.baseline is None:
        return
    before = _baseline_result(rule, key, now, rules, warnings)
    sign = 1 if now.better == "lower" else -1
    value, reference = (_judged_value(rule, key, result, pessimistic="value") for result in (now, before))
    change, allowed = sign * (value - reference), rule.max_regression.allowed(reference)
    size = max(abs(value), abs(reference))  # the round-off of a difference is that of its terms
    if _exceeds(change, allowed, size) and _exceeds(change, _joint_halfwidth(now, before), size):
        larger, smaller = _told_apart(change, allowed)
        yield f"{value:.4g} is {larger} worse than the baseline's {reference:.4g}, allowed is {smaller}"


def _baseline_result(rule: Rule, key: str, now: Result, rules: Rules, warnings: list[str]) -> Result:
    """Result of the baseline for `key`. Raises UsageError where there is none, or its signature differs."""
    assert rules.baseline is not None  # noqa: S101  checked by the callers
    try:
        before = rules.baseline[key if key in rules.baseline.metrics else rule.name]
    except UsageError as error:
        raise error.within(f"baseline {rules.baseline_path}") from None
    if before.value is None:
        raise UsageError(f"baseline {rules.baseline_path}: {key} could not be computed there; make a new baseline.")
    _check_numbers(before, f"baseline {rules.baseline_path}: {key}")
    if now.signature.differences(before.signature):
        raise UsageError(f"{key} has {difference_in_words(now.signature, before.signature, rules)}")
    if now.signature.version != before.signature.version:
        versions = f"divmetrics {before.signature.version}, the report by {now.signature.version}"
        warnings.append(f"{rules.baseline_path} was made by {versions}.")
    return before


def _joint_halfwidth(now: Result, before: Result) -> float:
    """Half-width of the interval of the difference: the half-widths that face each other, added in quadrature."""
    if now.ci is None or before.ci is None or now.value is None or before.value is None:
        return 0.0
    upwards = now.better != "lower"  # where higher is better, the true value may be higher and the true baseline lower
    return math.hypot(now.ci[upwards] - now.value, before.value - before.ci[not upwards])
