"""The result of a gate as a page (table, Markdown) and as JUnit XML for a build server."""

from __future__ import annotations

from xml.etree import ElementTree

from divmetrics.records.printing import printable
from divmetrics.report.gate.judge import GateResult, RuleResult
from divmetrics.report.page import Grid, Page, interval, number


def gate_page(gated: GateResult) -> Page:
    """The result of a gate as a page: a row for each rule.

    Args:
        gated: The judged report.

    Returns:
        The page, for `table.render` or `markdown.render`.
    """
    facts = [("fake", f"{printable(gated.report.fake.source)}, n {gated.report.fake.n}")]
    facts += [("real", f"{printable(gated.report.real.source)}, n {gated.report.real.n}")]
    facts += [("rules", str(gated.rules.path))]
    facts += [("baseline", str(gated.rules.baseline_path))] if gated.rules.baseline_path else []
    facts += [("fact", printable(fact.text)) for fact in gated.report.facts]
    columns = ("rule", "found", "interval", "judged", "expected", "status", "note")
    broken = frozenset(place for place, outcome in enumerate(gated.outcomes) if outcome.status == "fail")
    grid = Grid("", columns, tuple(map(_row, gated.outcomes)), broken).without_empty_columns()
    notes = [f"warning: {printable(text)}" for text in gated.warnings]
    return Page(f"gate {'passed' if gated.passed else 'failed'}", tuple(facts), (grid,), (*notes, *_signatures(gated)))


def _row(outcome: RuleResult) -> tuple[str, ...]:
    """Cells of one rule."""
    found = outcome.found if isinstance(outcome.found, str) else number(outcome.found)
    ends = interval(outcome.interval)
    return (outcome.name, found, ends, _judged(outcome), outcome.expected, outcome.status, printable(outcome.text))


def _judged(outcome: RuleResult) -> str:
    """Which numbers were held against the bounds, `ci_low 0.00020`; empty where there is the value alone."""
    if outcome.interval is None:
        return ""
    return ", ".join(f"{use} {number(value)}" for use, value in outcome.judged)


def _signatures(gated: GateResult) -> list[str]:
    """The signature of each number that was judged."""
    return [str(gated.report.metrics[o.metric].signature) for o in gated.outcomes if o.metric in gated.report.metrics]


def junit(gated: GateResult) -> str:
    """The result of a gate as JUnit XML.

    Args:
        gated: The judged report.

    Returns:
        XML with a test case for each rule; a broken rule of level `error` is a failure, one of level `warn` is skipped.
    """
    counts = {status: sum(o.status == status for o in gated.outcomes) for status in ("fail", "warn")}
    root, suite = _suite(tests=len(gated.outcomes), failures=counts["fail"], skipped=counts["warn"], errors=0)
    for outcome in gated.outcomes:
        case = _case(suite, outcome.name)
        if outcome.status != "pass":
            kind = {"fail": "failure", "warn": "skipped"}[outcome.status]
            judged = f", judged {ends}" if (ends := _judged(outcome)) else ""
            message = f"{outcome.name}: expected {outcome.expected}{judged}; {outcome.text}"
            ElementTree.SubElement(case, kind, {"message": printable(message)})
    return _xml(root)


def error_page(sentence: str) -> Page:
    """The page of a gate that could not judge, with the error `sentence`."""
    return Page("gate could not judge", (), (), (f"error: {printable(sentence)}",))


def error_junit(sentence: str, exit_code: int) -> str:
    """JUnit XML of a gate that could not judge: one test case in error.

    Args:
        sentence: The error.
        exit_code: That of the command.
    """
    root, suite = _suite(tests=1, failures=0, skipped=0, errors=1)
    ElementTree.SubElement(
        _case(suite, "gate"), "error", {"type": f"exit code {exit_code}", "message": printable(sentence)}
    )
    return _xml(root)


def _suite(**totals: int) -> tuple[ElementTree.Element, ElementTree.Element]:
    """The root of a JUnit document, and its only test suite."""
    counts = {name: str(count) for name, count in totals.items()}
    root = ElementTree.Element("testsuites", counts)
    return root, ElementTree.SubElement(root, "testsuite", {"name": "divmetrics gate", **counts})


def _case(suite: ElementTree.Element, name: str) -> ElementTree.Element:
    """A new test case of `suite`."""
    return ElementTree.SubElement(suite, "testcase", {"classname": "divmetrics.gate", "name": printable(name)})


def _xml(root: ElementTree.Element) -> str:
    """The text of a document."""
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
