"""Samples on their way: threads, processes and this process give the same batches, and what fails in them is heard."""

import multiprocessing
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from divmetrics.encoders import load_encoder
from divmetrics.encoders._preparing import Bicubic, Native
from divmetrics.errors import SourceError
from divmetrics.extraction import loading, loop
from divmetrics.extraction.loading import Batch, Preparation
from divmetrics.extraction.loop import ExtractionSettings
from divmetrics.records.results import Skipped
from divmetrics.sources import Look, Source, Stream, Traits, UnreadableSample, one_large, open_source

WORK = Preparation({"small": Bicubic(8)})


@dataclass
class Slow(Source):
    """Images of one grey level, the later ones read faster, so that threads end out of order."""

    n: int = 12
    broken: frozenset[int] = frozenset()
    refused: int | None = None
    crash: int | None = None
    threadsafe: bool = True
    name: str = "slow"
    kind: Any = "image"
    running: set[int] = field(default_factory=set)
    read_by: set[str] = field(default_factory=set)
    count: int = 0

    def __len__(self) -> int:
        return self.n

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        (place,) = indices
        self.read_by.add(threading.current_thread().name)
        self.count += 1
        time.sleep(0.002 * (self.n - place))
        if place == self.crash:
            raise ZeroDivisionError("in a thread")
        if place == self.refused:
            raise SourceError("no further")
        if place in self.broken:
            raise UnreadableSample(self.path(place), "truncated")
        return [np.full((9, 9, 3), place, np.uint8)]

    def path(self, index: int) -> str:
        return f"{index}.png"

    def digest(self) -> str:
        return "sha256:0"


def wait_until(reached: Callable[[], bool]) -> None:
    """Until threads have come so far, however slow the machine is, and a moment for them to go too far."""
    deadline = time.monotonic() + 30
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)


def batches(source: Source, workers: int, work: Preparation = WORK, size: int = 2) -> list[Batch]:
    return list(loading.batches(source, range(len(source)), work, size, workers, pinned=False))


def test_threads_keep_the_order_and_skip_what_cannot_be_read() -> None:
    source = Slow(broken=frozenset({1, 4, 5}))
    found = batches(source, 3)
    assert [batch.places.tolist() for batch in found] == [[0], [2, 3], [], [6, 7], [8, 9], [10, 11]]
    assert [skipped for batch in found for skipped in batch.skipped] == [
        Skipped(f"{place}.png", "truncated") for place in (1, 4, 5)
    ]
    for batch in found:
        for place, row in zip(batch.places.tolist(), batch.prepared.get("small", ()), strict=True):
            torch.testing.assert_close(row * 255, torch.full((3, 8, 8), float(place)))
    assert "MainThread" not in source.read_by


def test_threads_only_where_the_source_allows_them() -> None:
    source = Slow(threadsafe=False)
    batches(source, 0)
    assert source.read_by == {"MainThread"}
    assert Slow.threadsafe is True
    assert Source.threadsafe is False


@pytest.mark.parametrize("failing", [{"crash": 5}, {"refused": 5}])
def test_what_fails_in_a_thread_is_heard_after_all_that_came_before(failing: dict[str, int]) -> None:
    seen: list[int] = []

    def add(_encoder: str, _layer: str, _rows: torch.Tensor, places: torch.Tensor) -> None:
        seen.extend(places.tolist())

    error = ZeroDivisionError if "crash" in failing else SourceError
    before = threading.active_count()
    with pytest.raises(error, match=r"in a thread|no further"):
        loop.run(
            Slow(n=40, **failing),
            [load_encoder("pixels")],
            layers={"pooled"},
            add=add,
            settings=ExtractionSettings("cpu", 1, workers=3),
        )
    assert seen == [0, 1, 2, 3, 4]
    assert threading.active_count() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_threads_end_with_the_run(error: type[BaseException]) -> None:
    def add(*_: Any) -> None:
        raise error("stop")

    before = threading.active_count()
    with pytest.raises(error, match="stop") as raised:
        loop.run(
            Slow(n=80), [load_encoder("pixels")], layers={"pooled"}, add=add, settings=ExtractionSettings("cpu", 2, 2)
        )
    assert threading.active_count() == before, f"kept alive by the traceback of {raised}"


def test_threads_read_ahead_but_not_all_at_once() -> None:
    source = Slow(n=3 * loading.AHEAD)
    source.read = lambda indices: [source.running.update(indices) or np.zeros((2, 2, 3), np.uint8)]  # type: ignore[method-assign]
    coming = loading.batches(source, range(source.n), WORK, 4, 2, pinned=False)
    next(coming)
    wait_until(lambda: len(source.running) >= loading.AHEAD)
    assert loading.AHEAD <= len(source.running) <= loading.AHEAD + 4 * 4
    del coming


def test_a_thread_computes_alone() -> None:
    found: list[int] = []

    def prepare(image: np.ndarray) -> torch.Tensor:
        found.append(torch.get_num_threads())
        return torch.zeros(1)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        batches(Slow(n=4), 2, Preparation({"small": prepare}))
        assert set(found) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(7):
        image = Image.fromarray(rng.integers(0, 256, (20 + i % 2, 24, 3), dtype=np.uint8))
        image.save(tmp_path / f"{i}.{'jpg' if i % 3 else 'png'}")
    (tmp_path / "5a.jpg").write_bytes((tmp_path / "5.jpg").read_bytes()[:300])
    return tmp_path


@pytest.mark.parametrize("archive", [False, True])
def test_files_are_the_same_by_threads_and_in_this_process(pictures: Path, tmp_path: Path, archive: bool) -> None:
    place = pictures
    if archive:
        import zipfile

        place = tmp_path / "set.zip"
        with zipfile.ZipFile(place, "w") as out:
            for file in sorted(pictures.iterdir()):
                if file != place:
                    out.write(file, file.name)
    source = open_source(place)
    assert isinstance(source, Source)
    assert source.threadsafe
    here, threaded = batches(source, 0), batches(source, 3)
    for one, other in zip(here, threaded, strict=True):
        assert one.places.tolist() == other.places.tolist()
        assert (one.paths, one.skipped) == (other.paths, other.skipped)
        assert all(torch.equal(rows, other.prepared[name]) for name, rows in one.prepared.items())
    assert [skipped.path for batch in here for skipped in batch.skipped] == ["5a.jpg"]


def test_warnings_of_others_pass_while_threads_decode(pictures: Path) -> None:
    source = open_source(pictures)
    assert isinstance(source, Source)
    before = list(warnings.filters), ImageFile.LOAD_TRUNCATED_IMAGES
    coming = loading.batches(source, range(len(source)), WORK, 2, 2, pinned=False)
    next(coming)
    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)
    del coming
    assert (list(warnings.filters), ImageFile.LOAD_TRUNCATED_IMAGES) == before


def test_a_batch_without_the_samples_that_turned_out_unreadable() -> None:
    rows = torch.arange(3.0)[:, None]
    batch = Batch(
        [4, 5, 6, 7],
        torch.tensor([4, 6, 7]),
        {"e": rows},
        (),
        ["4", "6", "7"],
        ["a", "b", "c"],
        [Skipped("5", "empty file")],
        traits=Traits((b"4", b"6", b"7"), (Look(4), Look(6), Look(7))),
    )
    assert batch.without({}) is batch
    less = batch.without({1: "truncated"})
    assert less.places.tolist() == [4, 7]
    assert (less.paths, less.labels) == (["4", "7"], ["a", "c"])
    assert less.skipped == [Skipped("5", "empty file"), Skipped("6", "truncated")]
    assert torch.equal(less.prepared["e"], rows[[0, 2]])
    assert less.traits == Traits((b"4", b"7"), (Look(4), Look(7)))


def features(source: Source, spec: str, settings: ExtractionSettings) -> torch.Tensor:
    rows: list[torch.Tensor] = []
    loop.run(
        source, [load_encoder(spec)], layers={"pooled"}, add=lambda *given: rows.append(given[2]), settings=settings
    )
    return torch.cat(rows)


@pytest.mark.parametrize("spec", ["pixels?size=9", "pixels?size=40"])
def test_resizing_on_the_device_is_the_same(pictures: Path, spec: str) -> None:
    source = open_source(pictures)
    assert isinstance(source, Source)
    settings = ExtractionSettings("cpu", batch_size=3, workers=0, max_skipped=0.5)
    workers, device = (features(source, spec, replace(settings, resizing=where)) for where in ("workers", "device"))
    assert float((workers - device).abs().max()) < 1e-3 / 255
    assert not torch.equal(workers, device)  # it was done elsewhere


@pytest.mark.parametrize("workers", [0, 2])
def test_large_pictures_are_resized_before_they_travel(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source, work = Slow(n=4), Preparation({"small": Bicubic(8)}, frozenset({"small"}))
    assert all(len(batch.pictures) == 2 and not batch.prepared for batch in batches(source, workers, work))
    monkeypatch.setattr(loading, "MAX_SENT_BYTES", 9 * 9 * 3 - 1)
    assert all(len(batch.pictures) == 0 and "small" in batch.prepared for batch in batches(source, workers, work))


def test_no_encoders_still_read_what_can_be_read() -> None:
    left = loop.run(
        Slow(n=5, broken=frozenset({2})),
        [],
        layers=set(),
        add=lambda *_: None,
        settings=ExtractionSettings("cpu", max_skipped=1),
    )
    assert (left.engine, len(left.paths), len(left.skipped)) == ("none", 4, 1)


def test_one_large_image_is_handled_at_a_time_and_many_small_ones() -> None:
    inside, most, lock = [0], [0], threading.Lock()

    def work(size: int) -> None:
        with one_large, one_large:
            one_large.claim(size)
            one_large.claim(size)
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.02)
            with lock:
                inside[0] -= 1

    for size, allowed in ((2**23, {1}), (100, {2, 3, 4})):
        most[0] = 0
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, [size] * 8))
        assert most[0] in allowed


def test_a_fork_while_another_thread_has_a_large_image_does_not_wait_for_it() -> None:
    with one_large:
        one_large.claim(2**23)
        worker = multiprocessing.get_context("fork").Process(target=_claims)
        worker.start()
        worker.join(10)
    assert worker.exitcode == 0


def _claims() -> None:
    with one_large:
        one_large.claim(2**23)


def test_batches_of_large_samples_are_cut_and_the_samples_stay_the_same() -> None:
    """Each sample has 768 bytes, once prepared; a batch may have 2,000 bytes."""
    whole, cut = WORK, replace(WORK, most_bytes=2000)
    wanted = torch.cat([batch.prepared["small"] for batch in batches(Slow(), 2, whole, 8)])
    for workers, threadsafe in [(0, True), (2, True), (2, False)]:
        found = batches(Slow(broken=frozenset(), threadsafe=threadsafe), workers, cut, 8)
        assert [batch.places.tolist() for batch in found] == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
        assert torch.equal(torch.cat([batch.prepared["small"] for batch in found]), wanted)
    assert [len(batch.places) for batch in batches(Slow(), 2, replace(WORK, most_bytes=1), 8)] == [1] * 12


def test_batches_of_a_stream_are_cut_too() -> None:
    class Images(Stream):
        name, kind = "images", "image"

        def __iter__(self) -> Iterator[tuple[np.ndarray, str | None]]:
            return ((np.full((9, 9, 3), place, np.uint8), None) for place in range(5))

    found = list(loading.batches(Images(), None, replace(WORK, most_bytes=2000), 8, 0, pinned=False))
    assert [batch.places.tolist() for batch in found] == [[0, 1, 2], [3, 4]]


def test_few_batches_of_large_samples_wait_in_advance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_WAITING_BYTES", 4 * 768)
    source = Slow(n=40)
    coming = loading.batches(source, range(40), WORK, 1, 2, pinned=False)
    next(coming)
    wait_until(lambda: source.count >= 2)
    read = source.count
    assert 2 <= read <= 6  # one that was given away, four that wait, and perhaps the first two
    assert len(list(coming)) == 39


def test_images_are_taken_at_their_own_size_up_to_a_bound() -> None:
    """Nothing of the size of the image is made before it is refused."""
    large = np.broadcast_to(np.uint8(0), (10**5, 10**5, 3))
    with pytest.raises(
        SourceError, match=r"100000 x 100000 pixels is too large .* 2\.8 megapixels; .*pixels\?size=256"
    ):
        Native()(large)
    with pytest.raises(SourceError, match="too large"):
        Native().prepare_batch(torch.zeros(1, dtype=torch.uint8).expand(2, 10**5, 10**5, 3))
