"""The encoders that have names: each is built offline, reads what its publisher's reads and gives what it says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from divmetrics.encoders import load_encoder
from divmetrics.encoders._preparing import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD
from divmetrics.encoders.dinov2 import at_grid
from divmetrics.records.extractor import EXTRACTORS

IMAGE = np.random.default_rng(0).integers(0, 256, (300, 260, 3), dtype=np.uint8)
BICUBIC, BILINEAR = InterpolationMode.BICUBIC, InterpolationMode.BILINEAR
slow = pytest.mark.slow


def whole(size: int, how: InterpolationMode, mean: tuple, std: tuple) -> transforms.Compose:
    steps = [transforms.Resize((size, size), how), transforms.ToTensor(), transforms.Normalize(mean, std)]
    return transforms.Compose(steps)


def centre(resize: int, size: int, how: InterpolationMode, mean: tuple, std: tuple) -> transforms.Compose:
    steps = [transforms.Resize(resize, how), transforms.CenterCrop(size), transforms.ToTensor()]
    return transforms.Compose([*steps, transforms.Normalize(mean, std)])


def square(size: int, mean: tuple, std: tuple) -> transforms.Compose:
    return transforms.Compose([transforms.CenterCrop(260), whole(size, BICUBIC, mean, std)])


IMAGENET, CLIP, HALF = (IMAGENET_MEAN, IMAGENET_STD), (CLIP_MEAN, CLIP_STD), ((0.5,) * 3, (0.5,) * 3)
PUBLISHED = [
    # dgm-eval (layer6ai-labs), models/dinov2.py: Resize((224, 224), BICUBIC), ImageNet's mean and std
    pytest.param("dinov2-s", [384], whole(224, BICUBIC, *IMAGENET)),
    pytest.param("dinov2-b", [768], whole(224, BICUBIC, *IMAGENET), marks=slow),
    pytest.param("dinov2-l", [1024], whole(224, BICUBIC, *IMAGENET), marks=slow),
    # openai/CLIP, clip.py: Resize(n_px, BICUBIC), CenterCrop(n_px)
    pytest.param("clip-b32", [512], centre(224, 224, BICUBIC, *CLIP)),
    # google-research/cmmd, io_util.py: the central square, Pillow's bicubic to 336
    pytest.param("clip-l14-336", [768], square(336, *CLIP), marks=slow),
    # open_clip, the model cards of SigLIP: resize_mode squash, bicubic, mean and std 0.5
    pytest.param("siglip", [768], whole(224, BICUBIC, *HALF), marks=slow),
    # timm/convnext_base.fb_in22k_ft_in1k: 224, crop_pct 0.875, bicubic
    pytest.param("convnext", [1024, 1000], centre(256, 224, BICUBIC, *IMAGENET), marks=slow),
    pytest.param("vgg16", [4096, 1000], whole(224, BILINEAR, *IMAGENET), marks=slow),
]


@pytest.mark.parametrize(("name", "widths", "transform"), PUBLISHED)
def test_named_encoders(name: str, widths: list[int], transform: transforms.Compose) -> None:
    encoder = load_encoder(f"{name}?weights=random&seed=1")
    prepared = encoder.prepare(IMAGE)
    torch.testing.assert_close(prepared, transform(Image.fromarray(IMAGE)), atol=1e-6, rtol=0)
    with torch.inference_mode():
        found = encoder.network(torch.stack([prepared, prepared.flip(1)]))
    assert [tuple(rows.shape) for rows in found] == [(2, width) for width in widths]
    assert encoder.layers == EXTRACTORS[name].provides
    assert not torch.equal(found[0][0], found[0][1])
    assert len(bytes.fromhex(encoder.digest)) == 32
    assert encoder.digest != load_encoder("timm:test_vit?weights=random").digest


def test_clip_gives_directions() -> None:
    encoder = load_encoder("clip-b32?weights=random&seed=1")
    with torch.inference_mode():
        (rows,) = encoder.network(encoder.prepare(IMAGE)[None])
        projected = encoder.network.body.timm(encoder.prepare(IMAGE)[None])
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(1))
    torch.testing.assert_close(rows, projected / projected.norm())


def cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' kernel with a = -0.75, torch's."""
    a, x = -0.75, np.abs(distance)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def test_positions_are_interpolated_as_the_authors_of_dinov2_do() -> None:
    """Without antialiasing, at steps of 37 / 16.1 patches: the offset of 0.1 in facebookresearch/dinov2."""
    n, side = 37, 16
    positions = torch.randn(1, 1 + n * n, 4, generator=torch.Generator().manual_seed(0))
    grid = positions[0, 1:].reshape(n, n, 4).double().numpy()
    centres = (np.arange(side) + 0.5) * n / (side + 0.1) - 0.5
    weights = np.zeros((side, n))
    for i, centre_ in enumerate(centres):
        for j in range(int(np.floor(centre_)) - 1, int(np.floor(centre_)) + 3):
            weights[i, np.clip(j, 0, n - 1)] += cubic(np.array(centre_ - j))
    expected = np.einsum("ia,jb,abd->ijd", weights, weights, grid).reshape(-1, 4)
    found = at_grid(positions, side)
    assert torch.equal(found[:, :1], positions[:, :1])
    np.testing.assert_allclose(found[0, 1:].numpy(), expected, atol=1e-4)


def test_files_of_the_authors_load(tmp_path: Path) -> None:
    encoder = load_encoder("dinov2-s?weights=random&seed=1")
    from divmetrics.encoders._foreign import timm_network

    network, digest = timm_network("vit_small_patch14_dinov2.lvd142m", "random", 1)
    authors = {**network.state_dict(), "mask_token": torch.zeros(1, 384)}  # theirs has one more, for training
    torch.save(authors, tmp_path / "dinov2_vits14_pretrain.pth")
    loaded = load_encoder(f"dinov2-s?weights={tmp_path / 'dinov2_vits14_pretrain.pth'}")
    assert loaded.digest == encoder.digest == digest


@pytest.mark.parametrize(
    ("name", "module", "protocol"),
    [
        ("clip-l14-336", "clip", "cmmd-2024"),
        ("clip-b32", "clip", None),
        ("dinov2-l", "dinov2", "dgm-eval-2023"),
        ("dinov2-s", "dinov2", None),
    ],
)
def test_protocols_are_named_for_the_published_weights_alone(
    name: str, module: str, protocol: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tiny(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pos_embed = torch.nn.Parameter(torch.zeros(1, 1 + 4 * 4, 2))

        def set_input_size(self, img_size: tuple[int, int]) -> None:
            pass

    monkeypatch.setattr(f"divmetrics.encoders.{module}.timm_network", lambda *_: (Tiny(), "0" * 64))
    for query, wanted in [("", protocol), ("?weights=random", None), ("?weights=mine.pth", None)]:
        options = dict(part.split("=") for part in query[1:].split("&") if part)
        assert EXTRACTORS[name].function(**options).protocol == wanted
