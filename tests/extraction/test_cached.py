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
from divmetrics.extraction import cached
from divmetrics.extraction.loop import ExtractionSettings
from divmetrics.extraction.store import PART, Cache, Part
from divmetrics.sources import Source, open_source

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


def test_a_changed_or_added_file_costs_its_own_part(folder: Path, cache: Cache, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        os.link(file, copy / file.name)
    rows(open_source(copy), [encoder()], cache)  # type: ignore[arg-type]
    Image.new("RGB", (4, 4)).save(copy / "9999.png")
    added = encoder()
    source = open_source(copy)
    assert isinstance(source, Source)
    assert not rows(source, [added], cache)["mean/pooled"][-1].any()
    assert seen(added) == N + 1 - PART
    (copy / "0003.png").unlink()
    Image.new("RGB", (4, 4), "white").save(copy / "0003.png")
    changed = encoder()
    assert (rows(source, [changed], None)["mean/pooled"][3] == 1).all()
    fresh = open_source(copy)
    assert isinstance(fresh, Source)
    changed = encoder()
    assert (rows(fresh, [changed], cache)["mean/pooled"][3] == 1).all()
    assert seen(changed) == PART - 1


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
        assert seen(resumed) == (N - 1 if at < PART else N - PART)


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
    monkeypatch.setattr(cached, "PART", 64)
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


def test_each_encoders_rows_come_in_order_whichever_parts_are_cached(
    folder: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached, "PART", 64)
    source = open_source(folder)
    assert isinstance(source, Source)
    bare = rows(source, [encoder(), encoder("new", "2")], None)
    entries = keyed(source, cache)
    read_back: list[str] = []
    get = Cache.get
    monkeypatch.setattr(Cache, "get", lambda self, key: read_back.append(key) or get(self, key))
    for gone in ([2, 3], [0], [len(entries["mean"]) - 1], [1, 4, 5]):
        for number in gone:
            entries["mean"][number].unlink()
        for number in {gone[0], gone[-1]}:  # of 1, 4, 5 the last is then made before the middle one, and has to wait
            entries["new"][number].unlink()
        read_back.clear()
        found = rows(source, [encoder(), encoder("new", "2")], cache)
        assert all(torch.equal(found[name], bare[name]) for name in bare)
        made = len(gone) + len({gone[0], gone[-1]})
        assert len(read_back) == 2 * len(entries["mean"]) - made + (len(gone) == 3)


def keyed(source: Source, cache: Cache) -> dict[str, list[Path]]:
    """Encoder -> the files of its parts, in the order of the source, after all have been written."""
    rows(source, [encoder(), encoder("new", "2")], cache)
    written: dict[str, list[Path]] = {"mean": [], "new": []}
    for entry in sorted(cache.entries(), key=lambda entry: entry.path.stat().st_mtime_ns):
        written[entry.encoder].append(entry.path)
    return written


def test_parts_that_another_process_removes_meanwhile_are_made_again(
    folder: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached, "PART", 64)
    source = open_source(folder)
    assert isinstance(source, Source)
    bare = rows(source, [encoder()], None)["mean/pooled"]
    rows(source, [encoder()], cache)
    get, calls = Cache.get, []

    def emptied(self: Cache, key: str) -> Part | None:
        calls.append(key)
        if len(calls) in (3, 7):
            self.clear()
        return get(self, key)

    monkeypatch.setattr(Cache, "get", emptied)
    assert torch.equal(rows(source, [encoder()], cache)["mean/pooled"], bare)
    assert len(calls) >= 3


def test_a_cache_that_cannot_be_written_changes_no_number(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached, "PART", 64)
    source = open_source(folder)
    assert isinstance(source, Source)
    bare = rows(source, [encoder(), encoder("new", "2")], None)
    cache = Cache(tmp_path / "cache", 10**9)
    written = keyed(source, cache)
    for number in (1, 2, 3):
        written["mean"][number].unlink()
    for number in (1, 3):  # so that part 3 of the other encoder is made before its part 2
        written["new"][number].unlink()
    monkeypatch.setattr("divmetrics.extraction.store.atomic", _full)
    encoders = [encoder(), encoder("new", "2")]
    with pytest.warns(UserWarning, match="cannot be cached"):
        found = rows(source, encoders, cache)
    assert all(torch.equal(found[name], bare[name]) for name in bare)
    assert [seen(one) for one in encoders] == [3 * 64, 2 * 64], "each missing part was computed once"


def _full(_path: Path) -> Any:
    raise OSError(28, "No space left on device")


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
    part = cache.get(next(cache.entries()).path.stem)
    assert part is not None
    assert set(part.rows) == {"pooled"}


def test_the_last_file_of_a_part_counts_too(folder: Path, cache: Cache, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        os.link(file, copy / file.name)
    source = open_source(copy)
    assert isinstance(source, Source)
    rows(source, [encoder()], cache)
    last = copy / source.path(PART - 1)
    last.unlink()
    Image.new("RGB", (4, 4), "white").save(last)
    fresh = open_source(copy)
    assert isinstance(fresh, Source)
    assert (rows(fresh, [encoder()], cache)["mean/pooled"][PART - 2] == 1).all()


def test_a_run_leaves_no_more_than_the_limit(folder: Path, tmp_path: Path) -> None:
    source, cache = open_source(folder), Cache(tmp_path / "cache", 10)
    assert isinstance(source, Source)
    rows(source, [encoder()], cache)
    assert not list(cache.entries())


def test_reasons_belong_to_their_samples_and_nothing_is_held_after_a_pass(
    folder: Path, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in sorted(folder.iterdir())[:20]:
        os.link(file, copy / file.name)
    (copy / "0003.png").unlink()
    (copy / "0003.png").write_bytes(b"no picture")
    source = open_source(copy)
    assert isinstance(source, Source)
    assemblers: list[cached._PartAssembler] = []
    run = cached._PartAssembler.run
    monkeypatch.setattr(cached._PartAssembler, "run", lambda self, *given: assemblers.append(self) or run(self, *given))
    settings = ExtractionSettings(device="cpu", workers=0, max_skipped=1.0)

    def skipped(store: Cache | None) -> list[tuple[str, str]]:
        given = replace(settings, store=store)
        taken = cached.run(source, [encoder()], layers={"pooled"}, add=lambda *_: None, settings=given)
        return [(sample.path, sample.reason) for sample in taken.skipped]

    bare = skipped(None)
    assert [path for path, _ in bare] == ["0003.png", "0007.png"]
    assert bare[0][1] != bare[1][1]
    assert skipped(cache) == bare
    assert skipped(cache) == bare
    (assembler,) = assemblers
    assert not assembler.rows
