"""Resizing against Pillow's own bicubic in mode "F", which is what clean-fid argues for; against timm, torchvision."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_images

from divmetrics.encoders._preparing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Bicubic,
    Fit,
    Interpolation,
    Native,
    PillowTransform,
    bicubic,
)
from divmetrics.encoders._resizing import tf1_bilinear

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
    stripes[::4] = 255
    inner = bicubic(stripes, 16)[:, 4:-4]
    assert float((inner - 255 / 4).abs().max()) < 8  # without antialiasing the stripes are missed: about -24
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
    for preparer in (Bicubic(8), Native(), PillowTransform((9, 9), (8, 8), "short")):
        image = NOISE[:8, :8].copy()
        assert torch.equal(pickle.loads(pickle.dumps(preparer))(image), preparer(image))  # noqa: S301


def rectangle(height: int, width: int) -> np.ndarray:
    return np.resize(NOISE[:height, :width], (height, width, 3)).copy()


PHOTOGRAPHS = [CHINA, CHINA.transpose(1, 0, 2), NOISE[:225, :224], rectangle(33, 500), rectangle(400, 31)]


@pytest.mark.parametrize("crop_pct", [1.0, 0.95, 0.875])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("mode", "fit"), [("center", "short"), ("squash", "whole"), ("border", "long")])
@pytest.mark.parametrize("crop", [(224, 224), (96, 64)])
def test_published_is_timms_eval_transform(
    mode: str, fit: Fit, interpolation: Interpolation, crop_pct: float, crop: tuple[int, int]
) -> None:
    from timm.data.transforms_factory import transforms_imagenet_eval

    theirs = transforms_imagenet_eval(
        crop, crop_pct, mode, interpolation=interpolation, mean=IMAGENET_MEAN, std=IMAGENET_STD
    )
    height, width = (int(side / crop_pct) for side in crop)
    border = tuple(round(255 * value) for value in IMAGENET_MEAN) if mode == "border" else (0, 0, 0)
    ours = PillowTransform((height, width), crop, fit, interpolation, border=border)
    for image in PHOTOGRAPHS:
        torch.testing.assert_close(ours(image.copy()), theirs(Image.fromarray(image.copy())), atol=1e-6, rtol=0)


@pytest.mark.parametrize("resize", [224, 232, 256])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_published_is_torchvisions_transform(interpolation: Interpolation, resize: int) -> None:
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms._presets import ImageClassification

    theirs = ImageClassification(
        crop_size=224, resize_size=resize, interpolation=InterpolationMode(interpolation), antialias=True
    )
    ours = PillowTransform((resize, resize), (224, 224), "short", interpolation)
    for image in PHOTOGRAPHS:
        torch.testing.assert_close(ours(image.copy()), theirs(Image.fromarray(image.copy())), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(41, 60), (60, 41), (50, 50), (7, 7)])
def test_the_square_in_the_middle_begins_where_cmmd_begins_it(height: int, width: int) -> None:
    image = rectangle(height, width)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(image[top : top + side, left : left + side].copy()).resize((20, 20), Image.BICUBIC)
    prepare = PillowTransform((20, 20), (20, 20), "square", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    torch.testing.assert_close(prepare(image), torch.from_numpy(np.array(square)).permute(2, 0, 1) / 255)


def test_every_setting_of_published_moves_the_numbers_and_stands_in_the_name() -> None:
    base = PillowTransform((24, 24), (24, 24), "short")
    other = [
        PillowTransform((28, 28), (24, 24), "short"),
        PillowTransform((24, 24), (24, 24), "short", "bilinear"),
        PillowTransform((24, 24), (24, 24), "whole"),
        PillowTransform((24, 24), (24, 24), "square"),
        PillowTransform((24, 24), (24, 24), "long"),
    ]
    image = rectangle(60, 90)
    assert all(not torch.equal(preparer(image), base(image)) for preparer in other)
    assert len({preparer.name for preparer in [base, *other]}) == len(other) + 1
    assert PillowTransform((20, 30), (16, 24), "short").name == "pil-bicubic-short-20x30-crop-16x24"
    assert PillowTransform((20, 20), (20, 20)).name == "pil-bicubic-whole-20"
    scaled = PillowTransform((24, 24), (20, 20), "short", mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 0.5))(image)
    bare = PillowTransform((24, 24), (20, 20), "short", mean=(0.0,) * 3, std=(1.0,) * 3)(image)
    torch.testing.assert_close(scaled, (bare - 0.5) / torch.tensor([0.5, 0.25, 0.5])[:, None, None])


def test_a_large_image_is_resized_in_strips_to_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (301, 217, 3)).astype(np.uint8)
    whole = bicubic(image, 64)
    monkeypatch.setattr("divmetrics.encoders._preparing._AT_ONCE", 5000)
    assert torch.equal(bicubic(image, 64), whole)


def test_a_large_image_is_resized_like_tensorflow_to_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 301, 217)).astype(np.uint8))
    whole = tf1_bilinear(image, 64)
    assert torch.equal(tf1_bilinear(image.float(), 64), whole)
    monkeypatch.setattr("divmetrics.encoders._resizing._MAX_VALUES", 4 * 5000)
    assert torch.equal(tf1_bilinear(image, 64), whole)
