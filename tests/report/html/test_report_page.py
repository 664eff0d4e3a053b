"""The page of a report: all of it is there without script, in one file that requests nothing; names are escaped."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from divmetrics.records.results import Mode, Report, Result, Side, Skipped
from divmetrics.records.verdict import Verdict
from divmetrics.report.html import links
from divmetrics.report.html import render as rendering
from divmetrics.report.html.axes import strip_of
from divmetrics.report.html.modes import MOST_ROWS
from divmetrics.report.html.report_page import KEEP, page_of

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u202e\x1b[31m{{ 7*7 }}"
VOID = {"meta", "link", "img", "input", "br"}
BLOCKS = {"td", "th", "p", "dt", "dd", "div", "li"}


class Reader(HTMLParser):
    """The tags, attributes and text of a page. Elements must close in the order in which they open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.text += " " * (tag in BLOCKS)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1] in {"td", "tr"} and tag not in {"td", "tr"}:  # may be left open in a table
            self.open.pop()
        if tag == "tr" and self.open[-1] == "td":
            self.open.pop()
        assert self.open.pop() == tag, (tag, self.open[-5:])

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text += data


def read(page: tuple[str, Mapping[str, bytes]]) -> Reader:
    return Reader(page[0])


def test_everything_is_there_without_a_script(shown_report: Report, pictures: Mapping[tuple[str, int], str]) -> None:
    found = read(page_of(shown_report, pictures))
    text = " ".join(found.text.split())
    for part in (
        "Collapsed At 0.01: modes are missing.", "50 % of the real samples p 0.001", "Usual causes: guidance.",
        "27 of the 80 fake files", "0.4100", "[0.380, 0.440]", "[0.680, 0.740]", "one sample decides", "cat missing",
        "12.5", "Nearest to real samples.", "labels of 3 samples were left out", "Principal components", "t-SNE",
        "The trade-off.", "1000", "Measure it again", "recall|efficientnet-lite0#57934424|pooled", "sha256:1",
        "! worse than real samples",
    ):  # fmt: skip
        assert part in text, part
    images = [attributes for tag, attributes in found.tags if tag == "img"]
    assert all(image["src"].startswith("data:image/") and "alt" in image for image in images)
    assert len(images) == 6 + 80
    assert "fake-99.png" in text, "a sample without a picture is named"
    assert len([1 for tag, _ in found.tags if tag == "circle"]) > 160


def test_one_file_requests_nothing(shown_report: Report, pictures: Mapping[tuple[str, int], str]) -> None:
    page, files = page_of(shown_report, pictures)
    assert files == {}
    for tag, attributes in Reader(page).tags:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", page)


def test_beside_it_lie_files_named_by_their_content(
    shown_report: Report, pictures: Mapping[tuple[str, int], str]
) -> None:
    page, files = page_of(shown_report, pictures, beside=True)
    named = {name for _, attributes in Reader(page).tags for key in ("src", "href") if (name := attributes.get(key))}
    assert {name for name in named if not name.startswith(("#", "data:,"))} == set(files)
    assert sorted(name.rpartition(".")[2] for name in files) == ["css", "gif", "js"]
    assert "<style" not in page


def test_hostile_names_are_text(make_result: Callable[..., Result], shown_report: Report) -> None:
    recall = replace(shown_report.metrics["recall@efficientnet-lite0"], metric=HOSTILE, warnings=(HOSTILE,))
    finding = replace(shown_report.verdict.findings[0], kind=HOSTILE, text=HOSTILE, samples=(HOSTILE,), unit=HOSTILE,
                      evidence=(HOSTILE,), advice=HOSTILE)  # fmt: skip
    gallery = replace(shown_report.exhibits.galleries[0], title=HOSTILE, text=HOSTILE)
    points = replace(shown_report.exhibits.maps[0].points, name=(HOSTILE,) * 80, mode=(HOSTILE,) * 80)
    drawn = replace(shown_report.exhibits.maps[0], x_label=HOSTILE, text=HOSTILE, points=points)
    report = replace(
        shown_report, metrics={HOSTILE: recall}, modes=(Mode(0, HOSTILE, 0.5, 0.1, 0.5, HOSTILE, (HOSTILE,)),),
        real=Side(HOSTILE, 3, HOSTILE, None, (Skipped(HOSTILE, HOSTILE),)), created=HOSTILE, version=HOSTILE,
        verdict=replace(shown_report.verdict, text=HOSTILE, findings=(finding,), extractor=HOSTILE),
        exhibits=replace(shown_report.exhibits, galleries=(gallery,), maps=(drawn,), notes=(HOSTILE,)),
        meta={"argv": ["divmetrics", HOSTILE], "seed": HOSTILE, "extractors": {HOSTILE: {HOSTILE: HOSTILE}},
              "versions": [HOSTILE], "classes": {"text": HOSTILE}},
    )  # fmt: skip
    honest = [tag for tag, _ in read(page_of(shown_report, {})).tags]
    for beside in (False, True):
        page, _ = page_of(report, {}, beside=beside)
        found = Reader(page)
        assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
        assert [tag for tag, _ in found.tags].count("img") == honest.count("img") == 0
        assert [tag for tag, _ in found.tags].count("script") == honest.count("script")
        assert "\u202e" not in page
        assert "\x1b" not in page
        assert "{{ 7*7 }}" in found.text
        assert "<img" not in page


def test_what_is_no_picture_is_refused(shown_report: Report) -> None:
    for wrong in ("javascript:alert(1)", "data:text/html;base64,AAAA", "https://example.org/x.png", ""):
        with pytest.raises(ValueError, match="no picture"):
            page_of(shown_report, {("real", 0): wrong})


def test_without_exhibits_the_page_says_what_it_cannot_draw(bare_report: Report) -> None:
    text = read(page_of(bare_report)).text
    assert KEEP in text
    assert "--exhibits" in KEEP
    assert "Samples that show it" in text
    assert "cat/1.png" in text


def test_without_a_verdict_or_metrics_there_is_a_page(make_report: Callable[..., Report]) -> None:
    text = read(page_of(make_report(fake=Side("out", None, None), meta={}))).text
    assert "No verdict" in text
    assert "unknown number of fake" in text


@pytest.mark.parametrize("state", ["healthy", "poor_fidelity", "inconclusive"])
def test_each_state_is_a_word(state: str, make_report: Callable[..., Report]) -> None:
    report = make_report(verdict=Verdict(state, 0.01, (), 0.1, f"{state}: too few samples.", 5000, "features"))
    text = " ".join(read(page_of(report)).text.split())
    assert f"{state.replace('_', ' ').capitalize()} Too few samples." in text
    assert "5,000 a side" in text


def test_very_many_classes_are_capped_with_a_sentence(make_report: Callable[..., Report]) -> None:
    modes = tuple(Mode(i, f"class {i}", 5e-5, 5e-5 * (i != 17_777), 0.5, "present") for i in range(20_000))
    modes = (*modes[:17_777], replace(modes[17_777], state="missing"), *modes[17_778:])
    page, _ = page_of(make_report(modes=modes))
    text = " ".join(Reader(page).text.split())
    assert f"The {MOST_ROWS} of 20,000 modes" in text
    assert "lists the other 19,500 too" in text
    assert "class 17777 missing" in text
    assert len(page) < 500_000


def test_the_command_is_that_of_the_run_or_a_call(make_result: Callable[..., Result], shown_report: Report) -> None:
    run = replace(shown_report, meta={"argv": ["divmetrics", "score", "a b", "fake"]})
    assert "divmetrics score 'a b' fake" in read(page_of(run)).text
    called = read(page_of(shown_report)).text
    assert 'dm.score(\n    "real/",\n    "out/fake",\n' in called
    assert 'metrics=["recall:k=5", "fid"],' in called


def test_links_to_the_docs_need_a_home(bare_report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    assert links.docs_link("verdict") is None
    monkeypatch.setattr(links, "docs_home", lambda: "https://example.org/")
    page, _ = page_of(bare_report)
    assert 'href="https://example.org/verdict/#dropped_modes"' in page
    assert 'href="https://example.org/metrics/recall/"' in page


def test_pictures_of_all_points_are_left_out_of_a_page_that_is_full(
    shown_report: Report, pictures: Mapping[tuple[str, int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "MOST_PICTURES", 20 * len(pictures["real", 0]))
    page, _ = page_of(shown_report, pictures)
    assert page.count("<img") == 20
    beside, files = page_of(shown_report, pictures, beside=True)
    assert beside.count("<img") == 86
    assert len(files) == 3


def test_features_have_no_grid_of_bare_numbers(
    shown_report: Report, make_result: Callable[..., Result], pictures: Mapping[tuple[str, int], str]
) -> None:
    of_features = replace(make_result("recall", 0.4), extractor="features")
    page, _ = page_of(replace(shown_report, metrics={"recall@features": of_features}))
    assert "#17 is row 17 of the set" in page
    assert "By the seed." not in page, "samples that nobody chose, and nothing to be seen of them"
    assert "The best fakes" in page
    with_pictures, _ = page_of(shown_report, pictures)
    assert "By the seed." in with_pictures
    assert "row 17" not in with_pictures


def test_statistics_and_labels_have_no_empty_columns(
    make_result: Callable[..., Result], make_report: Callable[..., Report]
) -> None:
    result = make_result("fid", 3.0, better="lower", range=(0.0, None))
    result = replace(result, signature=replace(result.signature, extractor="efficientnet-lite0#"))
    report = make_report(
        result,
        real=Side("batches", None, None),
        fake=Side("ndarray[3, 4]", None, None),
        meta={"seed": 0, "extractors": {"efficientnet-lite0": {"digest": "", "preprocessing": "unknown"}}},
    )
    page, _ = page_of(report)
    assert "An unknown number of fake and of real samples" in page
    assert "Measured with efficientnet-lite0, preprocessing" in page
    assert "digest" not in page.partition("Settings")[2].partition("Signatures")[0]
    heads = re.findall(r'role="columnheader"[^>]*>([^<]*)<', page)
    assert heads[:3] == ["metric", "value", "better"]
    assert "Legend of the drawings" not in page
    assert "dm.score(\n    real,\n    fake,\n" in page
    known, _ = page_of(replace(report, fake=Side("out/", 1234, None)))
    assert "1,234 fake and an unknown number of real samples" in known


def test_the_numbers_with_samples_are_explained_by_the_first(shown_report: Report) -> None:
    (first, *_), title = shown_report.exhibits.galleries, "The number with a sample, such as 0.50: far."
    assert rendering.explained(first) == title
    assert title in " ".join(read(page_of(shown_report)).text.split())
    (row,) = first.rows
    silent = replace(row, real=tuple(replace(shown, value=None) for shown in row.real))
    assert rendering.explained(replace(first, rows=(silent,))) == "", "a number without a caption says nothing"


def test_a_count_of_modes_is_drawn_from_none_to_all(make_result: Callable[..., Result]) -> None:
    found = make_result("modes_found", 3.0, range=(0.0, None), ci=(3.0, 3.0), ci_level=0.95, extras={"modes_total": 4})
    strip = strip_of(found, worse=False)
    assert strip is not None
    assert strip.ends == ("0", "4")
