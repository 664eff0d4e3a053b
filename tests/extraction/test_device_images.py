"""JPEG files decoded on the device, which is a CPU here: the same road, torchvision's decoder for nvJPEG."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.io
from PIL import Image
from sklearn.datasets import load_sample_images

from divmetrics.encoders import load_encoder
from divmetrics.encoders._preparing import PillowTransform
from divmetrics.errors import Unavailable, UsageError
from divmetrics.extraction import loop
from divmetrics.extraction.device_images import sendable
from divmetrics.extraction.loop import ExtractionSettings
from divmetrics.scoring import score as engine
from divmetrics.sources import Source, open_source

PHOTOGRAPH = Image.fromarray(load_sample_images().images[0][:200, :300])
HERE = ExtractionSettings("cpu", batch_size=4, workers=0, max_skipped=0.5)
THERE = ExtractionSettings("cpu", batch_size=4, workers=0, max_skipped=0.5, jpeg="device")


def jpeg(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95, **options)
    return stream.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (jpeg(PHOTOGRAPH), True),
        (jpeg(PHOTOGRAPH.convert("L")), True),
        (jpeg(PHOTOGRAPH) + b"\0\0", True),
        (jpeg(PHOTOGRAPH, exif=turned()), False),
        (jpeg(PHOTOGRAPH.convert("CMYK")), False),
        (jpeg(PHOTOGRAPH)[:-500], False),
        (b"\xff\xd8\xff nothing", False),
    ],
)
def test_only_files_that_both_decoders_read_alike_are_sent(content: bytes, wanted: bool) -> None:
    assert sendable(content) is wanted


@pytest.fixture
def mixed(tmp_path: Path) -> Source:
    """All kinds at once: two sizes, grey, turned, PNG, truncated, and one that only its scan data damns."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    damaged = bytearray(jpeg(PHOTOGRAPH))
    damaged[2:4] = b"\xff\x02"  # no such marker: Pillow reads no header
    files = {
        "0.jpg": jpeg(PHOTOGRAPH),
        "1.jpg": jpeg(PHOTOGRAPH.resize((90, 80))),
        "2.jpg": jpeg(PHOTOGRAPH.convert("L")),
        "3.jpg": jpeg(PHOTOGRAPH, exif=turned()),
        "5.jpg": jpeg(PHOTOGRAPH)[:-500],
        "6.jpg": bytes(damaged),
        "7.jpg": jpeg(PHOTOGRAPH.rotate(180)),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    PHOTOGRAPH.save(folder / "4.png")
    source = open_source(folder)
    assert isinstance(source, Source)
    return source


def run(source: Source, settings: ExtractionSettings) -> tuple[torch.Tensor, list[int], loop.Extracted]:
    rows, places = list[torch.Tensor](), list[int]()

    def add(_encoder: str, _layer: str, batch: torch.Tensor, at: torch.Tensor) -> None:
        rows.append(batch)
        places.extend(at.tolist())

    left = loop.run(source, [load_encoder("pixels?size=32")], layers={"pooled"}, add=add, settings=settings)
    return torch.cat(rows), places, left


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_samples_within_a_grey_level_or_two(mixed: Source, workers: int) -> None:
    pillow, places, left = run(mixed, HERE)
    device, same_places, same = run(mixed, ExtractionSettings("cpu", 4, workers, 0.5, jpeg="device"))
    assert places == same_places == [0, 1, 2, 3, 4, 7]
    assert left.skipped == same.skipped
    assert left.paths == same.paths
    assert float((pillow - device).abs().max()) < 3 / 255


def test_what_the_decoder_refuses_is_read_by_pillow(mixed: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(files: list[torch.Tensor], **_: Any) -> list[torch.Tensor]:
        raise RuntimeError("unsupported")

    monkeypatch.setattr(torchvision.io, "decode_jpeg", refuse)
    pillow, places, left = run(mixed, HERE)
    device, same_places, same = run(mixed, THERE)
    assert (places, left.skipped) == (same_places, same.skipped)
    torch.testing.assert_close(pillow, device, rtol=0, atol=1e-3 / 255)
    monkeypatch.setattr(
        "divmetrics.extraction.device_images.sendable", lambda content: True
    )  # as if the header said nothing
    monkeypatch.setattr("divmetrics.extraction.loading.sendable", lambda content: True)
    late, same_places, same = run(mixed, THERE)
    assert (places, left.skipped) == (same_places, tuple(same.skipped))
    torch.testing.assert_close(pillow, late, rtol=0, atol=1e-3 / 255)


def test_it_stands_in_the_signature(mixed: Source) -> None:
    encoder = load_encoder("pixels?size=32")
    assert HERE.marked(encoder) is encoder
    assert THERE.marked(encoder).preprocessing == "bicubic-aa-32+jpeg-cpu"
    report = engine.score(
        mixed,
        mixed,
        metrics="fid",
        extractor="pixels?size=2",
        jpeg="device",
        max_skipped=0.5,
        cache=False,
        device="cpu",
    )
    assert "|bicubic-aa-2+jpeg-cpu|" in str(next(iter(report.metrics.values())).signature)


def test_encoders_that_resize_with_pillow_are_refused(mixed: Source) -> None:
    with pytest.raises(UsageError, match="resizes with Pillow, on the CPU, so --jpeg device has nothing to give it"):
        THERE.preparation([replace(load_encoder("pixels?size=32"), prepare=PillowTransform((32, 32), (32, 32)))])


@pytest.mark.parametrize("missing", [RuntimeError("no nvJPEG"), ImportError("no such name")])
def test_a_device_without_a_decoder_is_refused(monkeypatch: pytest.MonkeyPatch, missing: Exception) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise missing

    monkeypatch.setattr(torchvision.io, "decode_jpeg", refuse)
    with pytest.raises(Unavailable, match="decodes no JPEG files on cpu; leave --jpeg out"):
        ExtractionSettings("cpu", jpeg="device")


def test_large_arrays_beside_files_are_not_mistaken_for_files() -> None:
    source = open_source(np.zeros((3, 5, 5, 3), np.uint8))
    assert isinstance(source, Source)
    assert source.jpeg(0) is None
