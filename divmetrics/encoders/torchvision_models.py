"""`torchvision:MODEL`: any classifier of torchvision with the transforms of its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import RANDOM, Pooled, check_seed, encoder, load_published, randomly_initialised
from divmetrics.encoders._preparing import PillowTransform
from divmetrics.encoders._state_dicts import load_into, read_state, state_digest
from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.extractor import extractor


@extractor(
    "torchvision", modality="image", provides=("pooled", "logits"), cite="github.com/pytorch/vision, torchvision.models"
)
def torchvision(model: str, *, weights: str | None = None, seed: int = 0) -> Encoder:
    """What the last layer of torchvision's classifier MODEL reads, and its ImageNet logits.

    Resize, crop, mean and std are those of its default weights. `weights`: none for the published ones, a file (`.pth`,
    `.safetensors`), or `random`, drawn by `seed`. Raises UnknownName for a network that torchvision does not have,
    Unavailable where weights are missing, damaged or of another network.
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
    return encoder(Pooled(network, _cut(network, model)), digest, preparer(default.transforms()))


def _init(model: str) -> dict[str, bool]:
    """Two networks want to be told that the weights they begin with are no accident."""
    return {"init_weights": True} if model in ("googlenet", "inception_v3") else {}


def _cut(network: nn.Module, model: str) -> nn.Module:
    """The last linear layer of `network`, which then does without it."""
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise UsageError(f"torchvision:{model} does not end in a linear layer; choose a network that does.")
    head = network.get_submodule(linear[-1])
    parent, _, child = linear[-1].rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    return head


def preparer(transforms: Any) -> PillowTransform:
    """The preparer that equals `transforms`, an ImageClassification of torchvision."""
    return PillowTransform(
        resize=(transforms.resize_size[0],) * 2,
        crop=(transforms.crop_size[0],) * 2,
        fit="short",
        interpolation=transforms.interpolation.value,
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
    )
