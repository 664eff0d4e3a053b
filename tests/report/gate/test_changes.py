"""Rules on a change: effect and significance, all rules of the file together, and thresholds inside the noise."""

from collections.abc import Callable

import numpy as np
import pytest

from divmetrics.records.results import Report, Result
from divmetrics.report.gate.changes import Change, significant
from divmetrics.report.gate.outcomes import GateResult
from divmetrics.report.gate.rules import Regression, Rule

ALLOWED = Regression(0.01, relative=False)


def holm_rejects(p: np.ndarray, level: float) -> np.ndarray:
    """Holm (1979), written as adjusted p-values: the running maximum of (m - i) p_(i)."""
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return (adjusted <= level)[np.argsort(order)]


def test_the_procedure_is_that_of_holm() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        changes = [Change(0, 0, worse, 0.0, 1.0, 0.025) for worse in rng.normal(1.5, 1, 6)]
        p = np.array([change.p for change in changes])
        assert significant(changes) == holm_rejects(p, 0.025).tolist()
        assert significant(changes, 0.5) == holm_rejects(p, 0.0125).tolist()


def test_chance_fails_one_file_in_forty_whatever_the_number_of_rules() -> None:
    """Of 1 or of 20 changes that are chance alone, any is significant in 2.5 %; 20 tests by themselves: in 40 %."""
    rng = np.random.default_rng(1)
    for rules in (1, 20):
        drawn = rng.normal(size=(4000, rules))
        red = sum(any(significant([Change(0, 0, worse, 0.0, 1.0, 0.025) for worse in row])) for row in drawn)
        assert 0.018 < red / len(drawn) < 0.032


def test_more_rules_ask_for_more(
    number: Callable[..., Result], report_of: Callable[..., Report], gated: Callable[..., GateResult]
) -> None:
    """Half-widths of 3 and 4: a joint one of 5. A second rule that holds moves the bar to the quantile of 1.25 %."""
    baseline = report_of(number("recall", 100.0, 3.0), number("coverage", 100.0, 3.0))
    now = report_of(number("recall", 94.5, 4.0), number("coverage", 100.0, 4.0))
    rules = [Rule(name, max_regression=ALLOWED) for name in ("recall", "coverage")]
    assert gated(now, rules[0], baseline=baseline).outcomes[0].status == "fail"
    both = gated(now, *rules, baseline=baseline)
    assert [outcome.status for outcome in both.outcomes] == ["inconclusive", "pass"]
    assert both.passed
    assert both.outcomes[0].text == (
        "94.5 is 5.5 worse than the baseline's 100, allowed is 0.01; chance explains up to 5.72"
    )
    assert both.outcomes[0].noise_floor == pytest.approx(5 * 2.2414 / 1.95996, rel=1e-4)
    assert not gated(
        report_of(number("recall", 94.2, 4.0), number("coverage", 100.0, 4.0)), *rules, baseline=baseline
    ).passed
    half = gated(now, rules[0], baseline=baseline, share=0.5)
    assert half.outcomes[0].status == "inconclusive", "half the level asks for more, too"


def test_a_threshold_inside_the_noise_is_called_that(
    number: Callable[..., Result], report_of: Callable[..., Report], gated: Callable[..., GateResult]
) -> None:
    now = report_of(number("recall", 0.5, 0.03))
    for amount, inside in [(0.02, True), (0.05, False)]:
        rule = Rule("recall", max_regression=Regression(amount, relative=False))
        outcome = gated(now, rule, baseline=now).outcomes[0]
        assert outcome.status == "pass"
        assert ("inside the noise: changes below 0.0424" in outcome.note) == inside
        assert outcome.to_json()["noise_floor"] == pytest.approx(0.0424, rel=1e-2)


def test_a_change_that_fails_is_beyond_the_noise_wherever_the_threshold_is(
    number: Callable[..., Result], report_of: Callable[..., Report], gated: Callable[..., GateResult]
) -> None:
    """`gate --init` puts thresholds outside the noise; a collapsed generator has wide intervals, which is no news."""
    rule = Rule("recall", max_regression=Regression(0.02, relative=False))
    before = report_of(number("recall", 0.5, 0.03))
    failed = gated(report_of(number("recall", 0.2, 0.03)), rule, baseline=before).outcomes[0]
    assert (failed.status, failed.note) == ("fail", "")
    unclear = gated(report_of(number("recall", 0.47, 0.03)), rule, baseline=before).outcomes[0]
    assert unclear.status == "inconclusive"
    assert "max_regression 0.02 is inside the noise" in unclear.note


def test_a_bound_inside_the_interval_is_called_that(
    number: Callable[..., Result], report_of: Callable[..., Report], gated: Callable[..., GateResult]
) -> None:
    now = report_of(number("recall", 0.5, 0.03))
    inside = "min 0.48 is inside the noise, [0.47, 0.53]"
    for bound, use, status, note in [
        (0.48, "value", "pass", inside),
        (0.46, "pessimistic", "pass", ""),
        (0.48, "pessimistic", "fail", "the value 0.5 keeps min 0.48, its interval [0.47, 0.53] does not"),
        (0.52, "pessimistic", "fail", ""),
        (0.52, "value", "fail", ""),
        (0.54, "value", "fail", ""),
    ]:
        outcome = gated(now, Rule("recall", min=bound, use=use)).outcomes[0]
        assert (outcome.status, outcome.note.startswith(note) if note else not outcome.note) == (status, True)


def test_a_change_that_fails_is_not_said_to_be_inside_the_noise(
    number: Callable[..., Result], report_of: Callable[..., Report], gated: Callable[..., GateResult]
) -> None:
    rule = Rule("recall", max_regression=Regression(0.02, relative=False))
    before = report_of(number("recall", 0.5, 0.03))
    for value, status, said in [(0.3, "fail", False), (0.47, "inconclusive", True), (0.49, "pass", True)]:
        outcome = gated(report_of(number("recall", value, 0.03)), rule, baseline=before).outcomes[0]
        assert (outcome.status, "inside the noise" in outcome.note) == (status, said)
        assert outcome.noise_floor == pytest.approx(0.0424, rel=1e-2)


def test_without_intervals_chance_may_decide_and_the_rule_says_so(
    number: Callable[..., Result], report_of: Callable[..., Report], gated: Callable[..., GateResult]
) -> None:
    rule = Rule("recall", max_regression=ALLOWED)
    outcome = gated(report_of(number("recall", 0.4)), rule, baseline=report_of(number("recall", 0.5, 0.1))).outcomes[0]
    assert (outcome.status, outcome.noise_floor) == ("fail", None)
    assert "no interval here or in the baseline" in outcome.note
