"""Rules on the verdict and on the table of modes: each state of either, and what the messages name."""

import json
from collections.abc import Callable

import pytest

from divmetrics.errors import UsageError
from divmetrics.records.results import Mode, Report
from divmetrics.report import gated as view
from divmetrics.report import markdown
from divmetrics.report.gate.judge import NO_ERROR_RULE
from divmetrics.report.gate.outcomes import GateResult
from divmetrics.report.gate.rules import Rule

Gated = Callable[..., GateResult]
ReportOf = Callable[..., Report]


def modes(**states: str) -> tuple[Mode, ...]:
    return tuple(Mode(i, name, 0.25, 0.0, 0.001, state) for i, (name, state) in enumerate(states.items()))


SOME = modes(cat="missing", dog="thinned", cow="missing", owl="present")


@pytest.mark.parametrize(
    ("name", "most", "level", "status", "text"),
    [
        ("missing_modes", 2, "error", "pass", ""),
        (
            "missing_modes",
            1,
            "error",
            "fail",
            "2 is above 1; missing modes: cat (25 % of the real samples), cow (25 % of the real samples)",
        ),
        (
            "missing_modes",
            0,
            "warn",
            "warn",
            "2 is above 0; missing modes: cat (25 % of the real samples), cow (25 % of the real samples)",
        ),
        ("thinned_modes", 1, "error", "pass", ""),
        ("thinned_modes", 0, "error", "fail", "1 is above 0; thinned modes: dog (25 % of the real samples)"),
    ],
)
def test_modes_are_counted_and_named(
    name: str, most: float, level: str, status: str, text: str, report_of: ReportOf, gated: Gated
) -> None:
    outcome = gated(report_of(modes=SOME), Rule(name, level, max=most, use="value")).outcomes[0]
    assert (outcome.metric, outcome.status, outcome.text, outcome.expected) == ("modes", status, text, f"<= {most}")


def test_modes_that_may_be_missing_are_inconclusive(report_of: ReportOf, gated: Gated) -> None:
    now = report_of(modes=modes(cat="unseen", dog="present"))
    judged = gated(now, Rule("missing_modes", max=0), Rule("thinned_modes", max=0))
    assert [outcome.status for outcome in judged.outcomes] == ["inconclusive", "pass"]
    assert "too few samples to tell whether these modes are missing, too: cat" in judged.outcomes[0].text
    assert judged.passed


def test_many_modes_are_counted(report_of: ReportOf, gated: Gated) -> None:
    now = report_of(modes=modes(**{f"m{i}": "missing" for i in range(30)}))
    assert (
        gated(now, Rule("missing_modes", max=0))
        .outcomes[0]
        .text.endswith("m19 (25 % of the real samples) and others, 30 in all")
    )


def test_a_report_without_modes_is_an_error(report_of: ReportOf, gated: Gated) -> None:
    with pytest.raises(UsageError, match=r"rule 'missing_modes': the report has no table of modes; .* --modes"):
        gated(report_of(), Rule("missing_modes", max=0))


@pytest.mark.parametrize(
    ("state", "verdict", "inconclusive", "status", "exit_code"),
    [
        ("healthy", "error", "warn", "pass", 0),
        ("collapsed", "error", "warn", "fail", 1),
        ("collapsed", "warn", "warn", "warn", 0),
        ("poor_fidelity", "error", "warn", "warn", 0),
        ("inconclusive", "error", "warn", "inconclusive", 0),
        ("inconclusive", "error", "fail", "fail", 1),
        ("inconclusive", "warn", "warn", "inconclusive", 0),
        ("healthy", "error", "fail", "pass", 0),
    ],
)
def test_each_state_of_the_verdict(
    state: str, verdict: str, inconclusive: str, status: str, exit_code: int, report_of: ReportOf, gated: Gated
) -> None:
    now = report_of(state=state, text=f"{state}: because.")
    judged = gated(now, verdict=verdict, inconclusive=inconclusive)
    assert [(o.name, o.found, o.status) for o in judged.outcomes] == [("verdict", state, status)]
    assert judged.exit_code == exit_code
    assert judged.outcomes[0].note == ("" if status == "pass" else "because.")
    assert json.loads(judged.to_json())["rules"][0]["status"] == status
    assert f"| {status.upper()} |" in markdown.render(view.gate_page(judged))


def test_a_gate_that_cannot_fail_says_so(report_of: ReportOf, gated: Gated) -> None:
    now = report_of(state="healthy", modes=SOME)
    rule = Rule("missing_modes", "warn", max=0)
    judged = gated(now, rule, verdict="warn")
    assert judged.warnings == (NO_ERROR_RULE,)
    assert json.loads(judged.to_json())["warnings"] == [NO_ERROR_RULE]
    assert NO_ERROR_RULE in markdown.render(view.gate_page(judged))
    assert gated(now, rule, verdict="error").warnings == ()
    assert gated(now, rule).warnings == (), "a verdict that is there is an error by default"
    assert gated(now, rule, verdict="off").warnings == (NO_ERROR_RULE,)
