"""Runs that share a cache: nothing is computed twice, and nothing changes for it."""

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._preparing import Native
from divmetrics.errors import SourceError
from divmetrics.extraction import cached, known, store
from divmetrics.extraction.loop import ExtractionSettings
from divmetrics.extraction.segments import head_of
from divmetrics.extraction.store import PART, Cache
from divmetrics.sources import Source, Traits, UnreadableSample, open_source, subset
from divmetrics.sources._folder import Folder
from divmetrics.sources._views import View

N = PART + 90


class Counting(nn.Module):
    """Mean colours, and how many samples it has seen."""

    seen = 0
    breaks_at: int | None = None

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        if self.breaks_at is not None and self.seen + len(batch) > self.breaks_at:
            raise KeyboardInterrupt
        self.seen += len(batch)
        return batch.mean((2, 3)), batch.amax((2, 3))


def encoder(name: str = "mean", digest: str = "1") -> Encoder:
    network = Counting()
    return Encoder(name, digest, "native", ("pooled", "logits"), Native(), lambda: network)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(N):
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(place / f"{i:04}.png")
    (place / "0007.png").write_bytes(b"")
    return place


def rows(source: Source, encoders: list[Encoder], cache: Cache | None, max_skipped: float = 0.01) -> dict[str, Tensor]:
    found: dict[str, list[Tensor]] = {}
    places: list[int] = []

    def add(name: str, layer: str, features: Tensor, index: Tensor) -> None:
        found.setdefault(f"{name}/{layer}", []).append(features)
        if name == encoders[0].name and layer == "pooled":
            places.extend(index.tolist())

    settings = ExtractionSettings(device="cpu", workers=0, max_skipped=max_skipped, store=cache)
    taken = cached.run(source, encoders, layers={"pooled"}, add=add, settings=settings)
    assert places == [place for place in range(len(source)) if source.path(place) != "0007.png"]
    assert taken.paths == tuple(source.path(place) for place in places)
    assert [(skipped.path, skipped.reason) for skipped in taken.skipped] == [("0007.png", "empty file")]
    assert taken.engine.startswith("torch ")
    return {name: torch.cat(parts) for name, parts in found.items()}


def seen(of: Encoder) -> int:
    network = of.network
    assert isinstance(network, Counting)
    return network.seen


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", 10**9)


def test_the_second_run_computes_nothing_and_says_the_same(folder: Path, cache: Cache) -> None:
    source = open_source(folder)
    assert isinstance(source, Source)
    first, second = encoder(), encoder()
    bare = rows(source, [encoder()], None)
    assert torch.equal(rows(source, [first], cache)["mean/pooled"], bare["mean/pooled"])
    assert torch.equal(rows(source, [second], cache)["mean/pooled"], bare["mean/pooled"])
    assert (seen(first), seen(second)) == (N - 1, 0)


def test_other_weights_and_other_names_share_nothing(folder: Path, cache: Cache) -> None:
    source = open_source(folder)
    assert isinstance(source, Source)
    rows(source, [encoder()], cache)
    for other in (encoder(digest="2"), encoder("mean?layer=192"), replace(encoder(), preprocessing="native+jpeg-cuda")):
        rows(source, [other], cache)
        assert seen(other) == N - 1


def test_a_second_encoder_runs_alone(folder: Path, cache: Cache) -> None:
    source = open_source(folder)
    assert isinstance(source, Source)
    rows(source, [encoder()], cache)
    old, new = encoder(), encoder("new", "2")
    found = rows(source, [old, new], cache)
    assert (seen(old), seen(new)) == (0, N - 1)
    assert torch.equal(found["mean/pooled"], found["new/pooled"])


def linked(folder: Path, place: Path, names: list[str]) -> Source:
    """The files of `folder` under other names, in the order of these."""
    place.mkdir()
    for file, name in zip(sorted(folder.iterdir()), names, strict=False):
        if file.name != "0007.png":
            os.link(file, place / name)
    source = open_source(place)
    assert isinstance(source, Source)
    return source


def features(source: Source, one: Encoder, cache: Cache | None) -> dict[str, Tensor]:
    """Path of each sample -> its features."""
    found: list[Tensor] = []
    settings = ExtractionSettings(device="cpu", workers=0, store=cache)
    add = lambda _encoder, _layer, rows, _index: found.append(rows)  # noqa: E731
    taken = cached.run(source, [one], layers={"pooled"}, add=add, settings=settings)
    return dict(zip(taken.paths, torch.cat(found), strict=True))


def test_a_changed_or_added_file_costs_itself_alone(folder: Path, cache: Cache, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    source = linked(folder, copy, [f"{i:04}.png" for i in range(N)])
    features(source, encoder(), cache)
    Image.new("RGB", (4, 4)).save(copy / "0000-first.png")
    (copy / "0003.png").unlink()
    Image.new("RGB", (4, 4), "white").save(copy / "0003.png")
    (copy / "0099.png").unlink()
    changed, source = encoder(), open_source(copy)  # type: ignore[assignment]
    found = features(source, changed, cache)
    assert seen(changed) == 2
    assert len(found) == N - 1
    assert not found["0000-first.png"].any()
    assert (found["0003.png"] == 1).all()


@pytest.mark.parametrize("select", ["shuffled", "every third", "in classes", "few", "twice"])
def test_any_order_and_any_selection_finds_what_is_known(
    select: str, folder: Path, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of(64, monkeypatch)
    names = [f"{i:04}.png" for i in range(N)]
    whole = features(linked(folder, tmp_path / "whole", names), encoder(), cache)
    order = random.Random(0).sample(range(N), N)
    if select == "in classes":
        (tmp_path / "other").mkdir()
        source: Source = linked(folder, tmp_path / "other" / "one", [f"{i:04}.png" for i in order])
        source = open_source(tmp_path / "other")  # type: ignore[assignment]
        back = {f"one/{i:04}.png": name for i, name in zip(order, names, strict=True)}
    else:
        source = linked(folder, tmp_path / "other", [f"{i:04}.png" for i in order])
        back = {f"{i:04}.png": name for i, name in zip(order, names, strict=True)}
    if select == "every third":
        source = View(source.name, "image", source, range(0, len(source), 3))
    if select == "few":
        source = subset(source, 5, seed=0)
    if select == "twice":
        source = View(source.name, "image", source, [*range(100), *range(100)])
    again = encoder()
    found = features(source, again, cache)
    assert seen(again) == 0
    assert all(torch.equal(rows, whole[back[path]]) for path, rows in found.items())
    bare = features(source, encoder(), None)
    assert list(found) == list(bare)
    assert all(torch.equal(rows, bare[path]) for path, rows in found.items())


def test_equal_files_are_computed_once(folder: Path, cache: Cache, tmp_path: Path) -> None:
    place = tmp_path / "copies"
    place.mkdir()
    for number in range(40):
        os.link(folder / f"{number % 4:04}.png", place / f"{number:02}.png")
        (place / f"broken-{number}.png").write_bytes(b"no picture" if number else b"")
    source, one = open_source(place), encoder()
    assert isinstance(source, Source)
    settings = ExtractionSettings(device="cpu", workers=0, store=cache, max_skipped=1.0)
    found: list[Tensor] = []
    taken = cached.run(source, [one], layers={"pooled"}, add=lambda *given: found.append(given[2]), settings=settings)
    assert (seen(one), len(taken.paths), len(taken.skipped)) == (4, 40, 40)
    rows = torch.cat(found)
    assert torch.equal(rows[:4].repeat(10, 1), rows)


def test_a_wider_set_of_layers_serves_a_narrower_one(folder: Path, cache: Cache) -> None:
    source, network = open_source(folder), Counting()
    assert isinstance(source, Source)
    wide = Encoder("wide", "1", "native", ("pooled", "pixels"), Native(), lambda: network)
    settings = ExtractionSettings(device="cpu", workers=0, store=cache)
    for layers, computed in (({"pooled", "pixels"}, N - 1), ({"pooled"}, 0), ({"pixels"}, 0)):
        network.seen = 0
        cached.run(source, [wide], layers=layers, add=lambda *_: None, settings=settings)  # type: ignore[arg-type]
        assert network.seen == computed


def parts_of(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of so few samples that a few hundred images make several."""
    for module in (cached, known, store):
        monkeypatch.setattr(module, "PART", samples)
    monkeypatch.setattr(store, "SMALL", samples // 2)


def test_a_killed_run_goes_on_and_the_features_are_the_same(folder: Path, tmp_path: Path) -> None:
    source = open_source(folder)
    assert isinstance(source, Source)
    bare = rows(source, [encoder()], None)["mean/pooled"]
    moments = random.Random(0)
    for trial in range(20):
        cache = Cache(tmp_path / str(trial), 10**9)
        killed, resumed = encoder(), encoder()
        at = moments.randrange(N)
        killed.network.breaks_at = at  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            rows(source, [killed], cache)
        assert torch.equal(rows(source, [resumed], cache)["mean/pooled"], bare)
        assert seen(resumed) == N - 1 - seen(killed), "what was computed is kept"


def test_skipped_samples_count_whether_cached_or_not(folder: Path, cache: Cache) -> None:
    for _ in range(2):
        with pytest.raises(SourceError, match="max-skipped"):
            rows(open_source(folder), [encoder()], cache, max_skipped=0.0)  # type: ignore[arg-type]


def runs(what: str, folder: Path, scratch: Path, trials: int) -> dict[str, Any]:
    """What `killed_runs.py` says at its end."""
    command = [sys.executable, str(Path(__file__).parent / "killed_runs.py"), what, folder, scratch, trials]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.slow
def test_twenty_processes_killed_at_random_and_resumed_give_the_same_features(folder: Path, tmp_path: Path) -> None:
    found = runs("kill", folder, tmp_path, 20)
    assert found["survived"] < 5
    assert len(set(found["parts"])) > 5, "kills fell at different points of the work"


@pytest.mark.slow
def test_two_processes_share_a_cache_that_a_third_one_clears(folder: Path, tmp_path: Path) -> None:
    assert runs("share", folder, tmp_path, 6)["trials"] == 6


def test_parts_are_handed_on_as_they_become_whole_and_read_one_by_one(
    folder: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of(64, monkeypatch)
    source, network = open_source(folder), encoder()
    assert isinstance(source, Source)
    rest = N % 64
    alive: list[ref[Tensor]] = []
    seen_at, alive_at = [], []

    def add(_encoder: str, _layer: str, features: Tensor, _index: Tensor) -> None:
        seen_at.append(seen(network))
        alive_at.append(sum(tensor() is not None for tensor in alive))
        alive.append(ref(features))

    settings = ExtractionSettings(device="cpu", workers=0, store=cache)
    cached.run(source, [network], layers={"pooled"}, add=add, settings=settings)
    assert len(seen_at) == N // 64 + (rest > 0) > 8
    assert all(at <= 64 * (number + 1) + 8 for number, at in enumerate(seen_at))
    cached.run(source, [encoder()], layers={"pooled"}, add=add, settings=settings)
    assert max(alive_at) <= 1, "features of a part that was handed on are still held"


def test_each_encoders_rows_come_in_order_whichever_samples_are_cached(
    folder: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of(64, monkeypatch)
    source = open_source(folder)
    assert isinstance(source, Source)
    bare = rows(source, [encoder(), encoder("new", "2")], None)
    for gone in ([2, 3], [0], [-1], [1, 4, 5]):
        files = keyed(source, cache)
        for name, numbers in (("mean", gone), ("new", {gone[0], gone[-1]})):
            for number in numbers:
                files[name][number].unlink()
        encoders = [encoder(), encoder("new", "2")]
        found = rows(source, encoders, cache)
        assert all(torch.equal(found[name], bare[name]) for name in bare)
        assert 0 < seen(encoders[1]) <= 2 * (64 + 8)


def keyed(source: Source, cache: Cache) -> dict[str, list[Path]]:
    """Encoder -> its files, in the order of the source, after all have been written."""
    rows(source, [encoder(), encoder("new", "2")], cache)
    written: dict[str, list[Path]] = {"mean": [], "new": []}
    for entry in sorted(cache.entries(), key=lambda entry: entry.path.stat().st_mtime_ns):
        written[entry.encoder].append(entry.path)
    return written


def test_files_that_another_process_removes_meanwhile_are_made_again(
    folder: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of(64, monkeypatch)
    source = open_source(folder)
    assert isinstance(source, Source)
    bare = rows(source, [encoder()], None)["mean/pooled"]
    rows(source, [encoder()], cache)
    verified, calls = Cache.verified, []

    def emptied(self: Cache, path: Path) -> Traits | None:
        calls.append(path)
        if len(calls) in (3, 7):
            self.clear()
        return verified(self, path)

    monkeypatch.setattr(Cache, "verified", emptied)
    assert torch.equal(rows(source, [encoder()], cache)["mean/pooled"], bare)
    assert len(calls) >= 3


def test_damaged_files_are_made_again_and_no_number_changes(
    folder: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of(64, monkeypatch)
    source, chance = open_source(folder), random.Random(0)
    assert isinstance(source, Source)
    bare = rows(source, [encoder()], None)["mean/pooled"]
    rows(source, [encoder()], cache)
    for trial in range(60):
        path = chance.choice([entry.path for entry in cache.entries()])
        content = bytearray(path.read_bytes())
        place = chance.randrange(200) if trial % 3 == 0 else chance.randrange(len(content))  # the header, too
        content[place] ^= 1 << chance.randrange(8)
        path.write_bytes(content if trial % 4 else content[:place])
        one = encoder()
        with pytest.warns(UserWarning, match=f"{path.stem[:8]} were damaged and are computed again"):
            assert torch.equal(rows(source, [one], cache)["mean/pooled"], bare)
        assert 0 < seen(one) < 64 + 8, "a file and the rest of a batch"
        assert torch.equal(rows(source, [encoder()], cache)["mean/pooled"], bare)


def test_a_cache_that_cannot_be_written_changes_no_number(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of(64, monkeypatch)
    source = open_source(folder)
    assert isinstance(source, Source)
    bare = rows(source, [encoder(), encoder("new", "2")], None)
    cache = Cache(tmp_path / "cache", 10**9)
    written = keyed(source, cache)
    for number in (1, 2, 3):
        written["mean"][number].unlink()
    for number in (1, 3):
        written["new"][number].unlink()
    monkeypatch.setattr("divmetrics.extraction.store.atomic", _full)
    encoders = [encoder(), encoder("new", "2")]
    with pytest.warns(UserWarning, match="cannot be cached .*No space left"):
        found = rows(source, encoders, cache)
    assert all(torch.equal(found[name], bare[name]) for name in bare)
    assert [seen(one) for one in encoders] == [3 * 64, 2 * 64], "each missing sample was computed once"


def _full(_path: Path) -> Any:
    raise OSError(28, "No space left on device")


def test_a_cache_that_can_only_be_read_is_used(folder: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(folder)
    assert isinstance(source, Source)
    rows(source, [encoder()], cache)
    files = {path: path.read_bytes() for path in cache.root.rglob("*") if path.is_file()}

    def refused(*_args: object, **_options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    for name in ("utime", "unlink", "replace"):
        monkeypatch.setattr(os, name, refused)
    one = encoder()
    rows(source, [one], cache)
    assert seen(one) == 0
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in cache.root.rglob("*") if path.is_file()} == files


def test_failures_are_not_kept(folder: Path, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = linked(folder, tmp_path / "copy", [f"{i:04}.png" for i in range(30)])
    bare = features(source, encoder(), None)
    read, times = Folder.content, []

    def failing(self: Folder, name: str) -> bytes:
        if name == "0003.png" and not times:
            times.append(name)
            raise MemoryError
        if name == "0005.png" and len(times) == 1:
            times.append(name)
            raise UnreadableSample(name, "stale file handle")
        return read(self, name)

    settings = ExtractionSettings(device="cpu", workers=0, store=cache, max_skipped=1.0)
    monkeypatch.setattr(Folder, "content", lambda self, name, most: decode_fails(failing, self, name))
    first = cached.run(source, [encoder()], layers={"pooled"}, add=lambda *_: None, settings=settings)
    assert [lost.path for lost in first.skipped] == ["0003.png", "0005.png"]
    later = encoder()
    found = features(source, later, cache)
    assert (seen(later), found.keys()) == (2, bare.keys())
    assert all(torch.equal(found[path], bare[path]) for path in bare)


def decode_fails(read: Any, folder: Folder, name: str) -> bytes:
    """What a decoder makes of a lack of memory: a sample that cannot be read."""
    try:
        return bytes(read(folder, name))
    except MemoryError:
        raise UnreadableSample(name, "MemoryError") from None


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_is_replaced_meanwhile_is_kept_as_what_was_decoded(
    workers: int, folder: Path, cache: Cache, tmp_path: Path
) -> None:
    source = linked(folder, tmp_path / "copy", [f"{i:04}.png" for i in range(30)])
    old = (tmp_path / "copy" / "0003.png").read_bytes()
    before = features(source, encoder(), None)["0003.png"]
    source.fingerprints(range(len(source)))
    (tmp_path / "copy" / "0003.png").unlink()
    Image.new("RGB", (4, 4), "white").save(tmp_path / "copy" / "0003.png")
    found: list[Tensor] = []
    settings = ExtractionSettings(device="cpu", workers=workers, store=cache)
    cached.run(source, [encoder()], layers={"pooled"}, add=lambda *given: found.append(given[2]), settings=settings)
    assert (torch.cat(found)[3] == 1).all()
    white, same = open_source(tmp_path / "copy"), encoder()
    assert (features(white, same, cache)["0003.png"] == 1).all()  # type: ignore[arg-type]
    assert seen(same) == 0
    (tmp_path / "copy" / "0003.png").write_bytes(old)
    again, source = encoder(), open_source(tmp_path / "copy")  # type: ignore[assignment]
    assert torch.equal(features(source, again, cache)["0003.png"], before)
    assert seen(again) == 1


def test_small_files_are_joined(cache: Cache, tmp_path: Path) -> None:
    place, rng = tmp_path / "growing", np.random.default_rng(0)
    place.mkdir()
    for number in range(20):
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(place / f"{number:02}.png")
        one, source = encoder(), open_source(place)
        assert isinstance(source, Source)
        found = features(source, one, cache)
        assert (seen(one), len(found)) == (1, number + 1)
        assert len(list(cache.entries())) < store.MANY
    bare = features(source, encoder(), None)
    assert all(torch.equal(found[path], bare[path]) for path in bare)
    assert sum(entry.samples for entry in cache.entries()) == 20


def test_layers_that_the_next_run_may_want_are_kept_too(folder: Path, cache: Cache) -> None:
    source = open_source(folder)
    assert isinstance(source, Source)
    rows(source, [encoder()], cache)
    other, found = encoder(), list[Tensor]()
    settings = ExtractionSettings(device="cpu", workers=0, store=cache)
    cached.run(
        source, [other], layers={"logits"}, add=lambda _e, layer, part, _p: found.append(part), settings=settings
    )
    assert seen(other) == 0
    bare = list[Tensor]()
    cached.run(
        source,
        [encoder()],
        layers={"logits"},
        add=lambda _e, layer, part, _p: bare.append(part),
        settings=replace(settings, store=None),
    )
    assert torch.equal(torch.cat(found), torch.cat(bare))


def test_layers_that_are_large_are_stored_only_where_they_are_asked_for(folder: Path, cache: Cache) -> None:
    source, network = open_source(folder), Counting()
    assert isinstance(source, Source)
    wide = Encoder("wide", "1", "native", ("pooled", "pixels"), Native(), lambda: network)
    settings = ExtractionSettings(device="cpu", workers=0, store=cache)
    cached.run(source, [wide], layers={"pooled"}, add=lambda *_: None, settings=settings)
    assert head_of(next(cache.entries()).path).layers == {"pooled"}


def test_a_run_leaves_no_more_than_the_limit(folder: Path, tmp_path: Path) -> None:
    source, cache = open_source(folder), Cache(tmp_path / "cache", 10)
    assert isinstance(source, Source)
    rows(source, [encoder()], cache)
    assert not list(cache.entries())


def test_reasons_belong_to_their_samples(folder: Path, cache: Cache, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in sorted(folder.iterdir())[:20]:
        os.link(file, copy / file.name)
    (copy / "0003.png").unlink()
    (copy / "0003.png").write_bytes(b"no picture")
    source = open_source(copy)
    assert isinstance(source, Source)
    settings = ExtractionSettings(device="cpu", workers=0, max_skipped=1.0)

    def skipped(kept: Cache | None) -> list[tuple[str, str]]:
        given = replace(settings, store=kept)
        taken = cached.run(source, [encoder()], layers={"pooled"}, add=lambda *_: None, settings=given)
        return [(sample.path, sample.reason) for sample in taken.skipped]

    bare = skipped(None)
    assert [path for path, _ in bare] == ["0003.png", "0007.png"]
    assert bare[0][1] != bare[1][1]
    assert skipped(cache) == bare
    assert skipped(cache) == bare
