"""The renderers: a terminal's table, Markdown, csv, JUnit."""

import csv
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from divmetrics.errors import UsageError
from divmetrics.records.results import Report, Result
from divmetrics.report import gated as gated_view
from divmetrics.report import markdown, samples, table
from divmetrics.report.gate.judge import judge
from divmetrics.report.gate.rules import Rule, Rules
from divmetrics.report.page import Grid, Page, report_page


def words(text: str) -> set[str]:
    return set(text.split())


@pytest.mark.parametrize("width", [80, 100, 160])
def test_table_fits_and_keeps_names_and_numbers_whole(rich_report: Report, width: int) -> None:
    text = table.render(report_page(rich_report), width)
    assert max(map(len, text.splitlines())) <= width
    for row in ("fid", "recall", "vendi", "modes_found", "inception_score"):
        line = next(line for line in text.splitlines() if line.startswith(row))
        assert line.split()[1] in {"123.5", "0.4100", "4.500", "7", "-"}
    assert {"efficientnet-lite0#57934424,", "bicubic-aa-224", "90,", "80,", "k:5", "[1]", "10"} <= words(text)


def test_table_is_plain_unless_colour_is_asked_for(rich_report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    page = report_page(rich_report)
    assert "\x1b" not in table.render(page)
    assert "\x1b[" in table.render(page, colour=True)


def test_table_takes_brackets_as_they_are() -> None:
    text = table.render(Page("t", (("fake", "[red]a[/red]"),), (Grid("", ("metric",), (("[b]x",),)),), ("[i]n",)))
    assert all(part in text for part in ("[red]a[/red]", "[b]x", "[i]n"))


def test_markdown_says_the_same(rich_report: Report) -> None:
    page = report_page(rich_report)
    text = markdown.render(page)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [row[0] for grid in page.grids for row in grid.rows]
    assert all(row.count(" | ") == 6 for row in rows[:5])
    assert "efficientnet-lite0\\#57934424" in text
    assert text.startswith("### divmetrics score\n\n- **fake**: out/fake, n 80, 5 skipped\n")


def test_markdown_escapes_what_would_break_the_table() -> None:
    text = markdown.render(Page("t", (), (Grid("", ("metric", "note"), (("a|b", "<x>|*_`"),)),), ()))
    assert text.splitlines()[-1] == "| `a\\|b` | \\<x\\>\\|\\*\\_\\` |"


def test_markdown_calls_nobody() -> None:
    """A class or folder called @team would notify people where the comment is shown; recall@inception would not."""
    names = "@everyone a/@me (@x/y) recall@inception a@ @"
    text = markdown.render(Page("@t", (("fake", names),), (Grid("@g", ("rule",), (("@m",),)),), (names,)))
    assert text.count("@<!-- -->everyone a/@<!-- -->me (@<!-- -->x/y) recall@inception a@ @") == 2
    assert "### @<!-- -->t" in text
    assert "| `@m` |" in text  # in code nobody is called


def test_csv_has_a_line_a_sample(make_report: Callable[..., Report], tmp_path: Path) -> None:
    report = make_report(
        samples={
            "real": {"path": ["a,1.png", "b.png"], "covered": [True, False]},
            "fake": {"path": ["c.png"], "inside": [0.1]},
        }
    )
    samples.write_csv(report, tmp_path / "s.csv")
    with (tmp_path / "s.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["path", "side", "covered", "inside"],
            ["a,1.png", "real", "True", ""],
            ["b.png", "real", "False", ""],
            ["c.png", "fake", "", "0.1"],
        ]
    with pytest.raises(UsageError, match="does not exist"):
        samples.write_csv(report, tmp_path / "no" / "s.csv")


@pytest.fixture
def judged(make_report: Callable[..., Report], make_result: Callable[..., Result]) -> gated_view.GateResult:
    report = make_report(
        make_result("recall", 0.41), make_result("fid", 9.0, better="lower"), make_result("vendi", 4.0)
    )
    rules = (Rule("recall", min=0.4), Rule("fid", max=8.0), Rule("vendi", min=5.0, level="warn"))
    return judge(report, Rules(Path("divmetrics.toml"), rules))


def test_gate_page(judged: gated_view.GateResult) -> None:
    page = gated_view.gate_page(judged)
    assert page.title == "gate failed"
    assert page.grids[0].rows == (
        ("recall", "0.4100", ">= 0.4", "PASS", ""),
        ("fid", "9", "<= 8", "FAIL", "9 is above 8"),
        ("vendi", "4", ">= 5", "WARN", "4 is below 5"),
    )
    first, *options = page.notes
    assert first.startswith("measured with efficientnet-lite0#57934424, preprocessing bicubic-aa-224, n ")
    assert options == ["recall, fid, vendi: pooled k:5"], "what the signatures say"


def test_junit(judged: gated_view.GateResult) -> None:
    root = ElementTree.fromstring(gated_view.junit(judged))  # noqa: S314  our own text
    suite = root.find("testsuite")
    assert suite is not None
    assert {key: suite.get(key) for key in ("tests", "failures", "skipped", "errors")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
        "errors": "0",
    }
    found = {case.get("name"): [child.tag for child in case] for case in suite.iter("testcase")}
    assert found == {"recall": [], "fid": ["failure"], "vendi": ["skipped"]}
    failure = next(suite.iter("failure"))
    assert failure.get("message") == "fid: expected <= 8; 9 is above 8"


def test_the_judged_end_of_the_interval_is_shown(
    make_report: Callable[..., Report], make_result: Callable[..., Result]
) -> None:
    report = make_report(make_result("ndb", 0.00105, ci=(0.0002, 0.0055)), make_result("vendi", 4.0))
    rules = (Rule("ndb", min=0.4), Rule("vendi", min=5.0))
    page = gated_view.gate_page(judged := judge(report, Rules(Path("divmetrics.toml"), rules)))
    place = page.grids[0].columns.index("judged")
    assert [row[place] for row in page.grids[0].rows] == ["ci_low 0.0002000", ""]
    assert "| ci\\_low 0.0002000 |" in markdown.render(page)
    assert "ci_low" in table.render(page, 80)
    assert "expected &gt;= 0.4, judged ci_low 0.0002000; 0.0002 is below 0.4" in gated_view.junit(judged)


def test_parameters_stand_below_a_table_that_is_too_wide() -> None:
    columns = ("metric", "value", "parameters", "note")
    rows = (
        ("recall", "0.5", "pooled k:5 ties:open", "a"),
        ("coverage", "0.6", "pooled k:5 ties:open", "b"),
        ("emd", "1", "pooled", ""),
    )
    page = Page("title", (), (Grid("", columns, rows),), ())
    assert "parameters" in table.render(page, 80)
    lines = table.render(page, 40).splitlines()
    assert lines[-2:] == ["recall, coverage: pooled k:5 ties:open", "emd: pooled"]
    assert "parameters" not in lines[2]
