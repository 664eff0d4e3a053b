import stat
from pathlib import Path

import pytest

from divmetrics.errors import UsageError
from divmetrics.records.files import atomic, write_text


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path) -> None:
    target = tmp_path / "report.json"
    write_text(target, "old")
    with pytest.raises(KeyboardInterrupt), atomic(target) as temporary:  # noqa: PT012  the block is what fails
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_others_may_read_what_is_written(tmp_path) -> None:
    write_text(tmp_path / "report.json", "x")
    assert (tmp_path / "report.json").stat().st_mode & stat.S_IRGRP


@pytest.mark.parametrize(("place", "reason"), [("absent/r.json", "does not exist"), (".", "it is a folder")])
def test_unwritable_places_are_named(tmp_path, place: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        write_text(tmp_path / place, "x")


def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "r.json"
    write_text(target, "old")
    write = Path.write_text

    def full(self: Path, text: str, **options: str) -> int:
        write(self, text[:1], **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_text(target, "new")
    assert caught.value.filename == str(target)
    assert (target.read_text(), list(tmp_path.iterdir())) == ("old", [target])
    with pytest.raises(FileNotFoundError, match="absent"), atomic(target):
        (tmp_path / "absent").read_bytes()
