"""The page in Debian's Chromium: nothing requested, whole without script, usable by mouse and keyboard, accessible."""

import mimetypes
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from divmetrics.records.comparison import Comparison, Fall
from divmetrics.records.exhibits import Pictures
from divmetrics.records.results import Report
from divmetrics.report.gate.outcomes import GateResult, RuleResult
from divmetrics.report.gate.rules import Rules
from divmetrics.report.html.comparison_page import comparison_page_of
from divmetrics.report.html.gate_section import gate_section
from divmetrics.report.html.report_page import page_of
from divmetrics.report.html.writing import write_page

pytestmark = pytest.mark.slow
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SITE = "http://page.test/"
STRICT = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
"""What Jenkins sends with the files of a build."""
Opener = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(PROGRAMS)} is installed")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def site(
    shown_report: Report,
    pictures: Mapping[tuple[str, int], str],
    shown_comparison: tuple[Comparison, list[Pictures]],
    tmp_path: Path,
) -> Path:
    """`page.html`, and the same in the folder `site`; a comparison likewise, `run.html` and `run`."""
    outcome = RuleResult("recall", "recall@x", "error", ">= 0.5", 0.41, (0.38, 0.44), (), "fail", "0.38 is below 0.5")
    gate = gate_section(GateResult(shown_report, Rules(Path("divmetrics.toml"), ()), (outcome,), ("a warning",)))
    write_page(*page_of(shown_report, pictures, gate=gate), tmp_path / "page.html")
    write_page(*page_of(shown_report, pictures, beside=True), f"{tmp_path / 'site'}/")
    found, drawn = shown_comparison
    falls = (Fall(found.ranking[0].key, 30, 10, 0.4123, 0.9012, 3e-7),)
    run = replace(found, steps=(30, 10, 20), falls=falls)
    write_page(*comparison_page_of(run, drawn), tmp_path / "run.html")
    write_page(*comparison_page_of(run, drawn, beside=True), f"{tmp_path / 'run'}/")
    return tmp_path


@pytest.fixture
def opened(browser: Any, site: Path) -> Iterator[Opener]:
    """Opens a page; what it requests and complains of is in its attributes `requested` and `complaints`."""
    contexts = []

    def open_page(path: str = "page.html", *, policy: str | None = None, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1300, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.requested, page.complaints = [], []
        page.on("request", lambda request: page.requested.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        if policy is None:
            page.goto((site / path).as_uri())
            return page

        def answer(route: Any) -> None:
            file = site / route.request.url.removeprefix(SITE)
            headers = {"Content-Security-Policy": policy, "Content-Type": mimetypes.guess_type(file)[0] or "text/html"}
            route.fulfill(body=file.read_bytes(), headers=headers)

        page.route("**/*", answer)
        page.goto(f"{SITE}{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()


def colour(page: Any, selector: str, what: str = "fill") -> str:
    found: str = page.locator(selector).first.evaluate(f"one => getComputedStyle(one).{what}")
    return found


@pytest.mark.parametrize(("file", "folder"), [("page.html", "site"), ("run.html", "run")])
def test_nothing_is_requested_and_nothing_complains(file: str, folder: str, opened: Opener, site: Path) -> None:
    page = opened(file)
    addresses = [address for address in page.requested if not address.startswith("data:")]
    assert addresses == [(site / file).as_uri()]
    beside = opened(f"{folder}/index.html")
    assert len(beside.requested) >= 4
    assert all(address.startswith((site / folder).as_uri()) or address == "data:," for address in beside.requested)
    for one in (page, beside):
        assert one.complaints == []
        assert one.locator(".gallery img").first.evaluate("one => one.naturalWidth") == 1
        assert one.locator("th button").count() > 0, "the script has run"


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        ("page.html", "script-src 'none'"),
        ("site/index.html", STRICT),
        ("run.html", "script-src 'none'"),
        ("run/index.html", STRICT),
    ],
    ids=["file", "folder", "comparison", "folder of a comparison"],
)
def test_it_reads_whole_where_scripts_are_forbidden(path: str, policy: str, opened: Opener) -> None:
    whole = opened(path).locator("main").inner_text()
    page = opened(path, policy=policy)
    assert page.locator("th button").count() == 0, "the script has not run"
    words = re.findall(r"\S+", page.locator("main").inner_text())
    assert set(re.findall(r"\S+", whole)) - set(words) <= {"Filter", "Copy", "+", "\N{MINUS SIGN}", "Reset"}
    assert page.locator(".gallery img").first.evaluate("one => one.naturalWidth") == 1
    assert colour(page, ".verdict h2", "color") != colour(page, ".why", "color"), "the style is there"


def test_colours_of_the_maps_need_no_script(opened: Opener) -> None:
    page = opened("site/index.html", policy=STRICT)
    before = colour(page, ".map .fake")
    page.get_by_label("mode", exact=True).check()
    assert colour(page, ".map .fake") != before
    page.get_by_label("fake", exact=True).uncheck()
    assert colour(page, ".map .fake", "display") == "none"
    assert colour(page, ".map .real", "display") != "none"


def test_generators_of_a_comparison_are_opened_and_modes_sorted(opened: Opener) -> None:
    page = opened("run.html")
    card = page.locator("#generator-1")
    assert card.locator(".gallery img").first.is_visible()
    card.locator("summary").first.press("Enter")
    assert not card.locator(".gallery img").first.is_visible()
    modes = page.locator("table.shared")
    modes.get_by_role("button", name="worse").click()
    assert [name.inner_text() for name in modes.locator("tbody th").all()] == ["cat", "dog"]
    modes.get_by_role("button", name="worse").press("Enter")
    assert [name.inner_text() for name in modes.locator("tbody th").all()] == ["dog", "cat"]


def test_a_point_of_a_map_shows_its_sample(opened: Opener) -> None:
    page = opened()
    page.locator("#map-1 circle[data-i='44']").hover(force=True)
    tip = page.locator(".tip")
    assert tip.inner_text() == "real · real-4.png · cat · dropped modes"
    assert tip.locator("img").evaluate("one => one.naturalWidth") == 1
    page.mouse.move(5, 5)
    assert not tip.is_visible()


def test_maps_by_keyboard(opened: Opener) -> None:
    page = opened()
    page.locator("#show-fake").focus()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "map-2":
            break
    assert page.locator("#map-2-hint").is_visible()
    assert not page.locator(".tip").is_visible()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
        seen.append(page.locator(".tip").inner_text())
    assert len(set(seen)) == 3
    whole = page.locator("#map-2").get_attribute("viewBox")
    page.keyboard.press("+")
    assert page.locator("#map-2").get_attribute("viewBox") != whole
    page.keyboard.press("0")
    assert page.locator("#map-2").get_attribute("viewBox") == whole
    page.keyboard.press("Escape")
    assert not page.locator(".tip").is_visible()


def test_zoom_by_button_keeps_the_map_in_view(opened: Opener) -> None:
    page = opened()
    whole = [float(part) for part in page.locator("#map-1").get_attribute("viewBox").split()]
    for _ in range(3):
        page.get_by_role("button", name="Zoom in: map-1").click()
    x, _, width, height = map(float, page.locator("#map-1").get_attribute("viewBox").split())
    assert width == pytest.approx(whole[2] * 0.343)
    assert width == height
    assert whole[0] <= x <= x + width <= whole[0] + whole[2]
    page.get_by_role("button", name="Reset: map-1").click()
    assert [float(part) for part in page.locator("#map-1").get_attribute("viewBox").split()] == whole


def test_tables_are_filtered_and_sorted(opened: Opener) -> None:
    page = opened()
    modes = page.locator("table.modes tbody tr")
    page.locator("#modes .filter input").fill("DOG")
    assert [row.is_visible() for row in modes.all()] == [False, True]
    numbers = page.locator("#numbers table.stack")
    numbers.get_by_role("button", name="value").click()
    names = numbers.locator("tbody th")
    assert [name.inner_text() for name in names.all()] == ["!recall", "fid"]
    numbers.get_by_role("button", name="value").press("Enter")
    assert [name.inner_text() for name in names.all()] == ["fid", "!recall"]
    assert numbers.get_by_role("columnheader", name="value").get_attribute("aria-sort") == "descending"


def test_the_command_is_copied_or_selected(opened: Opener) -> None:
    page = opened()
    page.get_by_role("button", name="Copy").click()
    page.wait_for_function("document.querySelector('.copy').textContent != 'Copy'")
    assert page.locator(".copy").first.inner_text() in ("Copied", "Selected")


def test_tab_reaches_the_content_first(opened: Opener) -> None:
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


@pytest.mark.parametrize("path", ["page.html", "run.html"])
@pytest.mark.parametrize("width", [320, 390, 768, 1900])
def test_no_width_scrolls_sideways(width: int, path: str, opened: Opener) -> None:
    page = opened(path, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_and_print(opened: Opener) -> None:
    light, dark = opened(color_scheme="light"), opened(color_scheme="dark")
    assert colour(light, "body", "backgroundColor") == "rgb(255, 255, 255)"
    assert colour(dark, "body", "backgroundColor") == "rgb(20, 23, 26)"
    assert colour(dark, "body", "color") != colour(light, "body", "color")
    dark.emulate_media(media="print")
    assert colour(dark, "body", "backgroundColor") == "rgb(255, 255, 255)"
    assert not dark.locator(".contents").is_visible()
    assert dark.locator("#map-1").is_visible()


@pytest.mark.parametrize("path", ["page.html", "run.html"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1300), ("dark", 1300), ("light", 390)])
def test_axe_finds_no_fault(scheme: str, width: int, path: str, opened: Opener) -> None:
    found = find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe-playwright-python, which holds axe-core, is not installed")
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    page = opened(path, bypass_csp=True, reduced_motion="reduce", **options)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    if path == "page.html":
        page.get_by_label("mode", exact=True).check()
    page.add_script_tag(content=(Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    faults = page.evaluate("axe.run().then(found => found.violations)")
    told = [(one["id"], one["impact"], [node["html"][:120] for node in one["nodes"][:3]]) for one in faults]
    assert told == []
