"""Pages are written whole or not at all, over pages of ours only, and never among samples."""

import errno
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from divmetrics.errors import UsageError
from divmetrics.records.exhibits import Pictures
from divmetrics.records.results import Report
from divmetrics.report.html import writing
from divmetrics.report.html.report_page import page_of
from divmetrics.report.html.writing import check_page, write_page


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_one_file(bare_report: Report, tmp_path: Path) -> None:
    bare_report.html(tmp_path / "page.html")
    assert files_in(tmp_path) == {"page.html"}
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_pictures_that_a_report_has_are_shown(
    shown_report: Report, pictures: Mapping[tuple[str, int], str], tmp_path: Path
) -> None:
    replace(shown_report, pictures=Pictures(pictures)).html(tmp_path / "page.html")
    assert "<img" in (tmp_path / "page.html").read_text()


def test_a_folder_in_which_nobody_may_write(
    bare_report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing.os, "access", lambda *_: False)
    with pytest.raises(UsageError, match="no permission to write in this folder"):
        bare_report.html(tmp_path)


def test_a_folder_is_made_and_what_an_earlier_page_used_goes(
    shown_report: Report, bare_report: Report, pictures: Mapping[tuple[str, int], str], tmp_path: Path
) -> None:
    folder = f"{tmp_path / 'site'}/"
    write_page(*page_of(shown_report, pictures, beside=True), folder)
    (tmp_path / "site" / "mine.txt").touch()
    (tmp_path / "site" / "images" / "mine.gif").touch()
    first = files_in(tmp_path / "site")
    assert len(first) == 6
    bare_report.html(tmp_path / "site")
    assert first - files_in(tmp_path / "site") == {name for name in first if name.startswith("images/i-")}


def test_nothing_half_written_where_the_disk_is_full(
    shown_report: Report, pictures: Mapping[tuple[str, int], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing, "write_text", full)
    for path in (tmp_path / "page.html", f"{tmp_path / 'site'}/"):
        with pytest.raises(OSError, match="No space left"):
            write_page(*page_of(shown_report, pictures, beside=str(path).endswith("/")), path)
    assert list(tmp_path.iterdir()) == []


def test_places_that_are_refused(bare_report: Report, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>my own</h1>")
    (tmp_path / "file").touch()
    for path, words in (
        (f"{tmp_path}/gone/deep/", "does not exist"),
        (tmp_path / "gone" / "page.html", "does not exist"),
        (tmp_path / "site", "not a page of divmetrics"),
        (f"{tmp_path}/file/", "there is a file of that name"),
    ):
        with pytest.raises(UsageError, match=words):
            bare_report.html(path)
    assert files_in(tmp_path) == {"site/index.html", "file"}
    assert (tmp_path / "site" / "index.html").read_text() == "<h1>my own</h1>"


def test_no_page_among_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("real/a.png", "real/cats/b.png", "out/images/c.png", "run/step_1/d.png", "arrays/x.npz"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("link").symlink_to("real")
    for folder, source in (
        ("real/", "real"), ("real/site/", "real"), ("out/", "out/images"), ("link/", "real"),
        ("real/", "real/*.png"), ("real/site", "real/*.png"), ("real", f"{tmp_path}/re*/*"), ("real/cats/", "real/**"),
        ("link/", "real/?.png"), ("out/", "out/**/*.png"), ("run/step_1/", "run/step_*"), ("real/", "[qr]eal"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match="among samples that are read"):
            check_page(f"{folder.rstrip('/')}/", [Path(source) if folder == "out/" else source])
    for folder, source in (("out", "real"), ("out", "real/**"), ("run", "run/step_*"), ("arrays", "arrays/*.npz")):
        check_page(f"{folder}/", [source, None, 3])


def test_a_saved_page_is_not_among_the_samples_that_it_names(
    bare_report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("real").mkdir()
    report = replace(bare_report, real=replace(bare_report.real, source="real"))
    with pytest.raises(UsageError, match="among samples that are read"):
        report.html("real/")
    assert files_in(tmp_path) == set()
