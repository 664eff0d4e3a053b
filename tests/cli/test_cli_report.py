"""`divmetrics report`, and `--html` of `score`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from divmetrics.records.results import Report


@pytest.fixture
def saved(tmp_path: Path, make_report: Callable[..., Report], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_report().save("report.json")
    return tmp_path / "report.json"


def test_a_saved_report_is_shown_and_written(call: Callable[..., object], saved: Path) -> None:
    done = call("report", "report.json", "--html", "page.html", "--md", "page.md")
    assert (done.code, done.err) == (0, "")
    assert "recall" in done.out
    assert "0.4100" in Path("page.html").read_text()
    assert "0.4100" in Path("page.md").read_text()
    assert call("report", "report.json", "--html", "site/").code == 0
    assert "0.4100" in Path("site/index.html").read_text()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "report.json is not JSON (input data was truncated)"),
        ("[]", "report.json has schema None"),
        ('{"schema": "divmetrics.report/9"}', "report.json has schema 'divmetrics.report/9'"),
        (
            '{"schema": "divmetrics.comparison/9"}',
            "report.json has schema 'divmetrics.comparison/9' of a newer divmetrics",
        ),
    ],
)
def test_what_is_no_report_is_one_sentence(text: str, sentence: str, call: Callable[..., object], saved: Path) -> None:
    saved.write_text(text)
    done = call("report", "report.json", "--html", "page.html")
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert not Path("page.html").exists()


def test_outputs_are_checked_first(call: Callable[..., object], saved: Path) -> None:
    before = saved.read_text()
    for path, words in (("report.json", "would overwrite"), ("gone/page.html", "does not exist"), ("-", "only --json")):
        done = call("report", "report.json", "--html", path)
        assert (done.code, done.out) == (2, "")
        assert words in done.err
    assert saved.read_text() == before


def test_score_writes_a_page(call: Callable[..., object], engine: object, tmp_path: Path) -> None:
    done = call("score", "real", "fake", "--html", tmp_path / "page.html", "--json", tmp_path / "r.json")
    assert done.code == 0
    assert "divmetrics score real fake --html" in (tmp_path / "page.html").read_text()
    assert engine.asked[-1][1]["exhibits"] is True, "a page asks for what it shows"
    assert json.loads((tmp_path / "r.json").read_text())["meta"]["argv"][1] == "score"


def test_a_page_without_exhibits_on_request(call: Callable[..., object], engine: object, tmp_path: Path) -> None:
    assert call("score", "real", "fake", "--html", tmp_path / "page.html", "--no-exhibits").code == 0
    assert engine.asked[-1][1]["exhibits"] is False


def test_score_writes_no_page_among_samples(call: Callable[..., object], engine: object, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "0.html").write_text("a sample")
    for path in (f"{tmp_path}/real/", tmp_path / "real" / "0.html"):
        done = call("score", tmp_path / "real", "fake", "--html", path)
        assert (done.code, done.out) == (2, "")
    assert engine.asked == []
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["0.html"]
