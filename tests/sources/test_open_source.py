"""`open_source`: which opener a path gets, and the error where none fits."""

import pytest

from divmetrics.errors import SourceError, UsageError
from divmetrics.sources import OPENERS, open_source


def test_missing_path():
    with pytest.raises(
        SourceError, match=r"^real: there is no file or folder 'nowhere/at/all'; check the path\.$"
    ) as caught:
        open_source("nowhere/at/all", side="real")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("suffix", OPENERS)
def test_missing_files_of_known_kinds(tmp_path, suffix):
    with pytest.raises(SourceError, match="there is no file or folder"):
        open_source(tmp_path / f"gone{suffix}")


@pytest.mark.parametrize("text", ["hub:ring", "http://host/real.zip", "s3://bucket/real"])
def test_unknown_scheme(text):
    with pytest.raises(UsageError, match=rf"^fake: nothing here opens '\w+:' in '{text}'") as caught:
        open_source(text, side="fake")
    assert caught.value.exit_code == 2


def test_unknown_suffix(build, gray, tmp_path):
    (tmp_path / "set.rar").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"set\.rar is no folder and ends in none of \.zip, \.tar, .*\.npz"):
        open_source(tmp_path / "set.rar")
    build({"1.png": gray(1)})
    with pytest.raises(SourceError, match="is no folder"):
        open_source(tmp_path / "set" / "1.png")


def test_a_folder_may_end_like_a_file_and_hold_a_colon(build, gray):
    assert len(open_source(build({"1.png": gray(1)}, "odd:name.zip.d"))) == 1
    folder = build({"1.png": gray(1)}, "real.npy.dir")
    assert open_source(folder).name == folder


def test_a_new_format_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(OPENERS, ".new", str.lower)
    (tmp_path / "SET.NEW").write_bytes(b"x")
    assert open_source(tmp_path / "SET.NEW") == str(tmp_path / "SET.NEW").lower()
