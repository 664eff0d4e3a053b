"""Resizing by matrices against the preparers that workers use, over sizes up and down."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from divmetrics.encoders._preparing import Bicubic, Native
from divmetrics.encoders._resizing import resize, resize_weights, tf1_bilinear
from divmetrics.encoders.inception import Clean, PytorchFid, TensorFlow

SIZES = [(299, 299), (256, 256), (64, 48), (700, 301), (300, 1)]


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (2, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("prepare", "grey"),
    [(Bicubic(224), 255), (Clean(), 128), (PytorchFid(), 127.5), (TensorFlow(), 128), (Native(), 255)],
)
def test_together_is_one_by_one_to_a_thousandth_of_a_grey_level(
    prepare: Callable[..., torch.Tensor], grey: float, size: tuple[int, int]
) -> None:
    images = noise(*size)
    together = prepare.prepare_batch(torch.from_numpy(images))  # type: ignore[attr-defined]
    alone = torch.stack([prepare(image) for image in images])
    assert together.dtype == torch.float32
    assert together.is_contiguous()
    assert float((together - alone).abs().max()) * grey < 1e-3


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("n", [1, 5, 257, 600])
def test_the_weights_of_a_pixel_add_up_to_one(mode: str, n: int) -> None:
    weights = resize_weights(n, 31, mode, True)
    assert weights.shape == (31, n)
    torch.testing.assert_close(weights.sum(1), torch.ones(31))


def test_many_large_images_are_resized_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.from_numpy(noise(40, 30))
    whole = resize(images, 16, "bicubic", antialias=True)
    monkeypatch.setattr("divmetrics.encoders._resizing._MAX_VALUES", 1)
    assert torch.equal(resize(images, 16, "bicubic", antialias=True), whole)


def test_tensorflows_bilinear_reads_at_the_corner() -> None:
    ramp = torch.arange(4.0).repeat(4, 1)
    torch.testing.assert_close(tf1_bilinear(ramp, 8)[0], torch.tensor([0, 0.5, 1, 1.5, 2, 2.5, 3, 3]))
