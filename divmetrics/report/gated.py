"""The result of a gate as a page (table, Markdown) and as JUnit XML for a build server."""

from __future__ import annotations

from xml.etree import ElementTree

from divmetrics.records.printing import printable
from divmetrics.report.gate.outcomes import GateResult, RuleResult
from divmetrics.report.gate.selftest import Selftest
from divmetrics.report.gate.start import RULES_RATE, Start
from divmetrics.report.page import Grid, Page, interval, measured_on, metric_name, number, parameters

COUNTED = {"failure": "failures", "error": "errors", "skipped": "skipped"}
"""Element of a test case -> the attribute of its suite that counts them."""
EXPLAINED = (
    "noise is the standard deviation of the difference of two draws of this generator, by the intervals and by halves "
    f"of the fakes, whichever is larger; the thresholds are so far out that chance breaks any in one gate of "
    f"{1 / RULES_RATE:.0f}."
)
ORDER = ("first", "second")
COULD_NOT_JUDGE = 3
"""Exit code of a gate that could not judge."""


def gate_page(gated: GateResult) -> Page:
    """The result of a gate as a page: a row for each rule, and a second table where it was measured twice.

    Args:
        gated: The judged report.

    Returns:
        The page, for `table.render` or `markdown.render`.
    """
    report, second = gated.report, gated.second
    facts = [("fake", f"{printable(report.fake.source)}, n {report.fake.n}")]
    facts += [("real", f"{printable(report.real.source)}, n {report.real.n}")]
    facts += [("rules", str(gated.rules.path))]
    facts += [("baseline", str(gated.rules.baseline_path))] if gated.rules.baseline_path else []
    facts += [("fact", printable(fact.text)) for fact in report.facts]
    runs = [gated] if second is None else [gated, second]
    grids = tuple(
        _grid(run, f"{name} run, seed {_seed(run)}" if second else "") for run, name in zip(runs, ORDER, strict=False)
    )
    measured = dict.fromkeys(line for run in runs for line in _measured_with(run))
    return Page(_title(gated), tuple(facts), grids, (*gate_notes(gated), *measured))


def gate_notes(gated: GateResult) -> tuple[str, ...]:
    """Why a gate could not judge, and its warnings."""
    runs = [gated] if gated.second is None else [gated, gated.second]
    errors = [f"error: {run.error}" for run in runs[-1:] if run.error is not None and not gated.passed]
    warnings = dict.fromkeys(text for run in runs for text in run.warnings)
    return (*errors, *(f"warning: {printable(text)}" for text in warnings))


def _title(gated: GateResult) -> str:
    """Heading: what became of the gate."""
    if gated.passed:
        return "gate passed" if gated.passed_at_once else "gate passed in the second run"
    if gated.exit_code == COULD_NOT_JUDGE:
        return "gate could not judge"
    return "gate failed" if gated.second is None else "gate failed twice"


def _seed(run: GateResult) -> object:
    return run.report.meta.get("seed", "unknown")


def _grid(run: GateResult, title: str) -> Grid:
    """The rules of one run as a table, the bad ones marked."""
    columns = ("rule", "found", "interval", "judged", "expected", "status", "note")
    broken = frozenset(place for place, outcome in enumerate(run.outcomes) if outcome.status in ("fail", "error"))
    return Grid(title, columns, tuple(map(_row, run.outcomes)), broken).without_empty_columns()


def _row(outcome: RuleResult) -> tuple[str, ...]:
    """Cells of one rule."""
    found = outcome.found if isinstance(outcome.found, str) else number(outcome.found)
    ends = interval(outcome.interval)
    note = printable("; ".join(filter(None, [outcome.text, outcome.note])))
    expected = outcome.expected.removesuffix(" than the baseline")  # which is named above
    return (outcome.name, found, ends, _judged(outcome, found), expected, outcome.status.upper(), note)


def _judged(outcome: RuleResult, beside: str = "") -> str:
    """Which numbers were held against the bounds, `ci_low 0.00020`; empty where there is the value alone.

    A number that stands `beside` it is not said again.
    """
    if outcome.interval is None:
        return ""
    numbers = [(use, number(value)) for use, value in outcome.judged]
    return ", ".join(use if text == beside else f"{use} {text}" for use, text in numbers)


def _measured_with(gated: GateResult) -> list[str]:
    """What the signatures of the judged numbers say: what they share once, then the options of each."""
    report = gated.report
    groups: dict[str, dict[str, list[str]]] = {}
    for key in dict.fromkeys(outcome.metric for outcome in gated.outcomes if outcome.metric in report.metrics):
        result = report.metrics[key]
        signature = result.signature
        shared = f"{measured_on(signature)}, n {signature.n}, seed {signature.seed}, divmetrics {signature.version}"
        names = groups.setdefault(shared, {}).setdefault(parameters(result, report.meta), [])
        names.append(metric_name(key, result))
    return [
        line
        for shared, by_options in groups.items()
        for line in (shared, *(f"{', '.join(names)}: {options}" for options, names in by_options.items() if options))
    ]


def junit(gated: GateResult) -> str:
    """The result of a gate as JUnit XML.

    Args:
        gated: The judged report.

    Returns:
        XML with a test case for each rule: `fail` is a failure, `error` an error; `warn` and `inconclusive` are skipped
        with that word before the message. Rules that fail in a run whose second one passed are skipped, too.
    """
    runs = [("divmetrics.gate", gated)] + ([] if gated.second is None else [("divmetrics.gate.second", gated.second)])
    cases = [(where, outcome) for where, run in runs for outcome in run.outcomes]
    kinds = [_kind(outcome, quarantined=gated.passed and not gated.passed_at_once) for _, outcome in cases]
    counts = {plural: kinds.count(kind) for kind, plural in COUNTED.items()}
    root, suite = _suite(tests=len(cases), **counts)
    for (where, outcome), kind in zip(cases, kinds, strict=True):
        case = _case(suite, outcome.name, where)
        if kind is not None:
            _explain(case, kind, outcome)
    return _xml(root)


def _kind(outcome: RuleResult, *, quarantined: bool) -> str | None:
    """The element that says how a rule did not pass; None where it did."""
    kind = {"pass": None, "fail": "failure", "error": "error"}.get(outcome.status, "skipped")
    return "skipped" if kind is not None and quarantined else kind


def _explain(case: ElementTree.Element, kind: str, outcome: RuleResult) -> None:
    """Add the element `kind` to a test case: in short as its message, in full as its text, which some servers show."""
    judged = f", judged {ends}" if (ends := _judged(outcome)) else ""
    message = f"{outcome.name}: expected {outcome.expected}{judged}; {outcome.text}"
    if kind == "skipped":
        message = f"{outcome.status.upper()}: {message}"
    if kind == "error":
        message = f"{outcome.text}."
    found = outcome.found if isinstance(outcome.found, str) else number(outcome.found)
    lines = [message, f"found {found} {interval(outcome.interval)}".strip(), *filter(None, [outcome.note])]
    element = ElementTree.SubElement(case, kind, {"type": outcome.status, "message": printable(message)})
    element.text = "\n".join(map(printable, lines))


def start_page(start: Start) -> Page:
    """What `gate --init` has chosen and why, as a page that ends in the next commands."""
    report = start.report
    facts = [("rules", str(start.config)), ("baseline", str(start.baseline))]
    facts += [("fake", f"{printable(report.fake.source)}, n {report.fake.n}")]
    facts += [("real", f"{printable(report.real.source)}, n {report.real.n}")]
    facts += [("verdict", f"level {start.verdict}. {start.verdict_why}")]
    rows = tuple(
        (t.rule, number(t.now), "" if t.noise is None else number(t.noise, 2), f"{t.key} {t.bound:g}", t.level)
        for t in start.thresholds
    )
    grid = Grid("", ("rule", "found", "noise", "threshold", "level"), rows).without_empty_columns()
    notes = (EXPLAINED, *start.left_out, f"next: {start.commands[0]}", f"its rate of red: {start.commands[1]}")
    return Page("gate: rules and baseline are written", tuple(facts), (grid,), notes)


def selftest_page(found: Selftest) -> Page:
    """The rate at which a gate fails for unchanged samples, as a page."""
    low, high = (f"{100 * end:.1f}" for end in found.interval)
    facts = (
        (
            "red",
            f"{found.red} of {found.resplits} re-splits, {100 * found.rate:.3g} %, interval of 95 % [{low}, {high}] %",
        ),
        ("accepted", f"{100 * found.alpha:g} %: {'exceeded' if found.exit_code else 'not shown to be exceeded'}"),
        ("fake", f"{printable(found.fake)}, split into two halves of {found.n_fake}"),
        ("real", f"{printable(found.real)}, {found.n_real} in each re-split"),
        ("rules", str(found.path)),
    )
    rows = tuple((name, f"{red} of {found.resplits}") for name, red in found.by_rule.items())
    marked = frozenset(place for place, red in enumerate(found.by_rule.values()) if red)
    note = (
        "Re-splits of the same samples overlap; the interval takes them to be independent. Thresholds are scaled to "
        "halves."
    )
    return Page("gate: unchanged samples", facts, (Grid("", ("rule", "red"), rows, marked),), (note,))


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
    case = _case(suite, "gate", "divmetrics.gate")
    error = ElementTree.SubElement(case, "error", {"type": f"exit code {exit_code}", "message": printable(sentence)})
    error.text = printable(sentence)
    return _xml(root)


def _suite(**totals: int) -> tuple[ElementTree.Element, ElementTree.Element]:
    """The root of a JUnit document, and its only test suite."""
    counts = {name: str(count) for name, count in totals.items()}
    # the schema has `skipped` on suites only
    root = ElementTree.Element("testsuites", {name: count for name, count in counts.items() if name != "skipped"})
    return root, ElementTree.SubElement(root, "testsuite", {"name": "divmetrics gate", **counts})


def _case(suite: ElementTree.Element, name: str, where: str) -> ElementTree.Element:
    """A new test case of `suite`."""
    return ElementTree.SubElement(suite, "testcase", {"classname": where, "name": printable(name)})


def _xml(root: ElementTree.Element) -> str:
    """The text of a document."""
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
