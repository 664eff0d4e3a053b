"""Changes against the baseline: a rule fails on a change that is too large *and* that is no chance, all rules together.

The standard error of a change comes from the intervals of both numbers, its p-value from the normal distribution.
Holm's step-down procedure (1979) over all rules on a change keeps the probability that *any* of them takes chance for a
change at that of one interval, 2.5 % for intervals of 95 %. With one rule: the change exceeds the joint interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from divmetrics.errors import UsageError
from divmetrics.records.results import Result
from divmetrics.report.gate.numbers import check_numbers, exceeds, judged_value, round_off, told_apart
from divmetrics.report.gate.rules import Rule, Rules
from divmetrics.report.gate.sizes import difference_in_words

USUAL_LEVEL = 0.95
"""Level of an interval whose level is not known."""
NORMAL = NormalDist()


@dataclass(frozen=True)
class Change:
    """A number against that of the baseline."""

    value: float
    reference: float
    worse: float
    """How much worse the value is; negative where it is better."""
    allowed: float
    error: float | None
    """Standard error of the change; None where one of the two has no interval."""
    level: float
    """One-sided probability of a false alarm that the intervals allow."""

    @property
    def scale(self) -> float:
        """The size of the terms: the round-off of a difference is that of its terms."""
        return max(abs(self.value), abs(self.reference))

    @property
    def too_large(self) -> bool:
        """Whether the change is beyond what is allowed."""
        return exceeds(self.worse, self.allowed, self.scale)

    @property
    def p(self) -> float:
        """p-value of "no worse than the baseline"; 0 where there are no intervals to judge by."""
        beyond = self.worse - round_off(self.scale)
        if not self.error:
            return 0.0 if beyond > 0 else 1.0
        return 1.0 - NORMAL.cdf(beyond / self.error)

    def noise_floor(self, rules: int, level: float) -> float:
        """The largest change that is chance still, where `rules` rules on a change are judged at `level` together."""
        return 0.0 if not self.error else NORMAL.inv_cdf(1 - level / rules) * self.error

    def in_words(self) -> str:
        """That and how much worse the value is than what is allowed."""
        larger, smaller = told_apart(self.worse, self.allowed)
        return f"{self.value:.4g} is {larger} worse than the baseline's {self.reference:.4g}, allowed is {smaller}"


def change_of(rule: Rule, key: str, now: Result, rules: Rules, ignored: Sequence[str] = ()) -> tuple[Change, str]:
    """The change of one number against the baseline, and a warning about the latter, or an empty text.

    Args:
        rule: Has `max_regression`.
        key: Key of the number.
        now: The number.
        rules: Have the baseline.
        ignored: Fields of signatures that may differ.

    Raises:
        UsageError: The baseline lacks the number, or has another signature.
    """
    before, warning = _baseline_result(rule, key, now, rules, ignored)
    sign = 1 if now.better == "lower" else -1
    value, reference = (judged_value(rule, key, result, pessimistic="value") for result in (now, before))
    assert rule.max_regression is not None  # noqa: S101  by contract
    allowed = rule.max_regression.allowed(reference)
    level = (1 - (now.ci_level or USUAL_LEVEL)) / 2
    return Change(value, reference, sign * (value - reference), allowed, _error(now, before), level), warning


def significant(changes: Sequence[Change], share: float = 1.0) -> list[bool]:
    """Which changes are no chance, by Holm's procedure over all of them.

    Args:
        changes: Those of all rules.
        share: Share of the level to be spent.

    Example:
        >>> one = Change(0.4, 0.5, 0.1, 0.0, error=0.05, level=0.025)
        >>> significant([one]), significant([one, one])
        ([True], [False, False])
    """
    rejected = [False] * len(changes)
    order = sorted(range(len(changes)), key=lambda place: changes[place].p)
    for tested, place in enumerate(order):
        if changes[place].p > share * changes[place].level / (len(changes) - tested):
            break
        rejected[place] = True
    return rejected


def _error(now: Result, before: Result) -> float | None:
    """Standard error of the difference, from the half-widths that face each other."""
    if now.ci is None or before.ci is None or now.value is None or before.value is None:
        return None
    upwards = now.better != "lower"  # where higher is better, the true value may be higher and the true baseline lower
    return math.hypot(
        (now.ci[upwards] - now.value) / _quantile(now), (before.value - before.ci[not upwards]) / _quantile(before)
    )


def _quantile(result: Result) -> float:
    """Normal quantile of the upper end of an interval: 1.96 for one of 95 %."""
    return NORMAL.inv_cdf((1 + (result.ci_level or USUAL_LEVEL)) / 2)


def _baseline_result(rule: Rule, key: str, now: Result, rules: Rules, ignored: Sequence[str]) -> tuple[Result, str]:
    """Result of the baseline for `key`, and a warning. Raises UsageError where there is none, or it is another one."""
    assert rules.baseline is not None  # noqa: S101  checked by the callers
    try:
        before = rules.baseline[key if key in rules.baseline.metrics else rule.name]
    except UsageError as error:
        raise error.within(f"baseline {rules.baseline_path}") from None
    if before.value is None:
        raise UsageError(f"baseline {rules.baseline_path}: {key} could not be computed there; make a new baseline.")
    check_numbers(before, f"baseline {rules.baseline_path}: {key}")
    if now.signature.differences(before.signature).keys() - set(ignored):
        raise UsageError(f"{key} has {difference_in_words(now.signature, before.signature, rules)}")
    if now.signature.version == before.signature.version:
        return before, ""
    versions = f"divmetrics {before.signature.version}, the report by {now.signature.version}"
    return before, f"{rules.baseline_path} was made by {versions}."
