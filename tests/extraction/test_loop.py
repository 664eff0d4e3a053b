"""The loop, on small sources and networks made here: order, skipping, workers, memory, and numbers that do not move."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images
from torch import Tensor, nn

from divmetrics.arrays import devices, dist
from divmetrics.encoders import load_encoder
from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._preparing import Bicubic, Native
from divmetrics.errors import SourceError, Unavailable, UsageError
from divmetrics.extraction import loading, loop
from divmetrics.extraction.loop import Extracted, ExtractionSettings
from divmetrics.records.extractor import Layer
from divmetrics.records.results import Skipped
from divmetrics.sources import Source, Stream, UnreadableSample

CPU = ExtractionSettings(device="cpu", workers=0)


@dataclass
class Images(Source):
    """Noise, seeded by place; some places are `broken`, and reading `deadly` ends the process."""

    n: int = 10
    size: tuple[int, int] = (6, 5)
    broken: frozenset[int] = frozenset()
    deadly: int | None = None
    odd: int | None = None
    labels: Sequence[str] | None = None
    name: str = "images"
    kind: Any = "image"

    def __len__(self) -> int:
        return self.n

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        return [self._one(place) for place in indices]

    def _one(self, place: int) -> np.ndarray:
        if place == self.deadly:
            time.sleep(0.5)  # until the main process has fetched all that is on its way
            os._exit(9)
        if place in self.broken:
            raise UnreadableSample(self.path(place), "truncated")
        height, width = self.size
        shape = (height, width + (place == self.odd), 3)
        return np.random.default_rng(place).integers(0, 256, shape, dtype=np.uint8)

    def path(self, index: int) -> str:
        return f"{index}.png"

    def digest(self) -> str:
        return "sha256:0"


@dataclass
class Pairs(Stream):
    pairs: list[tuple[np.ndarray, str | None]]
    name: str = "pairs"
    kind: Any = "image"

    def __iter__(self) -> Iterator[tuple[np.ndarray, str | None]]:
        return iter(self.pairs)


class Collect:
    """What `add` was given: encoder and layer -> rows and places, in the order of the calls."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, Layer], list[tuple[Tensor, Tensor]]] = {}

    def __call__(self, encoder: str, layer: Layer, rows: Tensor, places: Tensor) -> None:
        self.calls.setdefault((encoder, layer), []).append((rows, places))

    def rows(self, encoder: str = "pixels", layer: Layer = "pooled") -> Tensor:
        return torch.cat([rows for rows, _ in self.calls[encoder, layer]])

    def places(self, encoder: str = "pixels", layer: Layer = "pooled") -> list[int]:
        return torch.cat([places for _, places in self.calls[encoder, layer]]).tolist()


def collect(
    source: Source | Stream, settings: ExtractionSettings = CPU, spec: str = "pixels", **given: Any
) -> tuple[Collect, Extracted]:
    got = Collect()
    return got, loop.run(source, [load_encoder(spec)], layers={"pooled"}, add=got, settings=settings, **given)


def encoder_of(network: nn.Module, layers: tuple[Layer, ...] = ("pooled",)) -> Encoder:
    return Encoder("fake", "0" * 64, "native", layers, Native(), network.eval)


def test_rows_arrive_in_order_with_their_places() -> None:
    source = Images(n=10, labels=[f"class {place % 3}" for place in range(10)])
    got, left = collect(source, replace(CPU, batch_size=4))
    assert [len(rows) for rows, _ in got.calls["pixels", "pooled"]] == [4, 4, 2]
    assert got.places() == list(range(10))
    expected = np.stack([source.read([place])[0].transpose(2, 0, 1).ravel() / 255 for place in range(10)])
    np.testing.assert_allclose(got.rows().numpy(), expected, rtol=1e-6)
    assert left.paths == tuple(f"{place}.png" for place in range(10))
    assert left.labels == tuple(source.labels or ())
    assert left.skipped == ()
    assert left.engine.startswith("torch ")


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_samples_leave_gaps(workers: int) -> None:
    source = Images(n=9, broken=frozenset({0, 3, 4, 5}), labels="abcdefghi")
    got, left = collect(source, ExtractionSettings("cpu", batch_size=3, workers=workers, max_skipped=0.5))
    assert got.places() == [1, 2, 6, 7, 8]
    assert left.skipped == tuple(Skipped(f"{place}.png", "truncated") for place in (0, 3, 4, 5))
    assert left.labels == tuple("bcghi")


def test_too_many_unreadable_samples_fail_with_their_names() -> None:
    source = Images(n=40, broken=frozenset({3, 7, 8, 9, 30}))
    with pytest.raises(SourceError) as raised:
        collect(source, replace(CPU, max_skipped=0.1))
    message = "images: 5 of 40 samples cannot be read: 3.png (truncated), 7.png (truncated), 8.png (truncated), ...;"
    assert str(raised.value).startswith(message)
    assert "--max-skipped" in str(raised.value)
    assert len(collect(source, replace(CPU, max_skipped=0.125))[1].skipped) == 5
    with pytest.raises(SourceError, match="1 of 2 samples cannot be read"):
        collect(Images(n=2, broken=frozenset({1})))


def test_a_rank_reads_its_range_and_all_ranks_judge_together(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Images(n=10, broken=frozenset({4}))
    got, left = collect(source, replace(CPU, max_skipped=0.3), own=range(3, 7))
    assert got.places() == [3, 5, 6]
    assert left.paths == ("3.png", "5.png", "6.png")
    other_rank = ([Skipped("8.png", "truncated")], 1)
    monkeypatch.setattr(dist, "gather", lambda value: [value, other_rank])
    with pytest.raises(SourceError, match=r"2 of 6 samples cannot be read: 4.png .*, 8.png"):
        collect(source, replace(CPU, max_skipped=0.3), own=range(3, 7))


def test_a_rank_without_samples() -> None:
    got, left = collect(Images(n=1), own=range(1, 1))
    assert (got.calls, left.paths, left.skipped, left.engine) == ({}, (), (), "none")


def test_every_encoder_sees_every_sample_and_only_wanted_layers_go_on() -> None:
    source, got = Images(n=5, size=(6, 6)), Collect()
    encoders = [load_encoder("pixels"), load_encoder("pixels?size=3")]
    loop.run(source, encoders, layers={"pixels", "logits"}, add=got, settings=CPU)
    assert set(got.calls) == {("pixels", "pixels"), ("pixels?size=3", "pixels")}
    assert got.rows("pixels?size=3", "pixels").shape == (5, 3, 3, 3)


def test_streams_are_read_once_in_order() -> None:
    images = Images(n=7).read(range(7))
    got, left = collect(Pairs([(image, "ab"[i % 2]) for i, image in enumerate(images)]), replace(CPU, batch_size=3))
    assert got.places() == list(range(7))
    assert torch.equal(got.rows(), collect(Images(n=7))[0].rows())
    assert left.paths == tuple(f"#{place}" for place in range(7))
    assert left.labels == tuple("abababa")
    assert collect(Pairs([(images[0], "a"), (images[1], None)]))[1].labels is None


@pytest.mark.parametrize(("workers", "batch_size"), [(0, 4), (0, 1), (2, 4), (2, 1)])
def test_mixed_sizes_say_what_to_do(workers: int, batch_size: int) -> None:
    settings = ExtractionSettings("cpu", batch_size=batch_size, workers=workers)
    with pytest.raises(SourceError) as raised:
        collect(Images(n=8, odd=5), settings)
    assert "pixels: the samples differ in size, 3 x 6 x 5 and 3 x 6 x 6" in str(raised.value)
    assert "pixels?size=32" in str(raised.value)
    assert "Traceback" not in str(raised.value)
    assert collect(Images(n=8, odd=5), settings, "pixels?size=4")[0].rows("pixels?size=4").shape == (8, 48)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("workers", [0, 2])
def test_numbers_do_not_depend_on_batches_or_workers(batch_size: int, workers: int) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3, groups=4), nn.Flatten(), _AsTuple())
    encoder = replace(encoder_of(network), prepare=Bicubic(12))
    found = []
    for settings in (CPU, ExtractionSettings("cpu", batch_size=batch_size, workers=workers)):
        got = Collect()
        loop.run(Images(n=20), [encoder], layers={"pooled"}, add=got, settings=settings)
        found.append(got.rows("fake"))
    assert float((found[0] - found[1]).abs().max() / found[0].abs().max()) < 1e-5


class _AsTuple(nn.Module):
    def forward(self, batch: Tensor) -> tuple[Tensor]:
        return (batch,)


class _Limited(nn.Module):
    """A network for at most `fits` samples at once, as a GPU that is nearly full."""

    def __init__(self, fits: int) -> None:
        super().__init__()
        self.fits = fits
        self.seen: list[int] = []

    def forward(self, batch: Tensor) -> tuple[Tensor]:
        self.seen.append(len(batch))
        if len(batch) > self.fits:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return (batch.flatten(1),)


def test_out_of_memory_halves_the_batch_and_goes_on() -> None:
    network, got = _Limited(fits=3), Collect()
    loop.run(Images(n=20), [encoder_of(network)], layers={"pooled"}, add=got, settings=replace(CPU, batch_size=10))
    assert network.seen == [10, 5, *[2] * 10]  # learnt once, kept for the second batch
    assert torch.equal(got.rows("fake"), collect(Images(n=20))[0].rows())
    assert got.places("fake") == list(range(20))


def test_no_memory_for_a_single_sample() -> None:
    with pytest.raises(
        Unavailable, match=r"fake: one sample needs more memory than cpu has; .*--batch-size 1, or a sm"
    ):
        loop.run(Images(), [encoder_of(_Limited(fits=0))], layers={"pooled"}, add=Collect(), settings=CPU)


class _Greedy(nn.Module):
    def forward(self, batch: Tensor) -> tuple[Tensor]:
        return (batch.new_empty(2**60),)


def test_a_network_that_asks_for_more_memory_than_there_is() -> None:
    with pytest.raises(Unavailable, match="needs more memory than cpu has"):
        loop.run(Images(), [encoder_of(_Greedy())], layers={"pooled"}, add=Collect(), settings=CPU)


def test_pictures_that_do_not_fit_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare_batch(self: Native, images: Tensor) -> Tensor:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Native, "prepare_batch", prepare_batch)
    with pytest.raises(Unavailable, match="images on their way needs more memory"):
        collect(Images(), replace(CPU, resizing="device"))


class _Settings(nn.Module):
    """Notes what torch is set to while it runs."""

    def forward(self, batch: Tensor) -> tuple[Tensor]:
        tf32 = torch.backends.cudnn.allow_tf32
        self.found = (torch.get_float32_matmul_precision(), tf32, torch.is_inference_mode_enabled())
        return (batch.flatten(1),)


def test_tf32_is_off_inside_and_as_before_outside() -> None:
    network, before = _Settings(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high")
    try:
        loop.run(Images(), [encoder_of(network)], layers={"pooled"}, add=Collect(), settings=CPU)
        assert network.found == ("highest", False, True)
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == ("high", before)
    finally:
        torch.set_float32_matmul_precision("highest")


def test_features_are_ordinary_tensors() -> None:
    got, _ = collect(Images())
    got.rows().requires_grad_()
    first = got.calls["pixels", "pooled"][0][0]
    assert not first.is_inference()  # on such a tensor torch forbids what follows
    assert torch.equal(first.clone() + 1, first.add_(1))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_workers_end_with_the_run(error: type[BaseException]) -> None:
    def add(*_: Any) -> None:
        assert len(multiprocessing.active_children()) == 2
        raise error("stop")

    with pytest.raises(error, match="stop") as raised:
        loop.run(
            Images(n=50), [load_encoder("pixels")], layers={"pooled"}, add=add, settings=ExtractionSettings("cpu", 2, 2)
        )
    assert multiprocessing.active_children() == [], f"kept alive by the traceback of {raised}"


def test_workers_leave_an_interrupt_to_the_main_process() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        loading._ignore_interrupt(0)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_worker_that_dies_is_named() -> None:
    with pytest.raises(Unavailable, match=r"a worker that decodes samples died .*; use fewer --workers"):
        collect(Images(n=20, deadly=11), ExtractionSettings("cpu", 2, 2))


def test_bad_settings_fail_before_anything_is_read() -> None:
    for given, message in [
        ({"batch_size": 0}, "batch-size is 0; give a whole number of at least 1 or auto"),
        ({"workers": -1}, "workers is -1; give a whole number of at least 0 or auto"),
        ({"max_skipped": 1.5}, "max-skipped is 1.5; give a number of at least 0 and at most 1"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"precision": "half"}, "unknown precision 'half'"),
        ({"jpeg": "gpu"}, "unknown jpeg 'gpu'"),
        ({"resizing": "gpu"}, "unknown resizing 'gpu'"),
    ]:
        with pytest.raises(UsageError, match=message):
            ExtractionSettings(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cores", "ranks", "n", "workers"),
    [(2, 1, 200, 0), (2, 1, 201, 1), (1, 1, 999, 1), (64, 1, 999, 16), (16, 1, 999, 4), (16, 4, 999, 1)],
)
def test_auto_leaves_the_cores_to_the_network(
    monkeypatch: pytest.MonkeyPatch, cores: int, ranks: int, n: int, workers: int
) -> None:
    monkeypatch.setattr(devices, "cores", lambda: cores)
    monkeypatch.setattr(dist, "group_size", lambda: ranks)
    assert ExtractionSettings("cpu").processes(n) == workers
    assert ExtractionSettings("cpu").threads() == max(1, min(16, cores // ranks))


def test_auto_on_a_gpu_decodes_on_all_cores_but_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(devices, "cores", lambda: 8)
    assert (ExtractionSettings("cuda").processes(5000), ExtractionSettings("cuda").samples_at_once()) == (7, 256)
    assert (
        ExtractionSettings("cuda", workers=3).processes(5),
        ExtractionSettings("cuda", batch_size=5).samples_at_once(),
    ) == (3, 5)


def test_progress_shows_on_a_terminal_only(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    collect(Images(name="real [a]"), replace(CPU, progress=True))
    assert capfd.readouterr() == ("", "")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("TERM", "xterm")
    collect(Images(name="real [a]"), CPU)
    assert capfd.readouterr() == ("", "")
    collect(Images(name="real [a]"), replace(CPU, progress=True))
    out, err = capfd.readouterr()
    assert out == ""
    assert "real [a]" in err
    assert "10/10" in err


@pytest.mark.parametrize("workers", [0, 1])
def test_the_default_network_on_photographs_in_a_folder(tmp_path: Path, workers: int) -> None:
    from PIL import Image

    from divmetrics.sources import open_source

    for name, image in zip(("a", "b"), load_sample_images().images, strict=True):
        (tmp_path / name).mkdir()
        Image.fromarray(image).save(tmp_path / name / "photograph.png")
    got = Collect()
    encoder = load_encoder("efficientnet-lite0")
    settings = ExtractionSettings("cpu", workers=workers)
    left = loop.run(open_source(tmp_path), [encoder], layers={"pooled", "logits"}, add=got, settings=settings)
    assert got.rows("efficientnet-lite0", "logits").argmax(1).tolist() == [442, 985]
    assert got.rows("efficientnet-lite0").shape == (2, 1280)
    assert left.labels == ("a", "b")


def test_fast_stands_in_the_signature_and_is_no_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = replace(encoder_of(_AsTuple()), protocol="inception-2015")
    assert CPU.marked(encoder) is encoder
    monkeypatch.setattr(loop, "fast_type", lambda device: torch.bfloat16)
    marked = replace(CPU, precision="fast").marked(encoder)
    assert (marked.preprocessing, marked.protocol) == ("native+bfloat16", None)
    monkeypatch.setattr(loop, "fast_type", lambda device: None)
    with pytest.raises(Unavailable, match="nothing faster than float32"):
        replace(CPU, precision="fast")


def test_sums_and_pairs_stay_where_float64_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert [ExtractionSettings(device).summary_device.type for device in ("cpu", "mps", "cuda")] == [
        "cpu",
        "cpu",
        "cuda",
    ]
