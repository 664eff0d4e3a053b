"""Conditions such as `recall=">= 0.4"` or `verdict="healthy"`: the rules of a gate as arguments of a function."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, get_args

from divmetrics.errors import MeasureError, UnknownName, UsageError
from divmetrics.records.results import Report
from divmetrics.records.verdict import State
from divmetrics.report.gate.judge import judge_saved
from divmetrics.report.gate.outcomes import RuleResult
from divmetrics.report.gate.rules import MODE_RULES, Rules, rules_from

STATES: tuple[str, ...] = get_args(State)
DEFAULT_VERDICT = "!= collapsed"
"""What is asked of the verdict where nothing else is, as by a gate."""
_BOUND = re.compile(r"(>=|<=|>|<)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_STATE = re.compile(r"(==|!=)?\s*(\w+)")


@dataclass(frozen=True)
class Conditions:
    """What a report must fulfil."""

    bounds: Mapping[str, str]
    """Name of a metric or of a count of modes -> its condition in words, `>= 0.4, < 0.9`."""
    rules: Rules | None
    """The bounds as the rules of a gate; None where there are none."""
    exclusive: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    """Name -> bounds, lower and upper, that the number itself must not reach: those of `>` and `<`."""
    states: tuple[str, ...] | None = None
    """States that the verdict may have; None where any will do."""
    asked: bool = True
    """Whether the caller named these states, so that a report without a verdict is refused."""

    def judged(self, report: Report) -> list[RuleResult]:
        """One result for each condition, the verdict's first.

        Raises:
            UsageError: The report lacks what a condition names.
            MeasureError: A number that decides could not be computed.
        """
        judged = None if self.rules is None else judge_saved(report, self.rules)
        self._check_possible(report)
        if judged is not None and judged.error is not None:
            raise MeasureError(judged.error)
        results = [] if judged is None else judged.outcomes
        return [*self._verdict(report), *(self._strictly(result) for result in results)]

    def _check_possible(self, report: Report) -> None:
        """Raise UsageError for a `>` at the end of what the metric can be, or a `<` at its beginning."""
        for name, (low, high) in self.exclusive.items():
            least, most = next(
                (r.range for r in report.metrics.values() if r.metric == re.split("[:@]", name)[0]), (None, None)
            )
            if (low is not None and low == most) or (high is not None and high == least):
                wanted = f"at most {most:g}" if low == most else f"at least {least:g}"
                raise UsageError(
                    f"{name}={self.bounds[name]!r} can hold for no number, for it is {wanted}; write >= or <=."
                )

    def _verdict(self, report: Report) -> Iterator[RuleResult]:
        if self.states is None or (report.verdict is None and not self.asked):
            return
        if report.verdict is None:
            raise UsageError("the report has no verdict, which comes with null bands; measure it without null=False.")
        state = report.verdict.state
        text = "" if state in self.states else report.verdict.text or state
        expected = " or ".join(self.states)
        yield RuleResult("verdict", "verdict", "error", expected, state, None, (), "fail" if text else "pass", text)

    def _strictly(self, result: RuleResult) -> RuleResult:
        """`result`, which a number that equals an exclusive bound does not pass."""
        low, high = self.exclusive.get(result.name, (None, None))
        expected = self.bounds[result.name]
        numbers = dict(result.judged)
        for bound, end, side in ((low, "ci_low", "above"), (high, "ci_high", "below")):
            number = numbers.get(end, numbers.get("value"))
            if bound is None or number is None or result.status != "pass":
                continue
            if not (number > bound if side == "above" else number < bound):
                result = replace(result, status="fail", text=f"{number:.4g} is not {side} {bound:g}")
        return replace(result, expected=expected)


def conditions_of(given: Mapping[str, Any]) -> Conditions:
    """Read conditions.

    Args:
        given: Name -> condition. A metric, `missing_modes` or `thinned_modes` has bounds: one of `>=`, `<=`, `>` and
            `<` with a number, or a lower and an upper one with a comma between them. `verdict` has a state, with `==`
            or `!=` or alone, or several in a tuple; None is any state.

    Returns:
        The checked conditions. Without `verdict` the verdict must not be `collapsed`.

    Raises:
        UsageError: A condition is malformed, or no number can fulfil it.

    Example:
        >>> conditions_of({"recall": ">= .4", "verdict": "healthy"}).bounds
        {'recall': '>= 0.4'}
    """
    bounds = {name: _bounds(name, condition) for name, condition in given.items() if name != "verdict"}
    words = {name: ", ".join(f"{sign} {number:g}" for sign, number in found) for name, found in bounds.items()}
    table = {name: {_end(sign): number for sign, number in found} for name, found in bounds.items()}
    exclusive = {
        name: (dict(found).get(">"), dict(found).get("<"))
        for name, found in bounds.items()
        if any("=" not in sign for sign, _ in found)
    }
    rules = rules_from({"verdict": "off", "rules": table}, "assert_diverse") if table else None
    states = _states(given.get("verdict", DEFAULT_VERDICT))
    return Conditions(words, rules, exclusive, states, "verdict" in given)


def _end(sign: str) -> str:
    return "min" if sign.startswith(">") else "max"


def _bounds(name: str, condition: Any) -> list[tuple[str, float]]:
    """The signs and numbers of one condition. Raises UsageError where it is malformed or contradicts itself."""
    bound = "<= 0" if name in MODE_RULES else ">= 0.4"
    example = f'{name}="{bound}"' if name.isidentifier() else f'"{name}": "{bound}"'
    if not isinstance(condition, str):
        wanted = f"say on which side of it the number must be, such as {example}"
        raise UsageError(f"{name}={condition!r:.60} is no condition; {wanted}.")
    found = [_BOUND.fullmatch(part.strip()) for part in condition.split(",")]
    bounds = [(match[1], float(match[2])) for match in found if match is not None and isfinite(float(match[2]))]
    if len(bounds) < len(found):
        wanted = f"write >=, <=, > or < and a number, such as {example}, or two of these with a comma between them"
        raise UsageError(f"{name}={condition!r:.60} is no condition; {wanted}.")
    if name in MODE_RULES:
        return [_at_most(name, condition, bounds)]
    if len({_end(sign) for sign, _ in bounds}) < len(bounds):
        raise UsageError(f"{name}={condition!r:.60} bounds one side twice; give one lower and one upper bound at most.")
    if len(bounds) > 1:
        (low_sign, low), (high_sign, high) = sorted(bounds, key=lambda bound: _end(bound[0]), reverse=True)
        if low > high or (low == high and "=" not in {low_sign[-1]} & {high_sign[-1]}):
            raise UsageError(
                f"{name}={condition!r:.60} can hold for no number; give an upper bound above the lower one."
            )
    return bounds


def _at_most(name: str, condition: str, bounds: list[tuple[str, float]]) -> tuple[str, float]:
    """The bound on a number of modes; `< 3` is `<= 2`. Raises UsageError where it is no such bound."""
    sign, most = bounds[0]
    if len(bounds) > 1 or _end(sign) == "min" or most != int(most) or most < (sign == "<"):
        raise UsageError(f'{name}={condition!r:.60} is no bound on a number of modes; write {name}="<= 0", 1, 2, ...')
    return "<=", most - (sign == "<")


def _states(condition: Any) -> tuple[str, ...] | None:
    """The states that a condition on the verdict allows. Raises UsageError, or UnknownName for another state."""
    if condition is None:
        return None
    if isinstance(condition, (tuple, list, set, frozenset)) and condition:
        allowed = {state for one in condition for state in _states(one) or ()}
        return tuple(state for state in STATES if state in allowed)
    match = _STATE.fullmatch(condition.strip()) if isinstance(condition, str) else None
    if match is None:
        wanted = 'write verdict="healthy", verdict="!= collapsed", or several states in a tuple'
        raise UsageError(f"verdict={condition!r:.60} is no condition; {wanted}.")
    if match[2] not in STATES:
        raise UnknownName.of("state of the verdict", match[2], STATES)
    return tuple(state for state in STATES if (state == match[2]) != (match[1] == "!="))
