import os
from pathlib import Path

import pytest
import torch

from divmetrics.errors import UsageError
from divmetrics.extraction.store import Cache, Part


def part(seed: int = 0) -> Part:
    rows = torch.randn(3, 4, generator=torch.Generator().manual_seed(seed))
    return Part({"pooled": rows}, torch.tensor([0, 2, 3]), {1: "truncated"}, "torch 2.9.1")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.at(tmp_path / "cache")


def test_what_is_put_is_got(cache: Cache) -> None:
    key = cache.key([b"a", b"b"], "net#1", ["pooled"])
    assert cache.get(key) is None
    cache.put(key, part(), "net")
    found = cache.get(key)
    assert found is not None
    assert torch.equal(found.rows["pooled"], part().rows["pooled"])
    assert found.places.tolist() == [0, 2, 3]
    assert (found.skipped, found.engine) == ({1: "truncated"}, "torch 2.9.1")
    assert [(entry.encoder, entry.path.name) for entry in cache.entries()] == [("net", f"{key}.safetensors")]


def test_a_key_depends_on_contents_encoder_and_layers_and_not_on_the_order_of_layers(cache: Cache) -> None:
    key = cache.key([b"a", b"b"], "net#1", ["pooled", "logits"])
    others = [
        cache.key([b"b", b"a"], "net#1", ["pooled", "logits"]),
        cache.key([b"ab"], "net#1", ["pooled", "logits"]),
        cache.key([b"a", b"b"], "net#2", ["pooled", "logits"]),
        cache.key([b"a", b"b"], "net#1", ["pooled"]),
    ]
    assert key not in others
    assert key == cache.key([b"a", b"b"], "net#1", ["logits", "pooled"])


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_damaged_part_is_said_and_removed(cache: Cache, content: bytes) -> None:
    key = cache.key([b"a"], "net", ["pooled"])
    cache.put(key, part(), "net")
    (entry,) = cache.entries()
    entry.path.write_bytes(content)
    assert [found.encoder for found in cache.entries()] == ["damaged"]
    with pytest.warns(UserWarning, match="damaged and are computed again"):
        assert cache.get(key) is None
    assert cache.get(key) is None
    assert not list(cache.entries())


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10**9)
    keys = [cache.key([bytes([i])], "net", ["pooled"]) for i in range(3)]
    for age, key in enumerate(keys):
        cache.put(key, part(age), "net")
    for age, entry in enumerate(sorted(cache.entries(), key=lambda entry: keys.index(entry.path.stem))):
        os.utime(entry.path, (1000 + age, 1000 + age))
    cache.get(keys[0])  # now the most recently used
    size = next(cache.entries()).bytes
    assert Cache(tmp_path, 2 * size).trim() == 1
    assert {entry.path.stem for entry in cache.entries()} == {keys[0], keys[2]}
    assert cache.clear() == 2
    assert not list(cache.entries())


def test_a_place_that_cannot_be_written_warns_and_the_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.warns(UserWarning, match="cannot be cached"):
        Cache(tmp_path / "file" / "below", 10**9).put("ab" * 32, part(), "net")


def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVMETRICS_CACHE", str(tmp_path / "there"))
    monkeypatch.setenv("DIVMETRICS_CACHE_GB", "0.5")
    assert Cache.at() == Cache(tmp_path / "there", 2**29)
    monkeypatch.setenv("DIVMETRICS_CACHE_GB", "much")
    with pytest.raises(UsageError, match="wanted a number of gigabytes"):
        Cache.at()
    (tmp_path / "file").write_text("x")
    monkeypatch.delenv("DIVMETRICS_CACHE_GB")
    with pytest.raises(UsageError, match="is a file; name a folder"):
        Cache.at(tmp_path / "file")


def test_entries_come_the_least_recently_used_first(cache: Cache) -> None:
    keys = [cache.key([bytes([i])], "net", ["pooled"]) for i in range(4)]
    for age, key in enumerate(keys):
        cache.put(key, part(age), "net")
        path = cache.root / key[:2] / f"{key}.safetensors"
        os.utime(path, (1000 + age, 1000 + age))
    assert [entry.path.stem for entry in cache.entries()] == keys
    size = next(cache.entries()).bytes
    assert Cache(cache.root, 2 * size).trim() == 2
    assert [entry.path.stem for entry in cache.entries()] == keys[2:]


def test_remains_of_killed_runs_are_removed_once_they_are_old(cache: Cache) -> None:
    cache.put(cache.key([b"a"], "net", ["pooled"]), part(), "net")
    folder = next(cache.entries()).path.parent
    fresh, old = folder / ".fresh", folder / ".old"
    fresh.write_text("x")
    old.write_text("x")
    os.utime(old, (1000, 1000))
    assert cache.trim() == 0
    assert (fresh.exists(), old.exists()) == (True, False)


def test_a_part_is_written_whole_or_not_at_all(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(_tensors: object, path: Path, metadata: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("divmetrics.extraction.store.save_file", half)
    key = cache.key([b"a"], "net", ["pooled"])
    with pytest.warns(UserWarning, match="cannot be cached"):
        assert not cache.put(key, part(), "net")
    assert not cache.has(key)
    monkeypatch.undo()
    assert cache.put(key, part(), "net")
    assert cache.has(key)


def test_the_option_names_a_folder_the_default_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVMETRICS_CACHE", str(tmp_path / "default"))
    assert Cache.of_option(False) is None
    for option, folder in ((True, tmp_path / "default"), (tmp_path / "own", tmp_path / "own")):
        chosen = Cache.of_option(option)
        assert chosen is not None
        assert chosen.root == folder
