"""What build servers read: JUnit XML by the schema of Jenkins' xUnit plugin, and Markdown that fits a comment."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from divmetrics.records.facts import Fact
from divmetrics.records.results import Mode, Report, Result
from divmetrics.records.verdict import Verdict
from divmetrics.report import gated as view
from divmetrics.report import markdown, table
from divmetrics.report.gate.judge import judge
from divmetrics.report.gate.outcomes import GateResult
from divmetrics.report.gate.rules import Regression, Rule, Rules

TOTALS = {"tests", "failures", "errors"}
RESULT = ({"type", "message"}, set(), set())
JUNIT_10 = {
    "testsuites": (TOTALS | {"name", "time"}, set(), {"testsuite"}),
    "testsuite": (
        TOTALS | {"name", "skipped", "time", "timestamp", "hostname", "id", "package", "file", "log", "url", "group"},
        TOTALS | {"name"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": ({"name", "classname", "time", "group"}, {"name"}, {"skipped", "error", "failure", "system-out"}),
    "failure": RESULT,
    "error": RESULT,
    "skipped": RESULT,
}
"""Element of junit-10.xsd -> attributes that it may have, those that it must have, elements that it may hold."""


def check_junit(text: str) -> ElementTree.Element:
    """The document, which must follow the schema, count right, and hold no case twice (GitLab would show it once)."""
    root = ElementTree.fromstring(text)  # noqa: S314  our own text
    assert root.tag == "testsuites"
    for element in root.iter():
        may, must, children = JUNIT_10[element.tag]
        assert must <= set(element.keys()) <= may, element.tag
        assert {child.tag for child in element} <= children, element.tag
    cases = [*root.iter("testcase")]
    for counted in (root, *root.iter("testsuite")):
        assert counted.get("tests") == str(len(cases))
        for tag, plural in (("failure", "failures"), ("error", "errors")):
            assert counted.get(plural) == str(len([*root.iter(tag)]))
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
    assert all(len(case) <= 1 for case in cases)
    return root


@pytest.fixture
def judged(make_report: Callable[..., Report], make_result: Callable[..., Result]) -> GateResult:
    """All five statuses, under names that mean harm."""
    report = make_report(
        *(make_result(name, 0.4, ci=(0.3, 0.5)) for name in ("a|b", "<b>&]]>", "c`d")),
        make_result("none", None, warnings=("too few | samples\x00",)),
        modes=(Mode(0, "x|y\n<script>\u202e", 0.5, 0.0, 1e-9, "missing"),),
        verdict=Verdict("inconclusive", 0.01, text="inconclusive: 900 samples would decide."),
    )
    rules = (
        Rule("a|b", min=0.1),
        Rule("<b>&]]>", min=0.9),
        Rule("c`d", "warn", min=0.9),
        Rule("none", min=0.9),
        Rule("missing_modes", max=0),
    )
    return judge(report, Rules(Path("divmetrics.toml"), rules))


def test_junit_follows_the_schema_and_keeps_five_statuses_apart(judged: GateResult) -> None:
    root = check_junit(view.junit(judged))
    found = {case.get("name"): [(child.tag, child.get("type")) for child in case] for case in root.iter("testcase")}
    assert found == {
        "verdict": [("skipped", "inconclusive")],
        "a|b": [],
        "<b>&]]>": [("failure", "fail")],
        "c`d": [("skipped", "warn")],
        "none": [("error", "error")],
        "missing_modes": [("failure", "fail")],
    }
    skipped = [element.get("message", "").partition(":")[0] for element in root.iter("skipped")]
    assert skipped == ["INCONCLUSIVE", "WARN"]
    assert all(element.text and element.get("message") in element.text for element in root.iter("failure"))
    assert "x|y\\n<script>\\u202e" in "".join(element.text or "" for element in root.iter("failure"))


def test_junit_of_an_error_follows_the_schema() -> None:
    root = check_junit(view.error_junit("a\x00b <c>", 2))
    assert root.find("testsuite/testcase/error").text == "a\\x00b <c>"


def test_a_second_run_that_passed_leaves_no_failure_in_junit(judged: GateResult) -> None:
    good = replace(judged, outcomes=tuple(o for o in judged.outcomes if o.status in ("pass", "inconclusive")))
    for second, kinds in [(good, {"skipped"}), (judged, {"failure", "error", "skipped"})]:
        both = replace(judged, second=second)
        root = check_junit(view.junit(both))
        assert {child.tag for case in root.iter("testcase") for child in case} == kinds
        page = view.gate_page(both)
        assert [grid.title for grid in page.grids] == ["first run, seed 0", "second run, seed 0"]
        assert page.title == ("gate passed in the second run" if second is good else "gate could not judge")


def test_markdown_shows_each_status_and_escapes_pipes(judged: GateResult) -> None:
    page = markdown.render(view.gate_page(judged))
    lines = [line for line in page.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(view.gate_page(judged).grids[0].columns) + 1}
    assert all(f"| {status} |" in page for status in ("PASS", "FAIL", "WARN", "INCONCLUSIVE", "ERROR"))
    assert "\\<script\\>" in page
    assert "`` c`d ``" in page


def test_markdown_fits_a_comment(make_report: Callable[..., Report], make_result: Callable[..., Result]) -> None:
    """GitHub refuses more than 65,536 characters; broken rules are the last to be left out."""
    names = [f"recall:k={k}" for k in range(1, 801)]
    report = make_report(
        *(make_result(name, 0.4) for name in names),
        facts=tuple(Fact("identical_files", "fake", 2, "x" * 3000) for _ in range(40)),
    )
    rules = tuple(Rule(name, min=0.5 if name == names[700] else 0.1) for name in names)
    page = markdown.render(view.gate_page(judge(report, Rules(Path("divmetrics.toml"), rules))))
    assert len(page) < 65_536 < len("".join(names)) + sum(len(fact.text) for fact in report.facts)
    assert page.startswith("### gate failed\n")
    assert f"`{names[700]}`" in page
    assert "lines are left out" in page


def test_words_of_a_signature_are_not_broken_on_a_narrow_terminal(
    make_report: Callable[..., Report], make_result: Callable[..., Result]
) -> None:
    report = make_report(*(make_result(name, 0.4) for name in ("recall", "precision", "recall:k=3")))
    rules = tuple(Rule(key, min=0.1) for key in report.metrics)
    page = view.gate_page(judge(report, Rules(Path("divmetrics.toml"), rules)))
    words = {word for note in page.notes for word in note.split()}
    assert words <= set(table.render(page, 60).split())
    assert page.notes[1:] == ("recall, precision, recall:k=3: pooled k:5",)
    signature = next(iter(report.metrics.values())).signature
    assert f"n {signature.n}, seed {signature.seed}, divmetrics {signature.version}" in page.notes[0]


def test_changes_fit_a_narrow_terminal(make_report: Callable[..., Report], make_result: Callable[..., Result]) -> None:
    """The baseline and the value are named once, so that no cell is broken into a ribbon."""
    report = make_report(make_result("clipped_density", 0.4, ci=(0.3, 0.5)))
    rule = Rule("clipped_density", max_regression=Regression(0.1, relative=True))
    rules = Rules(Path("divmetrics.toml"), (rule,), baseline=report, baseline_path=Path("baseline.json"))
    lines = table.render(view.gate_page(judge(report, rules)), 80).splitlines()
    (row,) = (line for line in lines if "clipped_density" in line and "PASS" in line)
    assert "  value  " in row
    assert "at most 10 % worse  " in row
