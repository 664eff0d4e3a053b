"""Rules on the verdict and on the table of modes, and the names of missing modes in other rules' messages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from divmetrics.errors import UsageError
from divmetrics.records.printing import listed
from divmetrics.records.results import Mode, Report, Result
from divmetrics.report.gate.numbers import exceeds
from divmetrics.report.gate.outcomes import RuleResult, Status
from divmetrics.report.gate.rules import MODE_RULES, Rule, Rules
from divmetrics.report.page import mode_shares

ABOUT_MODES = ("modes_found", "effective_modes", "mode_kl", "mode_tv", "unseen_mass")
"""Metrics that the missing modes explain."""
NAMED = 20
"""Most modes that are named."""


def judge_verdict(report: Report, rules: Rules) -> Iterator[RuleResult]:
    """Result of the rule on the verdict; nothing where it is off, or neither rules nor report have one."""
    if rules.verdict == "off" or (rules.verdict is None and report.verdict is None):
        return
    if report.verdict is None:
        raise UsageError(f'{rules.path} asks for the verdict and the report has none; set verdict = "off".')
    level = rules.verdict or "error"
    state, why = report.verdict.state, report.verdict.text
    status: Status = "pass"
    text = note = ""
    if state == "collapsed":
        status, text = ("fail" if level == "error" else "warn"), "the generator has collapsed"
    elif state == "poor_fidelity":
        status, text = "warn", "samples lie where no real ones are; no diversity is lost"
    elif state == "inconclusive":
        status = "fail" if rules.inconclusive == "fail" else "inconclusive"
        text = 'it cannot be told, and inconclusive = "fail"' if status == "fail" else "it cannot be told"
    if status != "pass":
        note = re.sub(rf"^{state}[:,] *", "", why)
    yield RuleResult("verdict", "verdict", level, "not collapsed", state, None, (), status, text, note)


def judge_modes(rule: Rule, report: Report) -> RuleResult:
    """Result of a rule on the number of missing or thinned modes. Raises UsageError without a table of modes."""
    if not report.modes:
        raise UsageError(
            f"rule {rule.name!r}: the report has no table of modes; gate REAL FAKE instead, or score with a preset "
            "(-m quick) or --modes N."
        )
    assert rule.max is not None  # noqa: S101  checked where it is read
    state = MODE_RULES[rule.name]
    found = [mode for mode in report.modes if mode.state == state]
    unseen = [mode for mode in report.modes if mode.state == "unseen"] if state == "missing" else []
    status: Status = "pass"
    text, count = "", float(len(found))
    if exceeds(count, rule.max):
        status = "fail" if rule.level == "error" else "warn"
        text = f"{len(found)} is above {rule.max:g}; {state} modes: {_listed(found)}"
    elif exceeds(len(found) + len(unseen), rule.max):
        status = "inconclusive"
        text = f"too few samples to tell whether these modes are missing, too: {_listed(unseen)}"
    return RuleResult(rule.name, "modes", rule.level, rule.expected, count, None, (("value", count),), status, text)


def _listed(modes: Sequence[Mode]) -> str:
    """Names and shares of modes, those with the largest share of the real samples first."""
    largest = sorted(modes, key=lambda mode: -mode.real_share)
    return listed([f"{mode.name} ({mode_shares(mode)})" for mode in largest], NAMED)


def missing_modes(report: Report, result: Result) -> Iterator[str]:
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
        yield f"missing modes: {listed(names, NAMED)}"
