"""The network of 2015 beside the two that publish its weights for torch: the same random weights, the same photographs."""

import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import pytorch_fid.inception
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pytorch_fid.fid_score import calculate_fid_given_paths
from sklearn.datasets import load_sample_images
from torch import Tensor, nn
from torch_fidelity import calculate_metrics
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

import divmetrics
from divmetrics import weights as store
from divmetrics.declare import METRICS
from divmetrics.errors import Unavailable, UsageError
from divmetrics.extractors import load_encoder
from divmetrics.extractors.inception import Clean, Inception, PytorchFid, TensorFlow, tf1_bilinear
from divmetrics.imaging import bicubic

RANDOM = "inception?weights=random&seed=0"
DEPTHS = ["64", "192", "768", "2048"]


def photographs(n: int, seed: int = 0) -> list[np.ndarray]:
    """Crops of scikit-learn's two photographs, mirrored by half, 40 to 400 pixels high and wide."""
    rng = np.random.default_rng(seed)
    crops = []
    for i in range(n):
        image = load_photographs()[i % 2]
        height, width = rng.integers(40, 400, 2)
        top, left = rng.integers(0, image.shape[0] - height + 1), rng.integers(0, image.shape[1] - width + 1)
        crop = image[top : top + height, left : left + width]
        crops.append(np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop))
    return crops


@cache
def load_photographs() -> list[np.ndarray]:
    return load_sample_images().images


@cache
def random_state() -> dict[str, Tensor]:
    """Weights with statistics of batch normalisation as after training, which a fresh network has not."""
    generator = torch.Generator().manual_seed(1)
    state = dict(load_encoder(RANDOM).network.state_dict())
    for name, tensor in state.items():
        if name.endswith(("bn.bias", "running_mean", "fc.bias")):
            state[name] = torch.randn(tensor.shape, generator=generator) / 10
        elif name.endswith(("bn.weight", "running_var")):
            state[name] = torch.rand(tensor.shape, generator=generator) + 0.5
    return state


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(random_state(), path)
    return path


@cache
def ours(depth: str, dtype: torch.dtype) -> nn.Module:
    network = Inception(depth).eval()
    network.load_state_dict(random_state())
    return network.to(dtype)


Peer = Callable[[np.ndarray, Tensor], dict[str, Tensor]]
"""Image uint8 `[h, w, 3]` and the same prepared by us -> depth, or logits -> rows `[1, d]` in full precision."""


def pytorch_fid_network(weights: Path, **settings: bool) -> nn.Module:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *_, **__: torch.load(weights))
        return pytorch_fid.inception.InceptionV3([0, 1, 2, 3], **settings).eval()


def by_pytorch_fid(weights: Path, dtype: torch.dtype) -> Peer:
    network = pytorch_fid_network(weights, resize_input=False, normalize_input=False).to(dtype)
    return lambda _, batch: dict(zip(DEPTHS, (rows.mean((2, 3)) for rows in network(batch)), strict=True))


def by_torch_fidelity(weights: Path, dtype: torch.dtype) -> Peer:
    """It rounds what it returns to float32, so its modules are listened to; it resizes by itself."""
    network = FeatureExtractorInceptionV3("peer", ["2048", "logits"], str(weights), str(dtype).removeprefix("torch."))
    heard: dict[str, Tensor] = {}
    modules = {"64": network.MaxPool_1, "192": network.MaxPool_2, "768": network.Mixed_6e, "2048": network.AvgPool}
    for depth, module in modules.items():
        module.register_forward_hook(lambda *given, depth=depth: heard.update({depth: given[2].mean((2, 3))}))
    network.fc.register_forward_hook(lambda *given: heard.update(logits=given[2] - network.fc.bias))

    def run(image: np.ndarray, _: Tensor) -> dict[str, Tensor]:
        network(torch.from_numpy(image).permute(2, 0, 1)[None])
        return heard

    return run


def assert_equal_to(relative: float, mine: Tensor, theirs: Tensor) -> None:
    assert mine.dtype == theirs.dtype
    assert float((mine - theirs).norm() / theirs.norm()) < relative
    torch.testing.assert_close(mine, theirs, rtol=0, atol=relative * float(theirs.abs().max()))


@pytest.mark.parametrize("n", [4, pytest.param(64, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("dtype", "relative"), [(torch.float32, 1e-4), (torch.float64, 1e-9)], ids=["32", "64"])
@pytest.mark.parametrize("by_peer", [by_pytorch_fid, by_torch_fidelity])
def test_features_and_logits_of_the_peers(
    weights: Path, by_peer: Callable[[Path, torch.dtype], Peer], dtype: torch.dtype, relative: float, n: int
) -> None:
    peer, seen = by_peer(weights, dtype), []
    for i, image in enumerate(photographs(n)):
        batch = (tf1_bilinear(torch.from_numpy(image).permute(2, 0, 1).to(dtype), 299) - 128)[None] / 128
        with torch.inference_mode():
            theirs = peer(image, batch)
            for depth in (DEPTHS[i % 3], "2048"):
                pooled, logits = ours(depth, dtype)(batch)
                assert_equal_to(relative, pooled, theirs[depth])
        if "logits" in theirs:
            assert_equal_to(relative, logits, theirs["logits"])
        seen.append(pooled)
    assert float(torch.cat(seen).std(0).mean() / pooled.mean()) > 0.05  # the photographs do differ
