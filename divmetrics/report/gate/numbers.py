"""Which number of a result a rule judges, and when two numbers differ by more than round-off."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from divmetrics.errors import UsageError
from divmetrics.records.results import Result
from divmetrics.records.run_options import CI_LEVELS
from divmetrics.report.gate.rules import Rule, Rules

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-6, 1e-12
"""A bound is broken beyond these only: the round-off of float32 features, and of a sum that should be 0."""
TOTALS = {"modes_found": "modes_total"}
"""Metrics whose values are whole numbers -> the further number of the result that says how large they can be."""


def check_numbers(result: Result, name: str) -> None:
    """Raise UsageError where a number of `result` cannot be compared with a bound: not finite, or no interval."""
    for what, number in zip(("value", "ci_low", "ci_high"), (result.value, *(result.ci or ())), strict=False):
        if number is not None and not math.isfinite(number):
            raise UsageError(f"{name}: {what} is {number}, which is not finite and cannot be judged; measure it again.")
    if result.ci is not None and result.ci[0] > result.ci[1]:
        raise UsageError(f"{name}: the interval {list(result.ci)} ends below its begin; measure it again.")
    low, high = CI_LEVELS
    if result.ci is not None and result.ci_level is not None and not low <= result.ci_level <= high:
        raise UsageError(
            f"{name}: its interval has the level {result.ci_level:g}, not {low:g} to {high:g}; measure it again."
        )


def check_possible(rules: Rules, ranges: Mapping[str, tuple[float | None, float | None]]) -> None:
    """Raise UsageError where no value of a metric could pass a rule.

    Args:
        rules: The rules.
        ranges: Name of a metric -> its least and greatest possible value; None is unbounded.
    """
    for rule in rules.rules:
        metric = re.split("[:@]", rule.name)[0]
        least, most = ranges.get(metric, (None, None))
        if rule.min is not None and most is not None and exceeds(rule.min, most):
            raise UsageError(
                f"{rules.path}: rule {rule.name!r} has min {rule.min:g}, and {metric} is at most {most:g}, so no value "
                "can pass; lower it."
            )
        if rule.max is not None and least is not None and exceeds(least, rule.max):
            raise UsageError(
                f"{rules.path}: rule {rule.name!r} has max {rule.max:g}, and {metric} is at least {least:g}, so no "
                "value can pass; raise it."
            )


def judged_numbers(rule: Rule, key: str, result: Result) -> dict[str, float]:
    """The numbers of `result` that the bounds of `rule` are held against, by what they are."""
    asked = {"ci_low": rule.min, "ci_high": rule.max, "value": rule.max_regression}
    uses = [_use(rule, result, end) for end, bound in asked.items() if bound is not None]
    return {use: _number_of(rule, key, result, use) for use in uses}


def violated_bounds(rule: Rule, key: str, result: Result) -> Iterator[str]:
    """How `min` and `max` are violated, in words."""
    if rule.min is not None and exceeds(rule.min, low := judged_value(rule, key, result, pessimistic="ci_low")):
        yield "{} is below {}".format(*told_apart(low, rule.min))
    if rule.max is not None and exceeds(high := judged_value(rule, key, result, pessimistic="ci_high"), rule.max):
        yield "{} is above {}".format(*told_apart(high, rule.max))


def bounds_in_noise(rule: Rule, result: Result, *, failing: bool) -> Iterator[str]:
    """Which bounds lie strictly inside the interval of the value, so that another draw may be judged otherwise.

    Of a rule that fails it is said only where the value keeps the bound and its interval does not: more samples may
    show that the bound is kept.

    Args:
        rule: The rule.
        result: Its number.
        failing: Whether a bound of the rule is broken.
    """
    for name, bound in (("min", rule.min), ("max", rule.max)):
        if result.ci is None or result.value is None or bound is None or result.metric in TOTALS:
            continue
        low, high = result.ci
        if not (exceeds(bound, low) and exceeds(high, bound)):
            continue
        kept = not (exceeds(bound, result.value) if name == "min" else exceeds(result.value, bound))
        if not failing:
            yield (
                f"{name} {bound:g} is inside the noise, [{low:.3g}, {high:.3g}]: an unchanged generator falls on "
                "either side of it; move it, or measure more samples"
            )
        elif kept:
            yield (
                f"the value {result.value:.4g} keeps {name} {bound:g}, its interval [{low:.3g}, {high:.3g}] does not: "
                "more samples make it narrower"
            )


def exceeds(larger: float, smaller: float, scale: float = 0.0) -> bool:
    """Whether `larger` exceeds `smaller` beyond round-off of numbers of their size, or of the size `scale`.

    Example:
        >>> exceeds(0.5, 0.4), exceeds(0.4 + 1e-9, 0.4)
        (True, False)
    """
    return larger - smaller > round_off(larger, smaller, scale)


def round_off(*sizes: float) -> float:
    """The round-off of a difference of numbers of these sizes."""
    return max(RELATIVE_TOLERANCE * max(map(abs, sizes)), ABSOLUTE_TOLERANCE)


def told_apart(first: float, second: float) -> tuple[str, str]:
    """Two different numbers in 4 significant digits, or as many more as it takes to tell them apart."""
    for digits in range(4, 18):
        texts = f"{first:.{digits}g}", f"{second:.{max(digits, 6)}g}"
        shown = [float(text) for text in texts]
        if shown[0] != shown[1] and (shown[0] < shown[1]) == (first < second):
            break
    return texts


def judged_value(rule: Rule, key: str, result: Result, pessimistic: str) -> float:
    """The number of a result that a rule judges: its value, or an end of its interval.

    Args:
        rule: The rule; `use` says which number.
        key: Key of the result.
        result: The result, with a value.
        pessimistic: The end that counts against the generator, `ci_low` or `ci_high`, where `use` is that.

    Raises:
        UsageError: The rule reads an end, and the result has no interval.
    """
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
