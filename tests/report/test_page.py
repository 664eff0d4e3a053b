"""The page of a report: every number with what is needed to compare it, and nothing that is unknown."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from divmetrics.records.null_band import NullBand
from divmetrics.records.results import Mode, Report, Result, Side, Skipped
from divmetrics.records.verdict import Finding, Verdict
from divmetrics.report.page import Grid, Page, is_worse, number, printable, report_page


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0"),
        (1.0, "1"),
        (0.41, "0.4100"),
        (-0.000123456, "-0.0001235"),
        (-2.9e-5, "-2.900e-05"),
        (0.0001, "0.0001000"),
        (12.3456, "12.35"),
        (999.96, "1000"),
        (9.99999, "10.00"),
        (123456.7, "123457"),
        (3.2e12, "3.200e+12"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


def cells(page: Page, row: str) -> dict[str, str]:
    for grid in page.grids:
        for found in grid.rows:
            if found[0] == row:
                return dict(zip(grid.columns, found, strict=True))
    raise AssertionError(f"no row {row}")


def test_rows(rich_report: Report) -> None:
    page = report_page(rich_report)
    assert cells(page, "recall") == {
        "metric": "recall",
        "value": "0.4100",
        "95 % interval": "[0.380, 0.440]",
        "reals score": "[0.680, 0.740]",
        "better": "higher",
        "parameters": "pooled k:5",
        "note": "",
    }
    assert cells(page, "vendi")["reals score"] == "9.250"
    assert cells(page, "modes_found")["note"] == "of 10"
    assert cells(page, "inception_score")["value"] == "-"
    assert cells(page, "inception_score")["note"] == "[1]"
    assert cells(page, "kid")["parameters"] == "pooled degree:3 seed:7", "a seed of its own is shown"


def test_columns_that_no_row_fills_are_left_out(
    make_report: Callable[..., Report], make_result: Callable[..., Result]
) -> None:
    (grid,) = report_page(make_report(make_result("recall", 0.5))).grids
    assert grid.columns == ("metric", "value", "better", "parameters")


def test_titles_name_extractor_digest_and_preprocessing(rich_report: Report) -> None:
    titles = [grid.title for grid in report_page(rich_report).grids]
    assert titles == [
        "measured with efficientnet-lite0#57934424, preprocessing bicubic-aa-224",
        "measured on the features as given",
    ]


def test_facts_name_the_sources_and_their_sizes(rich_report: Report) -> None:
    assert report_page(rich_report).facts == (("fake", "out/fake, n 80, 5 skipped"), ("real", "real/, n 90, 2 classes"))


def test_notes(rich_report: Report) -> None:
    assert report_page(rich_report).notes == (
        "[1] inception_score: reads logits, and there are none",
        "Missing modes, 1 of 2: cat (50 % of the real samples).",
        "Skipped in fake, 5: 0.png (truncated), 1.png (truncated), 2.png (truncated) and others, 5 in all.",
        "fid, kid: not comparable with published FID, KID, measured with the 2015 Inception weights.",
        "seed 0, device cpu, engine torch, extract 12.1 s, measure 0.8 s, divmetrics 0.1.0.",
    )


def test_a_published_protocol_is_comparable(
    make_report: Callable[..., Report], make_result: Callable[..., Result]
) -> None:
    ours, theirs = (make_report(make_result("fid", 9.0, literature=flag)) for flag in (False, True))
    assert any("not comparable with published FID" in note for note in report_page(ours).notes)
    assert not any("not comparable" in note for note in report_page(theirs).notes)
    assert not any("not comparable" in note for note in report_page(make_report(make_result("recall", 0.4))).notes)


def test_verdict_is_shown(make_report: Callable[..., Report]) -> None:
    samples = tuple(f"cat/{i}.png" for i in range(5))
    finding = Finding("dropped_modes", 0.005, 0.1, "share", "Cats are gone.", samples=("cat/\x1b[31m.png", *samples))
    report = make_report(verdict=Verdict("collapsed", 0.01, (finding,), 0.1, "collapsed: modes are missing."))
    assert report_page(report).facts[:2] == (
        ("verdict", "collapsed: modes are missing."),
        ("finding", "Cats are gone. See cat/\\x1b[31m.png, cat/0.png, cat/1.png. (p 0.005)"),
    )


def test_long_lists_are_cut(make_report: Callable[..., Report]) -> None:
    report = make_report(modes=tuple(Mode(i, str(i), 0.01, 0.0, 0.0, "missing") for i in range(30)))
    assert report_page(report).notes[0].endswith("19 (1 % of the real samples) and others, 30 in all.")


def test_control_characters_in_a_file_name_are_escaped(make_report: Callable[..., Report]) -> None:
    report = make_report(fake=Side("a\x1b[2J\nb", 80, None, None, (Skipped("c\r", "d\x07"),)))
    told = "".join([*(fact for _, fact in report_page(report).facts), *report_page(report).notes])
    assert told.isprintable()
    assert printable("größe 図.png") == "größe 図.png"


def test_an_empty_grid_keeps_its_shape() -> None:
    assert Grid("t", ("a", "b"), (("1", ""), ("2", ""))).without_empty_columns() == Grid("t", ("a",), (("1",), ("2",)))


def test_metrics_that_fail_for_one_reason_share_a_note(
    make_report: Callable[..., Report], make_result: Callable[..., Result]
) -> None:
    failed = [make_result(name, None, warnings=(f"{name} reads labels", "slow")) for name in ("mode_kl", "mode_tv")]
    page = report_page(make_report(make_result("recall", 0.4, warnings=("slow",)), *failed))
    assert [row[-1] for row in page.grids[0].rows] == ["[1]", "[2] [1]", "[2] [1]"]
    assert page.notes[:2] == ("[1] recall, mode_kl, mode_tv: slow", "[2] mode_kl, mode_tv: reads labels")


def test_modes_are_described_by_their_shares_and_by_exemplars(make_report: Callable[..., Report]) -> None:
    modes = (
        Mode(0, "cluster 0", 0.2, 0.0, 1e-9, "missing", exemplars=("a.png", "b.png", "c.png")),
        Mode(1, "cluster 1", 0.5, 0.1, 1e-9, "thinned"),
        Mode(2, "cluster 2", 0.3, 0.9, 1.0, "present"),
    )
    held_out = Side("test/", 70, None)
    page = report_page(replace(make_report(), modes=modes, held_out=held_out))
    assert page.notes[:2] == (
        "Missing modes, 1 of 3: cluster 0 (20 % of the real samples, like a.png, b.png).",
        "Thinned modes, 1 of 3: cluster 1 (50 % of the real samples, 10 % of the generated).",
    )
    assert page.facts[2] == ("held out", "test/, n 70")


def test_the_p_value_is_shown(make_report: Callable[..., Report], make_result: Callable[..., Result]) -> None:
    bands = [NullBand(0.7, 0.6, 0.8, p=p) for p in (0.005, 1e-12)]
    results = [make_result(name, 0.5, null=band) for name, band in zip(("recall", "precision"), bands, strict=True)]
    page = report_page(make_report(*results))
    assert [cells(page, result.metric)["p"] for result in results] == ["0.005", "<0.0001"]


def test_a_band_at_smaller_sizes_judges_what_the_fakes_have_at_these(make_result: Callable[..., Result]) -> None:
    """FID falls with the number of samples: on all of them it may lie inside a band that holds for halves."""
    for fakes, worse in ((None, False), (115.0, False), (132.9, True)):
        band = NullBand(108.0, 96.8, 120.0, p=0.0001, n_real=146, n_fake=146, split=(146, 146), fakes=fakes)
        assert is_worse(make_result("fid", 117.3, better="lower", null=band)) is worse
