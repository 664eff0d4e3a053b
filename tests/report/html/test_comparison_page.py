"""The page of a comparison: all of it without script, names escaped, curves of checkpoints with their mark."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from divmetrics.records.comparison import Comparison, Fall
from divmetrics.records.exhibits import Pictures
from divmetrics.records.results import Mode, Report
from divmetrics.report.html import render
from divmetrics.report.html.comparison_modes import ALL_UP_TO
from divmetrics.report.html.comparison_page import comparison_page_of

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u202e\x1b[31m{{ 7*7 }}"
FALLS = (Fall("recall@efficientnet-lite0", 30, 10, 0.4123, 0.9012, 3e-7),)


def test_verdicts_rankings_and_differences_are_there(compared: Callable[..., Comparison]) -> None:
    page, files = comparison_page_of(compared())
    assert files == {}
    for part in (
        "<h1>3 generators", "Modes with 20.0% are missing: cat.", "A sentence with a reason why.",
        '<span class="tag collapsed">collapsed</span>', "[0.851, 0.951]", "-0.489 [-0.600, -0.379]", "&lt;0.0001",
        "worse less best", "A note.", "recall|efficientnet-lite0#57934424|pooled",
    ):  # fmt: skip
        assert part in page, part
    best, also, worse = (
        page.index(f'role="rowheader">{name}</th>\n<td role="cell" class="num"') for name in ("best", "also", "worse")
    )
    assert best < also < worse
    assert page.count('<svg class="strip') == 3
    assert 'class="chart"' not in page


def test_checkpoints_have_a_curve_with_the_step_that_loses_diversity(compared: Callable[..., Comparison]) -> None:
    page, _ = comparison_page_of(compared(steps=(30, 10, 20), falls=FALLS))
    assert "Collapse from step 30 on" in page
    assert page.count('<figure class="chart">') == 1
    dots = [float(place) for place in re.findall(r'<circle class="dot s0" cx="([\d.]+)"', page)]
    assert dots == sorted(dots)
    assert re.findall(r'<g class="event"><line x1="([\d.]+)"', page) == [str(dots[-1])]  # step 30, the last
    assert ">lost</text>" in page
    calm, _ = comparison_page_of(compared(steps=(30, 10, 20)))
    assert "No collapse found" in calm
    assert 'class="event"' not in calm


def test_names_are_escaped(compared: Callable[..., Comparison]) -> None:
    found = compared()
    ranking = found.ranking[0]
    places = tuple(replace(place, name=HOSTILE if place.name == "best" else place.name) for place in ranking.places)
    hostile = replace(
        found, names=("worse", HOSTILE, "also"), ranking=(replace(ranking, places=places),), notes=(HOSTILE,)
    )
    for text in (comparison_page_of(hostile)[0], hostile._repr_html_()):
        assert "<img" not in text
        assert "{{ 7*7 }}" in text
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_each_generator_shows_its_samples(shown_comparison: tuple[Comparison, list[Pictures]]) -> None:
    found, pictures = shown_comparison
    page, _ = comparison_page_of(found, pictures)
    worse, strips = (
        page.partition('id="generator-1"')[2],
        page.partition('class="strips"')[2].partition("</section>")[0],
    )
    assert re.findall(r'class="side-name">([^<]*)<', strips) == ["real", "worse", "best", "also"]
    assert strips.count("<img") == 4
    assert 'href="#generator-1">worse<' in page
    assert 'id="generator-2"' not in page, "best has no findings"
    assert 'alt="real sample real-0.png, far"' in worse
    assert 'href="#ranking-1">recall@efficientnet-lite0<' in worse
    assert page.count(">labels of 3 samples were left out<") == 1, "said once, where it is so of all"
    some, _ = comparison_page_of(found, [pictures[0], Pictures({}, ("b: read once",)), Pictures()])
    assert "best: b: read once" in some
    assert 'class="side-name">best<' not in some, "a list of numbers says nothing"
    assert re.findall(r'class="side-name">([^<]*)<', some)[:2] == ["real", "worse"]
    files = comparison_page_of(found, pictures, beside=True)[1]
    assert sum(name.startswith("images/") for name in files) == 1, "equal pictures are one file"


def test_a_page_that_becomes_too_large_names_samples(
    shown_comparison: tuple[Comparison, list[Pictures]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "MOST_PICTURES", 300)
    page, _ = comparison_page_of(*shown_comparison)
    assert page.count("<img") == 3
    assert "4 pictures are left out to keep this file below 10 MB" in page
    assert "left out to keep" not in comparison_page_of(*shown_comparison, beside=True)[0]


def test_which_generator_lacks_which_mode(compared: Callable[..., Comparison]) -> None:
    found = compared()
    page, _ = comparison_page_of(_with_modes(found, "class", 3, gone=1))
    rows = re.findall(r'<tr><th scope="row">(class \d+)</th>.*?</tr>', page, re.S)
    assert rows[0] == "class 1"
    assert len(rows) == 3
    assert page.count('<span class="tag missing">missing</span>') == 1
    assert "3 modes; 1 is missing or thinned in some generator." in page
    many, _ = comparison_page_of(_with_modes(found, "class", ALL_UP_TO + 1, gone=5))
    assert re.findall(r'<th scope="row">(class \d+)</th>', many) == ["class 5"]
    few = replace(found.reports[2], modes=_with_modes(found, "class", 2, gone=1).reports[2].modes)
    unlike = replace(found, reports=(*_with_modes(found, "class", 3, gone=1).reports[:2], few))
    for without in (found, unlike):
        assert 'id="modes"' not in comparison_page_of(without)[0], "none, or not the same ones"
    other = _with_modes(found, "cluster", 3, gone=1)
    report = other.reports[2]
    moved = (replace(report.modes[0], real_share=0.2), *report.modes[1:])
    assert 'id="modes"' in comparison_page_of(other)[0]
    others = (*other.reports[:2], replace(report, modes=moved))
    assert 'id="modes"' not in comparison_page_of(replace(other, reports=others))[0], "clusters of other samples"


def _with_modes(found: Comparison, kind: str, count: int, gone: int) -> Comparison:
    """The first generator lacks the mode `gone`."""

    def modes(report: Report, place: int) -> Report:
        states = ["missing" if (n, place) == (gone, 0) else "present" for n in range(count)]
        table = (Mode(n, f"{kind} {n}", 0.25, 0.0 if s == "missing" else 0.3, 0.5, s) for n, s in enumerate(states))
        return replace(report, modes=tuple(table))

    return replace(found, reports=tuple(modes(report, place) for place, report in enumerate(found.reports)))


def test_without_exhibits_the_page_says_how_to_get_them(compared: Callable[..., Comparison]) -> None:
    page, _ = comparison_page_of(compared())
    assert "This comparison holds no exhibits" in page
    assert "compare(..., exhibits=True)" in page


def test_a_file_a_folder_and_a_notebook(compared: Callable[..., Comparison], tmp_path: Path) -> None:
    found = compared(steps=(30, 10, 20), falls=FALLS)
    found.html(tmp_path / "page.html")
    found.html(f"{tmp_path}/folder/")
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert sorted(path.suffix for path in (tmp_path / "folder").iterdir()) == [".css", ".html", ".js"]
    fragment = found._repr_html_()
    assert "Diversity is lost from step 30 on" in fragment
    assert "<sup>a</sup>" in fragment
    places = tuple(replace(place, rank=2) if place.name == "worse" else place for place in found.ranking[0].places)
    second = replace(found, ranking=(replace(found.ranking[0], places=places),))._repr_html_()
    assert second.count("#c0392b") == fragment.count("#c0392b") > 0, "whatever is not first is behind"
    assert "<style" not in fragment


def test_a_saved_comparison_needs_neither_torch_nor_numpy(compared: Callable[..., Comparison], tmp_path: Path) -> None:
    compared().save(tmp_path / "c.json")
    code = (
        f"import sys; from divmetrics import Comparison; c = Comparison.load({str(tmp_path / 'c.json')!r})\n"
        "str(c); c._repr_html_(); print({'torch', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize("steps", [None, (30, 10, 20)])
def test_values_that_are_missing(steps: tuple[int, ...] | None, compared: Callable[..., Comparison]) -> None:
    found = compared(steps=steps)
    ranking = found.ranking[0]
    places = tuple(replace(p, value=None, ci=None, rank=None, ranks=None, groups=()) for p in ranking.places)
    bare = replace(ranking, places=places, differences=(), warnings=("not ranked: reasons",))
    page, _ = comparison_page_of(replace(found, ranking=(bare,)))
    assert "not ranked: reasons." in page
    assert page.count('data-name="value">-<') == len(places)
    assert 'class="chart"' not in page
