"""The folder of the cache: what is put is got, damage is seen, and nothing of others is touched."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from divmetrics.errors import UsageError
from divmetrics.extraction import segments, store
from divmetrics.extraction.segments import DamagedSegment, content_of, head_of, read_rows, verify
from divmetrics.extraction.store import BESIDE, Cache
from divmetrics.records.files import CACHE_TAG as TAG
from divmetrics.sources import Source, Traits, open_source
from divmetrics.validation.running import Runner

N = 5
KEYS = [bytes([number]) * 15 + b"\0" for number in range(N)]


def put(cache: Cache, seed: int = 0, encoder: str = "net") -> Path:
    rows = torch.randn(N, 4, generator=torch.Generator().manual_seed(seed))
    traits = Traits(tuple(bytes([seed + 1]) * 16 for _ in range(N)), (None,) * N)
    path = cache.put(cache.folder("net#1|none"), *content_of(KEYS, {"pooled": rows}, encoder, "torch 2.9.1", traits))
    assert path is not None
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.at(tmp_path / "cache")


def test_what_is_put_is_got(cache: Cache) -> None:
    path = put(cache)
    (head,) = cache.heads(cache.folder("net#1|none"))
    assert (head.path, head.layers, head.encoder, head.engine) == (path, {"pooled"}, "net", "torch 2.9.1")
    assert [key.ljust(16, b"\0") for key in head.keys.tolist()] == KEYS
    traits = cache.verified(path)
    assert traits is not None
    assert traits.contents == (bytes([1]) * 16,) * N
    wanted = torch.randn(N, 4, generator=torch.Generator().manual_seed(0))
    for rows in ([0, 1, 2, 3, 4], [1, 2], [4, 0, 2], [3], [2, 2, 0]):
        assert torch.equal(read_rows(path, ["pooled"], np.array(rows))["pooled"], wanted[rows])
    assert [(entry.encoder, entry.samples, entry.path) for entry in cache.entries()] == [("net", N, path)]


def test_a_folder_depends_on_all_that_decides_the_features(cache: Cache) -> None:
    folders = {cache.folder(features) for features in ("net#1|none", "net#2|none", "net#1|jpeg", "other#1|none")}
    assert len(folders) == 4


def test_every_flipped_byte_and_every_cut_is_seen(cache: Cache) -> None:
    path = put(cache)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x20]) + content[place + 1 :])
        with pytest.raises(DamagedSegment):
            verify(path)
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place])
        with pytest.raises(DamagedSegment):
            verify(path)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x02\0\0\0\0\0\0\0{}", b"\xff" * 400])
def test_a_damaged_file_is_said_and_removed(cache: Cache, content: bytes) -> None:
    path = put(cache)
    path.write_bytes(content)
    assert [found.encoder for found in cache.entries()] == ["damaged"]
    with pytest.warns(UserWarning, match="damaged and are computed again"):
        assert cache.heads(path.parent) == []
    assert not path.exists()
    assert cache.verified(path) is None


def test_a_file_that_cannot_be_read_is_left(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(cache)

    def broken(_path: Path) -> Traits:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(store, "verify", broken)
    with pytest.warns(UserWarning, match=r"cannot be read and are computed again \(Input/output error\)"):
        assert cache.verified(path) is None
    assert path.exists()


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10**9)
    paths = [put(cache, seed) for seed in range(3)]
    for age, path in enumerate(paths):
        os.utime(path, (1000 + age, 1000 + age))
    assert [entry.path for entry in cache.entries()] == paths
    cache.verified(paths[0])  # now the most recently used
    size = next(cache.entries()).bytes
    assert Cache(tmp_path, 2 * size).trim() == 1
    assert {entry.path for entry in cache.entries()} == {paths[0], paths[2]}
    assert cache.clear() == 2
    assert not list(cache.entries())


def test_a_place_that_cannot_be_written_warns_and_the_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.warns(UserWarning, match=r"cannot be cached in .*Not a directory"):
        assert Cache(tmp_path / "file" / "below", 10**9).put(tmp_path / "file" / "below" / "f", "ab", b"x") is None


def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVMETRICS_CACHE", str(tmp_path / "there"))
    monkeypatch.setenv("DIVMETRICS_CACHE_GB", "0.5")
    assert Cache.at() == Cache(tmp_path / "there", 2**29)
    for wrong in ("much", "inf", "nan"):
        monkeypatch.setenv("DIVMETRICS_CACHE_GB", wrong)
        with pytest.raises(UsageError, match="wanted a number of gigabytes"):
            Cache.at()
    (tmp_path / "file").write_text("x")
    monkeypatch.delenv("DIVMETRICS_CACHE_GB")
    with pytest.raises(UsageError, match="is a file; name a folder"):
        Cache.at(tmp_path / "file")


def test_remains_of_killed_runs_are_removed_once_they_are_old(cache: Cache) -> None:
    path = put(cache)
    fresh, old = (path.with_name(f".{path.name}.{end}") for end in ("abcd_123", "ABCD1234"))
    foreign = [path.with_name(name) for name in (".old", ".env", f".{path.name}", f".{path.name}.short")]
    for file in (fresh, old, *foreign):
        file.write_text("x")
        if file != fresh:
            os.utime(file, (1000, 1000))
    assert cache.trim() == 0
    assert (fresh.exists(), old.exists(), all(file.exists() for file in foreign)) == (True, False, True)


def test_a_file_is_written_whole_or_not_at_all(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> None:
        with self.open("wb") as file:
            file.write(content[:9])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.warns(UserWarning, match="cannot be cached in .*No space left on device"):
        assert cache.put(cache.folder("net"), "ab" * 16, b"content of a segment") is None
    assert [path for path in cache.root.rglob("*") if path.is_file()] == [cache.root / TAG]


def test_the_option_names_a_folder_the_default_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVMETRICS_CACHE", str(tmp_path / "default"))
    assert Cache.of_option(False) is None
    for option, folder in ((True, tmp_path / "default"), (tmp_path / "own", tmp_path / "own")):
        chosen = Cache.of_option(option)
        assert chosen is not None
        assert chosen.root == folder


def test_a_new_or_empty_folder_is_marked_and_one_with_other_things_gets_a_folder_inside(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "project" / ".git").mkdir(parents=True)
    (tmp_path / "tagged").mkdir()
    (tmp_path / "tagged" / TAG).write_text("Signature: 8a477f597d28d172789f06886806bc55\n# by another tool\n")
    places = {"new": "new", "empty": "empty", "project": f"project/{BESIDE}", "tagged": f"tagged/{BESIDE}"}
    for name, place in places.items():
        for _ in range(2):  # the second time it is there
            cache = Cache.at(tmp_path / name)
            assert cache.root == tmp_path / place
            put(cache)
        assert (cache.root / TAG).read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
        assert cache.clear() == 1
    assert not (tmp_path / "project" / TAG).exists()


def test_a_cache_inside_the_samples_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    for name in ("a.png", "kept/b.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    for place in (tmp_path, tmp_path / "own", tmp_path / "kept" / "own"):
        put(Cache.at(place))
    source = open_source(tmp_path)
    assert isinstance(source, Source)
    assert ([source.path(i) for i in range(len(source))], source.skipped) == (["a.png", "kept/b.png"], ())


def test_results_of_validate_lie_in_the_marked_folder_and_stay(tmp_path: Path) -> None:
    folder = Runner.of(str(tmp_path / "cache"), 1).folder
    folder.mkdir()
    (folder / "ladders.jsonl").write_text("kept")
    assert Cache.at(tmp_path / "cache").root == tmp_path / "cache"
    put(Cache.at(tmp_path / "cache"))
    assert Cache.at(tmp_path / "cache").clear() == 1
    assert (folder / "ladders.jsonl").read_text() == "kept"
    assert Runner.of(str(tmp_path / "cache"), 1).folder == folder


def foreign(root: Path, folder: Path) -> list[Path]:
    """Files and folders of others, in all places of a cache, and links that lead out of it."""
    for name in ("ab", "db", "ui/.cfg", f"{'0' * 32}/{'1' * 32}.safetensors", f"{'2' * 32}"):
        (root / name).mkdir(parents=True, exist_ok=True)
    files = [
        root / "notes.txt",
        root / ("3" * 32),
        root / "db" / ".env",
        root / "ab" / "model.safetensors",
        root / "ab" / f"{'4' * 64}.safetensors",
        root / f"{'0' * 32}/{'1' * 32}.safetensors" / "inside",
        folder / "model.safetensors",
        folder / ".env",
        folder / f"{'5' * 32}.safetensors.bak",
        root / ".hidden",
    ]
    for file in files:
        file.write_text("of somebody else")
        os.utime(file, (1000, 1000))
    outside = root.parent / f"{'6' * 32}.safetensors"
    outside.write_text("outside")
    (folder / f"{'7' * 32}.safetensors").symlink_to(outside)
    (root / f"{'8' * 32}").symlink_to(root.parent)
    (folder / f".{'9' * 32}.safetensors.abcdefgh").mkdir()
    return [*files, outside]


@pytest.mark.parametrize("marked", [True, False])
def test_files_of_others_are_never_touched(cache: Cache, marked: bool) -> None:
    path = put(cache)
    files = foreign(cache.root, path.parent)
    if not marked:
        (cache.root / TAG).unlink()
    before = {file: (file.read_text(), file.stat().st_mtime) for file in files}
    assert Cache(cache.root, 1).trim() == marked
    assert cache.clear() == 0
    assert path.exists() is not marked
    assert len(list(cache.entries())) == 0
    assert {file: (file.read_text(), file.stat().st_mtime) for file in files} == before


def test_what_cannot_be_listed_ends_nothing(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(cache)
    scandir = os.scandir

    def refused(place: object) -> object:
        if str(place) == str(path.parent):
            raise PermissionError(13, "Permission denied")
        return scandir(place)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", refused)
    assert (cache.trim(), cache.clear(), list(cache.entries()), cache.heads(path.parent)) == (0, 0, [], [])


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="a system without users")
def test_the_limit_removes_no_files_of_other_users(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(cache)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    assert Cache(cache.root, 0).trim() == 0
    assert path.exists()
    monkeypatch.undo()
    assert Cache(cache.root, 0).trim() == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes")
def test_pipes_in_the_cache_are_not_opened(cache: Cache) -> None:
    path = put(cache)
    os.mkfifo(path.with_name(f"{'1' * 32}.safetensors"))
    begin = time.monotonic()
    assert len(cache.heads(path.parent)) == len(list(cache.entries())) == 1
    (cache.root / TAG).unlink()
    os.mkfifo(cache.root / TAG)
    assert cache.clear() == 0
    assert time.monotonic() - begin < 5


def test_a_file_that_vanishes_while_it_is_opened_is_gone_and_no_more(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(cache)

    def vanished(*_args: object, **_options: object) -> None:
        raise RuntimeError(f"unable to open file <{path}> in read-only mode: No such file or directory (2)")

    monkeypatch.setattr(segments, "safe_open", vanished)
    assert (cache.heads(path.parent), cache.verified(path), list(cache.entries())) == ([], None, [])
    with pytest.raises(FileNotFoundError):
        read_rows(path, ["pooled"], np.arange(2))
    assert path.exists()


def test_files_that_vanish_before_they_are_joined_end_nothing(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MANY", 2)
    paths = [put(cache, seed) for seed in range(6)]
    folder = paths[0].parent
    heads = Cache.heads

    def emptied(self: Cache, place: Path) -> list[segments.Head]:
        found = heads(self, place)
        for head in found[:3]:
            head.path.unlink()
        return found

    monkeypatch.setattr(Cache, "heads", emptied)
    cache.join_small(folder)
    monkeypatch.undo()
    assert [entry.samples for entry in cache.entries()] == [3 * N]


def test_heads_that_are_no_heads_are_damaged(tmp_path: Path) -> None:
    from safetensors.torch import save

    tensors = {"keys": torch.zeros(3, 7, dtype=torch.uint8), "pooled": torch.zeros(3, 2)}
    for header in (
        {"header": '{"schema": "divmetrics.segment/1", "encoder": "e", "engine": "t"}'},
        {"header": "[]"},
        {},
    ):
        path = tmp_path / "s.safetensors"
        path.write_bytes(save(tensors, header))
        with pytest.raises(DamagedSegment):
            head_of(path)
