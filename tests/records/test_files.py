import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from divmetrics.errors import UsageError
from divmetrics.records import files
from divmetrics.records.files import atomic, atomic_together, check_apart, check_writable, read_text, write_text
from divmetrics.report.gate.rules import read_rules


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


def test_a_device_is_written_into(tmp_path: Path) -> None:
    write_text("/dev/null", "x")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    link = tmp_path / "out.json"
    link.symlink_to("/dev/null")
    write_text(link, "x")
    assert link.is_symlink()
    assert stat.S_ISCHR(link.stat().st_mode)


def test_links_are_followed_and_permissions_kept(tmp_path: Path) -> None:
    target, link, dangling = tmp_path / "deep" / "report.json", tmp_path / "a.json", tmp_path / "b.json"
    target.parent.mkdir()
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to("deep/report.json")
    dangling.symlink_to("deep/new.json")
    write_text(link, "new")
    write_text(dangling, "made")
    assert (target.read_text(), (tmp_path / "deep" / "new.json").read_text()) == ("new", "made")
    assert link.is_symlink()
    assert dangling.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    link.unlink()
    link.symlink_to("a.json")
    with pytest.raises(UsageError, match="a link to itself"):
        check_writable(link)


def test_a_pipe_gets_the_text_and_stays_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "x" * 200_000)  # more than a pipe holds
    reader.join(10)
    assert got == ["x" * 200_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    monkeypatch.setattr(files, "READER_AWAITED", 0.1)
    with pytest.raises(UsageError, match="nothing reads from this pipe"):
        write_text(pipe, "x")
    assert list(tmp_path.iterdir()) == [pipe]


STREAMS = """
import os
from divmetrics.records.files import write_text
print("before")
for path in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
    write_text(path, f"{path}\\n")
print("after")
"""


def test_open_streams_are_written_into_in_order(tmp_path: Path) -> None:
    """As with --json /dev/stdout > out.txt and --md >(command), which bash names /dev/fd/63."""
    wanted = ["before", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "after"]
    with (tmp_path / "out.txt").open("wb") as out:
        subprocess.run([sys.executable, "-c", STREAMS], stdout=out, check=True)  # noqa: S603
    assert (tmp_path / "out.txt").read_text().split() == wanted
    piped = subprocess.run([sys.executable, "-c", STREAMS], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    assert piped.stdout.split() == wanted
    with pytest.raises(UsageError, match="no such open file"):
        check_writable("/dev/fd/999")


def test_a_file_that_cannot_be_replaced_is_written_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single file that is mounted in a container: the system refuses to rename another one there."""
    target = tmp_path / "report.json"
    target.write_text("a longer old text")
    inode = target.stat().st_ino

    def busy(self: Path, to: Path) -> Path:
        raise OSError(16, "Device or resource busy", str(self), None, str(to))

    monkeypatch.setattr(Path, "replace", busy)
    write_text(target, "new")
    assert (target.read_text(), target.stat().st_ino) == ("new", inode)
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_names_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("no device that is always full")
    with pytest.raises(OSError, match="cannot be written: No space left on device: '/dev/full'"):
        write_text("/dev/full", "x")
    with (
        pytest.raises(OSError, match=r"cannot be written: no space: '.*report\.json'"),
        atomic(tmp_path / "report.json"),
    ):
        raise OSError(28, "no space")
    assert list(tmp_path.iterdir()) == []
    write_text(tmp_path / ("n" * 250), "a name of nearly the greatest length")
    with pytest.raises(UsageError, match="null character"):
        write_text("a\0b", "x")


def test_outputs_stay_apart_from_inputs_and_from_each_other(tmp_path: Path) -> None:
    real, labels = tmp_path / "real", tmp_path / "labels.csv"
    (real / "cat").mkdir(parents=True)
    (real / "cat" / "0.png").write_bytes(b"png")
    (tmp_path / "link").symlink_to("real")
    labels.write_text("path,label")
    for path in (labels, real / "cat" / "0.png", tmp_path / "link" / "cat" / "0.png"):
        with pytest.raises(UsageError, match="would overwrite"):
            check_apart({"--json": str(path)}, ["zoo:digits", None, 3, real, f"x.dms+{labels}"])
    check_apart({"--json": str(real / "new.json"), "--md": None}, [real])
    write_text(real / "report.json", '{"schema": "divmetrics.report/1"}')
    check_apart({"--json": str(real / "report.json")}, [real])  # of an earlier run
    with pytest.raises(UsageError, match=r"--json and --md both name .*a\.txt"):
        check_apart({"--json": f"{tmp_path}/a.txt", "--md": f"{tmp_path}/link/../a.txt"}, [])
    check_apart({"--json": "/dev/null", "--md": "/dev/null"}, ["/dev/null"])


@pytest.mark.parametrize("existing", [(), ("a",), ("b",), ("a", "b")])
@pytest.mark.parametrize("fails", [0, 1])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_two_files_are_written_or_none(
    error: BaseException, fails: int, existing: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of the two cannot be put in its place."""
    for name in existing:
        (tmp_path / name).write_text(f"old {name}")
    put, calls = files._put_in_place, []

    def failing(temporary: Path, target: Path) -> bool:
        calls.append(target.name)
        if len(calls) == fails + 1:
            raise error
        return put(temporary, target)

    monkeypatch.setattr(files, "_put_in_place", failing)
    with (  # noqa: PT012  the end of the block is what fails
        pytest.raises(type(error)),
        atomic_together(tmp_path / "a", tmp_path / "b") as (first, second),
    ):
        first.write_text("new a")
        second.write_text("new b")
    assert calls == ["a", "b"][: fails + 1]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: f"old {name}" for name in existing}


@pytest.mark.parametrize("links", [True, False])
def test_two_files_are_replaced_and_nothing_else_is_left(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "a").write_text("old")
    with atomic_together(tmp_path / "a", tmp_path / "b") as (first, second):
        first.write_text("new a")
        second.write_text("new b")
        assert (tmp_path / "a").read_text() == "old"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new a", "b": "new b"}
    with pytest.raises(OSError, match="No space") as raised, atomic_together(tmp_path / "a", tmp_path / "b"):
        raise OSError(28, "No space left on device")
    assert raised.value.filename == f"{tmp_path / 'a'} and {tmp_path / 'b'}"
    with pytest.raises(UsageError, match="cannot be replaced"), atomic_together(tmp_path / "a", "/dev/null"):
        pass
    assert (tmp_path / "a").read_text() == "new a"


def test_pipes_and_devices_are_not_waited_for_as_reports_and_rules(tmp_path: Path) -> None:
    """A pipe that nobody writes to, and a device that never ends; what this process has open is read."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(UsageError, match=rf"cannot read the report .*{name}: not a regular file\."):
            read_text(tmp_path / name, "report")
        with pytest.raises(UsageError, match=rf"cannot read the rules .*{name}: not a regular file\."):
            read_rules(tmp_path / name)
    reader, writer = os.pipe()
    os.write(writer, b"\xef\xbb\xbfa\r\nb\n")
    os.close(writer)
    assert read_text(f"/dev/fd/{reader}", "report") == "a\nb\n"
    os.close(reader)


def test_a_text_of_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_TEXT", 2**20)
    (tmp_path / "r.json").write_bytes(b" " * 2**20)
    assert len(read_text(tmp_path / "r.json", "report")) == 2**20
    os.truncate(tmp_path / "r.json", 60 * 2**30)
    with pytest.raises(UsageError, match=r"cannot read the report .*r\.json: more than 1 MiB\."):
        read_text(tmp_path / "r.json", "report")
