"""A report with exhibits of every kind, and pictures of its samples."""

import base64
from collections.abc import Callable
from dataclasses import replace

import pytest

from divmetrics.records.comparison import Comparison
from divmetrics.records.exhibits import Exhibits, Gallery, GalleryRow, Pictures, Shown
from divmetrics.records.facts import Fact
from divmetrics.records.null_band import NullBand
from divmetrics.records.results import Mode, Report, Result
from divmetrics.records.verdict import Finding, Verdict

GIF = (
    "data:image/gif;base64,"
    + base64.b64encode(
        b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00"
        b"\x01\x00\x00\x02\x02D\x01\x00;"
    ).decode()
)


@pytest.fixture
def pictures() -> dict[tuple[str, int], str]:
    return {(side, number): GIF for side in ("real", "fake") for number in range(40)}


@pytest.fixture
def shown_report(make_result: Callable[..., Result], make_report: Callable[..., Report], exhibits: Exhibits) -> Report:
    """What a page can show, all of it."""
    finding = Finding(
        "dropped_modes", 0.001, 0.5, "share of the real samples", "Modes with 50.0% are missing: cat.",
        ("recall@efficientnet-lite0", "gone@features"), ("thin",), ("cat/1.png",), ("cat",), "Usual causes: guidance.",
    )  # fmt: skip
    return make_report(
        make_result("recall", 0.41, ci=(0.38, 0.44), ci_level=0.95, null=NullBand(0.71, 0.68, 0.74, p=0.005, draws=32),
                    warnings=("recall: one sample decides",)),
        make_result("fid", 12.0, better="lower", range=(0.0, None), params={}, ci=(10.0, 14.0), ci_level=0.95),
        verdict=Verdict("collapsed", 0.01, (finding,), 0.1, "collapsed, at 0.01: modes are missing.", None, "x"),
        facts=(Fact("identical_files", "fake", 27, "27 of the 80 fake files are identical to others."),),
        modes=(Mode(0, "cat", 0.5, 0.0, 1e-9, "missing"), Mode(1, "dog", 0.5, 1.0, 1.0, "present")),
        exhibits=exhibits,
    )  # fmt: skip


@pytest.fixture
def bare_report(shown_report: Report) -> Report:
    """The same without exhibits."""
    return replace(shown_report, exhibits=None)


@pytest.fixture
def shown_comparison(
    compared: Callable[..., Comparison], shown_report: Report, pictures: dict[tuple[str, int], str]
) -> tuple[Comparison, list[Pictures]]:
    """A comparison whose generators have galleries, and their pictures."""
    found, exhibits = compared(), shown_report.exhibits
    assert exhibits is not None
    row = GalleryRow("", (Shown("real", 5, "real-5.png", 0.5),), (Shown("fake", 6, "fake-6.png", 0.5),))
    grid = Gallery("grid", "Samples", "By the seed.", (row,))
    brief = Exhibits((exhibits.galleries[0], grid), notes=exhibits.notes)
    reports = tuple(replace(report, exhibits=brief, modes=shown_report.modes) for report in found.reports)
    return replace(found, reports=reports), [Pictures(pictures)] * len(reports)
