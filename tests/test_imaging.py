"""Resizing against Pillow's own bicubic in mode "F", which is what clean-fid argues for."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_images

from divmetrics.imaging import Bicubic, Native, bicubic

CHINA = load_sample_images().images[0]  # [427, 640, 3]
NOISE = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)


def by_pillow(image: np.ndarray, size: int) -> np.ndarray:
    channels = [
        Image.fromarray(image[:, :, c].astype(np.float32)).resize((size, size), Image.BICUBIC) for c in range(3)
    ]
    return np.stack([np.asarray(channel) for channel in channels])


@pytest.mark.parametrize("image", [CHINA, NOISE[:256, :256], NOISE[:32, :48], NOISE[:1, :1], NOISE[:5, :300]])
def test_agrees_with_pillow_to_a_thousandth_of_a_grey_level(image: np.ndarray) -> None:
    np.testing.assert_allclose(bicubic(image.copy(), 224).numpy(), by_pillow(image, 224), atol=1e-3, rtol=0)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(1, 64))
def test_agrees_with_pillow_at_any_size(height: int, width: int, size: int) -> None:
    image = NOISE[:height, :width].copy()
    np.testing.assert_allclose(bicubic(image, size).numpy(), by_pillow(image, size), atol=1e-3, rtol=0)


def test_a_constant_stays_constant_and_the_own_size_stays_as_it_is() -> None:
    grey = np.full((50, 70, 3), 93, np.uint8)
    torch.testing.assert_close(bicubic(grey, 32), torch.full((3, 32, 32), 93.0), atol=1e-4, rtol=0)
    square = NOISE[:64, :64].copy()
    torch.testing.assert_close(bicubic(square, 64), torch.from_numpy(square).permute(2, 0, 1).float())


def test_it_is_antialiased_and_not_rounded() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::2] = 255
    inner = bicubic(stripes, 16)[:, 4:-4]
    assert float((inner - 127.5).abs().max()) < 8  # without antialiasing: 0 or 255
    small = bicubic(CHINA.copy(), 224)
    assert not torch.equal(small, small.round())


def test_preparers_scale_as_they_say() -> None:
    image = NOISE[:40, :40].copy()
    grey = bicubic(image, 20)
    torch.testing.assert_close(Bicubic(20)(image), grey / 255)
    torch.testing.assert_close(Bicubic(20, mean=0.5, std=0.25)(image), (grey / 255 - 0.5) / 0.25)
    torch.testing.assert_close(Native()(image), torch.from_numpy(image).permute(2, 0, 1) / 255)
    assert (Bicubic(20).name, Native().name) == ("bicubic-aa-20", "native")


def test_preparers_travel_to_workers() -> None:
    for preparer in (Bicubic(8), Native()):
        image = NOISE[:8, :8].copy()
        assert torch.equal(pickle.loads(pickle.dumps(preparer))(image), preparer(image))  # noqa: S301
