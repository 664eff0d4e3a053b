"""Tables at every width: no digit of a number is cut, no column and no note is lost, bad rows are marked."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from divmetrics.records.null_band import NullBand
from divmetrics.records.results import Report, Result
from divmetrics.report import gated, markdown, table
from divmetrics.report.gate.judge import judge
from divmetrics.report.gate.rules import Rule, Rules
from divmetrics.report.page import Grid, Page, report_page

WIDTHS = (*range(40, 130, 3), 150, 199, 200)
NUMBER = r"[\d.e+<-]*\d[\d.e+-]*"


@pytest.fixture
def report(make_report: Callable[..., Report], make_result: Callable[..., Result]) -> Report:
    band = NullBand(
        0.9, 0.88, 0.95, p=0.00005, draws=50, method="real samples", n_real=200, n_fake=200, split=(200, 200)
    )
    long = {"coef0": 1.0, "degree": 3, "gamma": None, "subset_size": 1000, "subsets": 0}
    return make_report(
        make_result("kid", 0.006276, ci=(0.0051234, 0.0071234), ci_level=0.95, better="lower", params=long),
        make_result("recall", 0.41, ci=(0.38, 0.44), ci_level=0.95, null=band),
        make_result("precision", 0.92, ci=(0.91, 0.93), ci_level=0.95, null=band, warnings=("a note of some length",)),
        make_result("fid", 123456.7, ci=(1e-9, 123456789.0), ci_level=0.95, better="lower"),
        make_result("inception_score", 11.23678, ci=(11.1, 11.4), ci_level=0.95, extras={"std": 0.0951}),
    )


def test_no_number_is_cut_at_any_width(report: Report) -> None:
    page = report_page(report)
    cells = " ".join(cell for row in page.grids[0].rows for cell in row[1:])
    numbers = set(re.findall(NUMBER, cells))
    assert {"0.006276", "<0.0001", "123457", "1.00e-09", "0.09510"} <= numbers
    for width in WIDTHS:
        text = table.render(page, width)
        assert max(map(len, text.splitlines())) <= width
        assert not numbers - set(re.findall(NUMBER, text)), width
        assert "[1] precision: a note of some length" in " ".join(text.split())
        assert "subset_size:1000" in text
        assert all(name in text for name in ("kid", "recall", "precision", "fid", "inception_score"))
        assert {"lower", "higher"} <= set(re.findall(r"\w+", text))


def test_rows_that_are_worse_than_real_samples_are_marked_without_colour(report: Report) -> None:
    page = report_page(report)
    for width in (40, 80, 120):
        lines = table.render(page, width).splitlines()
        assert [line.split()[1] for line in lines if line.startswith("! ")] == ["recall", "worse"]
    assert "| **!** `recall` |" in markdown.render(page)
    assert "| `precision` |" in markdown.render(page)


def test_broken_rules_are_marked(make_report: Callable[..., Report], make_result: Callable[..., Result]) -> None:
    report = make_report(make_result("recall", 0.41), make_result("fid", 9.0, better="lower"))
    page = gated.gate_page(judge(report, Rules(Path("r.toml"), (Rule("recall", min=0.4), Rule("fid", max=8.0)))))
    for width in WIDTHS:
        text = table.render(page, width)
        assert max(map(len, text.splitlines())) <= width
        assert [line.split()[1] for line in text.splitlines() if line.startswith("! ")] == ["fid"]
        assert all(word in text.split() or f"{word}," in text.split() for word in ("0.4100", "9", "FAIL", "PASS"))
    assert "| **!** `fid` |" in markdown.render(page)


def test_words_are_broken_only_where_a_line_is_too_short_for_them() -> None:
    name, path = "x" * 30, "/a/" + "long/" * 30
    grid = Grid("", ("name", "state", "text"), ((name, path, "0.123456789 and 0.987654321"),))
    for width in WIDTHS:
        text = table.render(Page("t", (), (grid,), ()), width)
        assert {"0.123456789", "0.987654321", name} <= set(text.split())
        assert path in "".join(re.sub(r"0\.\d+|and|state|text|x", "", text).split())


def test_wide_characters_take_two_places() -> None:
    grid = Grid("", ("name", "value"), (("模式" * 9, "0.123456"), ("b", "1")))
    for width in (40, 44, 48, 60):
        lines = table.render(Page("t", (), (grid,), ()), width).splitlines()
        assert any("0.123456" in line.split() for line in lines)
        assert any("模式" * 9 in line for line in lines)


def test_narrower_terminals_get_lines_of_forty(report: Report) -> None:
    assert table.render(report_page(report), 5) == table.render(report_page(report), 40)
