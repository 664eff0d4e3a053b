"""`torchvision:MODEL` against torchvision itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from divmetrics.encoders import load_encoder
from divmetrics.encoders.torchvision_models import preparer
from divmetrics.errors import Unavailable, UnknownName, UsageError

IMAGE = np.random.default_rng(0).integers(0, 256, (250, 310, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "googlenet"])
def test_features_and_logits_are_torchvisions(name: str) -> None:
    encoder = load_encoder(f"torchvision:{name}?weights=random&seed=2")
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = models.get_model(name, **({"init_weights": True} if name == "googlenet" else {})).eval()
    batch = encoder.prepare(IMAGE)[None]
    last = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
    read = []
    last.register_forward_hook(lambda module, given, result: read.append(given[0]))
    with torch.inference_mode():
        pooled, logits = encoder.network(batch)
        torch.testing.assert_close(logits, network(batch))
    torch.testing.assert_close(pooled, read[0])
    assert (encoder.layers, logits.shape) == (("pooled", "logits"), (1, 1000))


def test_preprocessing_equals_the_transforms_of_all_weights() -> None:
    every = [weights for name in models.list_models(module=models) for weights in models.get_model_weights(name)]
    distinct = {repr(weights.transforms()): weights.transforms() for weights in every}
    assert len(distinct) > 20
    for transform in distinct.values():
        torch.testing.assert_close(preparer(transform)(IMAGE), transform(Image.fromarray(IMAGE)), atol=1e-6, rtol=0)


def test_the_seed_and_the_file_decide_the_weights(tmp_path: Path) -> None:
    first, other = (load_encoder(f"torchvision:shufflenet_v2_x0_5?weights=random&seed={seed}") for seed in (0, 1))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        torch.save(models.shufflenet_v2_x0_5().state_dict(), tmp_path / "w.pth")
    loaded = load_encoder(f"torchvision:shufflenet_v2_x0_5?weights={tmp_path / 'w.pth'}")
    assert loaded.digest == other.digest != first.digest


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown torchvision network 'resnet19'. Did you mean 'resnet18'"):
        load_encoder("torchvision:resnet19")
    with pytest.raises(UsageError, match="squeezenet1_1 does not end in a linear layer"):
        load_encoder("torchvision:squeezenet1_1?weights=random")
    with pytest.raises(UsageError, match="add weights=random"):
        load_encoder("torchvision:resnet18?seed=1")
    torch.save(models.shufflenet_v2_x0_5().state_dict(), tmp_path / "w.pth")
    with pytest.raises(Unavailable, match=r"does not fit torchvision's resnet18, keys 120 missing \(bn1.bias, "):
        load_encoder(f"torchvision:resnet18?weights={tmp_path / 'w.pth'}")


def test_without_the_published_weights_there_are_two_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("Name or service not known. Retried.\nMore.")

    monkeypatch.setattr(models, "get_model", unreachable)
    with pytest.raises(Unavailable, match=r"OSError: Name or service not known\); .* TORCH_HOME names, .*weights=PATH"):
        load_encoder("torchvision:resnet18")
