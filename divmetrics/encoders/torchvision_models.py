"""`torchvision:MODEL`: any classifier of torchvision with the transforms of its default weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import RANDOM, Pooled, check_seed, load_published, make_encoder, randomly_initialised
from divmetrics.encoders._preparing import PillowTransform
from divmetrics.encoders._state_dicts import load_into, read_state, state_digest
from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.extractor import extractor


@extractor(
    "torchvision", modality="image", provides=("pooled", "logits"), cite="github.com/pytorch/vision, torchvision.models"
)
def torchvision(model: str, *, weights: str | None = None, seed: int = 0) -> Encoder:
    """Input of the last linear layer of torchvision's classifier MODEL, and its ImageNet logits.

    Layers: `pooled`, `logits`; widths are the network's. Preprocessing: resize, crop, mean and standard deviation of
    the default weights. Weights: pytorch.org, BSD 3, apart from the terms of the data sets.

    Args:
        model: Name in torchvision, such as `resnet50`.
        weights: None for the published weights, the path of a state dict (`.pth`, `.safetensors`), or `random`.
        seed: Seed of random weights.

    Raises:
        UnknownName: torchvision has no such network.
        Unavailable: Weights are missing, damaged or of another network.
        UsageError: The network does not end in a linear layer, or `seed` is given without `weights=random`.
    """
    from torchvision import models  # a second to import

    check_seed(weights, seed)
    if model not in (known := models.list_models(module=models)):
        raise UnknownName.of("torchvision network", model, known)
    default: Any = models.get_model_weights(model).DEFAULT
    if weights is None:
        network = load_published(lambda: models.get_model(model, weights=default), model, "pytorch.org", "TORCH_HOME")
    else:
        network = randomly_initialised(lambda: models.get_model(model, **_init(model)), seed)
    if weights not in (None, RANDOM):
        load_into(network, read_state(Path(str(weights)))[0], str(weights), f"torchvision's {model}")
    digest = state_digest(network.state_dict())
    return make_encoder(Pooled(network, _take_head(network, model)), digest, preparer(default.transforms()))


def _init(model: str) -> dict[str, bool]:
    """Arguments of two networks that otherwise warn about random weights."""
    return {"init_weights": True} if model in ("googlenet", "inception_v3") else {}


def _take_head(network: nn.Module, model: str) -> nn.Module:
    """The last linear layer of `network`, which is replaced by the identity."""
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise UsageError(f"torchvision:{model} does not end in a linear layer; choose a network that does.")
    head = network.get_submodule(linear[-1])
    parent, _, child = linear[-1].rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    return head


def preparer(transforms: Any) -> PillowTransform:
    """The preparer that equals `transforms`, an `ImageClassification` of torchvision."""
    return PillowTransform(
        resize=(transforms.resize_size[0],) * 2,
        crop=(transforms.crop_size[0],) * 2,
        fit="short",
        interpolation=transforms.interpolation.value,
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
    )
