"""`inception`, `inception-clean`, `inception-pytorch-fid`: the network that defines FID, KID and the Inception Score.

It is Inception v3 as TensorFlow released it on 2015-12-05, which differs from all later versions: 1008 outputs, average
pools that exclude the padding, a max pool where the paper has an average in the last block. The three extractors are
one network behind three ways to resize an image, for published numbers depend on those too: docs/inception.md.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from divmetrics.encoders import weights as store
from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._loaded import file_versions
from divmetrics.encoders._preparing import bicubic
from divmetrics.encoders._resizing import channels_first, resize, tf1_bilinear
from divmetrics.encoders._state_dicts import load_into, read_state, state_digest
from divmetrics.errors import Unavailable
from divmetrics.records.extractor import Layer, extractor

SIZE = 299
Depth = Literal["64", "192", "768", "2048", "spatial"]

CITE = "Szegedy 2015, arXiv:1512.00567; weights: download.tensorflow.org, inception-2015-12-05"


class Conv(NamedTuple):
    """A convolution with batch normalisation and ReLU, called as in the state dicts."""

    name: str
    width: int
    kernel: int | tuple[int, int]
    stride: int = 1
    padded: bool = True


ROW, COLUMN = (1, 7), (7, 1)
Pool = Literal["average", "max", "max, halving"]
Branch = Sequence[Conv | tuple[Conv, Conv] | Pool]
"""Consecutive steps; a pair of convolutions, which can be the last step only, is applied in parallel."""


def _halving(name: str, width: int) -> Conv:
    return Conv(name, width, 3, stride=2, padded=False)


def _mixed_5(pooled: int) -> Sequence[Branch]:
    return [
        [Conv("branch1x1", 64, 1)],
        [Conv("branch5x5_1", 48, 1), Conv("branch5x5_2", 64, 5)],
        [Conv("branch3x3dbl_1", 64, 1), Conv("branch3x3dbl_2", 96, 3), Conv("branch3x3dbl_3", 96, 3)],
        ["average", Conv("branch_pool", pooled, 1)],
    ]


def _mixed_6(narrow: int) -> Sequence[Branch]:
    return [
        [Conv("branch1x1", 192, 1)],
        [Conv("branch7x7_1", narrow, 1), Conv("branch7x7_2", narrow, ROW), Conv("branch7x7_3", 192, COLUMN)],
        [
            Conv("branch7x7dbl_1", narrow, 1),
            Conv("branch7x7dbl_2", narrow, COLUMN),
            Conv("branch7x7dbl_3", narrow, ROW),
            Conv("branch7x7dbl_4", narrow, COLUMN),
            Conv("branch7x7dbl_5", 192, ROW),
        ],
        ["average", Conv("branch_pool", 192, 1)],
    ]


def _mixed_7(pool: Pool) -> Sequence[Branch]:
    def fork(name: str) -> tuple[Conv, Conv]:
        return Conv(f"{name}a", 384, (1, 3)), Conv(f"{name}b", 384, (3, 1))

    return [
        [Conv("branch1x1", 320, 1)],
        [Conv("branch3x3_1", 384, 1), fork("branch3x3_2")],
        [Conv("branch3x3dbl_1", 448, 1), Conv("branch3x3dbl_2", 384, 3), fork("branch3x3dbl_3")],
        [pool, Conv("branch_pool", 192, 1)],
    ]


_MIXED_6A: Sequence[Branch] = [
    [_halving("branch3x3", 384)],
    [Conv("branch3x3dbl_1", 64, 1), Conv("branch3x3dbl_2", 96, 3), _halving("branch3x3dbl_3", 96)],
    ["max, halving"],
]
_MIXED_7A: Sequence[Branch] = [
    [Conv("branch3x3_1", 192, 1), _halving("branch3x3_2", 320)],
    [
        Conv("branch7x7x3_1", 192, 1),
        Conv("branch7x7x3_2", 192, ROW),
        Conv("branch7x7x3_3", 192, COLUMN),
        _halving("branch7x7x3_4", 192),
    ],
    ["max, halving"],
]

BLOCKS: dict[str, tuple[int, Sequence[Branch]]] = {
    "Mixed_5b": (192, _mixed_5(32)),
    "Mixed_5c": (256, _mixed_5(64)),
    "Mixed_5d": (288, _mixed_5(64)),
    "Mixed_6a": (288, _MIXED_6A),
    "Mixed_6b": (768, _mixed_6(128)),
    "Mixed_6c": (768, _mixed_6(160)),
    "Mixed_6d": (768, _mixed_6(160)),
    "Mixed_6e": (768, _mixed_6(192)),
    "Mixed_7a": (768, _MIXED_7A),
    "Mixed_7b": (1280, _mixed_7("average")),
    "Mixed_7c": (2048, _mixed_7("max")),  # not in the paper, but part of the released graph
}
"""Block -> number of input channels, and its branches in the order of the output channels."""


class _Convolution(nn.Module):
    def __init__(self, channels: int, spec: Conv) -> None:
        super().__init__()
        kernel = (spec.kernel, spec.kernel) if isinstance(spec.kernel, int) else spec.kernel
        padding = (kernel[0] // 2, kernel[1] // 2) if spec.padded else 0
        self.conv = nn.Conv2d(channels, spec.width, kernel, spec.stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(spec.width, eps=0.001)

    def forward(self, batch: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(batch)), inplace=True)


class _Block(nn.Module):
    """Batch `[b, channels, h, w]` -> the outputs of its branches, concatenated along the channels."""

    def __init__(self, channels: int, branches: Sequence[Branch]) -> None:
        super().__init__()
        self._branches = branches
        for branch in branches:
            width = channels
            for step in branch:
                if isinstance(step, str):
                    self.add_module(step, _pool(step))
                    continue
                for spec in _side_by_side(step):
                    self.add_module(spec.name, _Convolution(width, spec))
                width = sum(spec.width for spec in _side_by_side(step))

    def forward(self, batch: Tensor) -> Tensor:
        ends = []
        for branch in self._branches:
            rows = [batch]
            for step in branch:
                names = [step] if isinstance(step, str) else [spec.name for spec in _side_by_side(step)]
                rows = [self.get_submodule(name)(rows[0]) for name in names]
            ends += rows
        return torch.cat(ends, 1)


def _side_by_side(step: Conv | tuple[Conv, Conv]) -> Sequence[Conv]:
    return [step] if isinstance(step, Conv) else step


def _pool(kind: Pool) -> nn.Module:
    if kind == "average":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return nn.MaxPool2d(3, stride=1, padding=1) if kind == "max" else nn.MaxPool2d(3, stride=2)


class Inception(nn.Module):
    """Batch `[b, 3, 299, 299]` in about [-1, 1] -> features of a depth `[b, d]`, logits `[b, 1008]`.

    64, 192 and 768 are spatial averages after the two max pools and before Mixed_7a, as in pytorch-fid. `spatial` is
    what sFID reads (Nash 2021, arXiv:2103.03841, as ADM computes it): 7 channels of the 17 x 17 places of
    `mixed_6/conv`, which is Mixed_6d. The logits are without bias, as the Inception Score is published.
    """

    def __init__(self, depth: Depth, *, classifier: bool = True) -> None:
        super().__init__()
        self.depth = depth
        self.Conv2d_1a_3x3 = _Convolution(3, Conv("", 32, 3, stride=2, padded=False))
        self.Conv2d_2a_3x3 = _Convolution(32, Conv("", 32, 3, padded=False))
        self.Conv2d_2b_3x3 = _Convolution(32, Conv("", 64, 3))
        self.Conv2d_3b_1x1 = _Convolution(64, Conv("", 80, 1))
        self.Conv2d_4a_3x3 = _Convolution(80, Conv("", 192, 3, padded=False))
        for name, (channels, branches) in BLOCKS.items():
            self.add_module(name, _Block(channels, branches))
        self.fc = nn.Linear(2048, 1008) if classifier else None

    def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Features at `depth`, and logits where there is a classifier."""
        found: dict[str, Tensor] = {}
        rows = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(batch)))
        found["64"] = rows = functional.max_pool2d(rows, 3, stride=2)  # [b, 64, 73, 73]
        rows = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(rows))
        found["192"] = rows = functional.max_pool2d(rows, 3, stride=2)  # [b, 192, 35, 35]
        for name in BLOCKS:
            found[name] = rows = self.get_submodule(name)(rows)
        found["768"] = found["Mixed_6e"]  # [b, 768, 17, 17]
        found["2048"] = rows  # [b, 2048, 8, 8]
        logits = () if self.fc is None else (rows.mean((2, 3)) @ self.fc.weight.T,)
        if self.depth == "spatial":
            return found["Mixed_6d"][:, :7].flatten(1), *logits
        return found[self.depth].mean((2, 3)), *logits


@dataclass(frozen=True)
class TensorFlow:
    """Preparer: preprocessing in the TensorFlow graph of 2015."""

    name = f"tf1-bilinear-{SIZE}"

    def __call__(self, image: np.ndarray) -> Tensor:
        """(grey - 128) / 128 of an image uint8 `[h, w, 3]`, float32 `[3, 299, 299]`."""
        return self.prepare_batch(torch.from_numpy(image))

    def prepare_batch(self, images: Tensor) -> Tensor:
        """The same of images uint8 `[b, h, w, 3]`, float32 `[b, 3, 299, 299]`."""
        channels = images.movedim(-1, -3).contiguous()  # as bytes: a quarter of what is copied
        return (tf1_bilinear(channels, SIZE) - 128) / 128


@dataclass(frozen=True)
class Clean:
    """Preparer: antialiased resize without rounding to 8 bits. Parmar 2022, arXiv:2104.11222."""

    name = f"bicubic-aa-{SIZE}"

    def __call__(self, image: np.ndarray) -> Tensor:
        """(grey - 128) / 128 of an image uint8 `[h, w, 3]`, float32 `[3, 299, 299]`."""
        return (bicubic(image, SIZE) - 128) / 128

    def prepare_batch(self, images: Tensor) -> Tensor:
        """The same of images uint8 `[b, h, w, 3]`, float32 `[b, 3, 299, 299]`."""
        return (resize(images, SIZE, "bicubic", antialias=True) - 128) / 128


@dataclass(frozen=True)
class PytorchFid:
    """Preparer: preprocessing of pytorch-fid 0.3.0."""

    name = f"bilinear-{SIZE}"

    def __call__(self, image: np.ndarray) -> Tensor:
        """2 grey / 255 - 1 of an image uint8 `[h, w, 3]`, float32 `[3, 299, 299]`."""
        grey = channels_first(torch.from_numpy(image))[None]
        return 2 * functional.interpolate(grey / 255, (SIZE, SIZE), mode="bilinear")[0] - 1

    def prepare_batch(self, images: Tensor) -> Tensor:
        """The same of images uint8 `[b, h, w, 3]`, float32 `[b, 3, 299, 299]`."""
        return 2 * (resize(images, SIZE, "bilinear", antialias=False) / 255) - 1


def fetched(**_: object) -> Hashable:
    """The present contents of the weights on this machine, which an encoder without `weights=` is made of."""
    here = store.WEIGHTS["inception"].here
    return file_versions([] if here is None else [here])


def lacking(*, layer: Depth = "2048", weights: str | None = None, seed: int = 0) -> Mapping[Layer, str]:  # noqa: ARG001
    """Layers that the weights on this machine do not give, and why."""
    published = store.WEIGHTS["inception"]
    if weights is not None or published.package is None or published.here != published.package.path:
        return {}
    reason = (
        f"the weights here come from the package {published.package.requirement}, which holds no classifier; "
        "divmetrics weights fetch inception gets those that have one"
    )
    return {"logits": reason}


@extractor("inception", modality="image", provides=("pooled", "logits"), cite=CITE, content=fetched, lacks=lacking)
def inception(*, layer: Depth = "2048", weights: str | None = None, seed: int = 0) -> Encoder:
    """Inception v3 of 2015 as in the original FID, KID and IS: images at 299 x 299 by TensorFlow 1's bilinear resize.

    Layers: `pooled`, 2048 features (or those of `layer`), and 1008 `logits` without bias. Preprocessing: TensorFlow 1's
    bilinear resize without antialiasing, (x - 128) / 128. Weights: TensorFlow's release converted by torch-fidelity,
    Apache 2.0, fetched with `divmetrics weights fetch inception`; with them it follows the protocol `inception-2015`.

    Args:
        layer: Features: 2048 (pool3), 768, 192 or 64 (spatial averages), or spatial (7 channels x 17 x 17, for sFID).
        weights: None for the fetched weights, the path of a state dict of pytorch-fid or torch-fidelity, or `random`.
        seed: Seed of random weights.

    Raises:
        Unavailable: Weights are missing, damaged or of another network.

    Example:
        >>> from divmetrics.encoders import load_encoder
        >>> load_encoder("inception?weights=random").preprocessing
        'tf1-bilinear-299'
    """
    return _encoder(TensorFlow(), layer, weights, seed)


@extractor(
    "inception-clean",
    modality="image",
    provides=("pooled", "logits"),
    cite=f"{CITE}; Parmar 2022, arXiv:2104.11222",
    content=fetched,
    lacks=lacking,
)
def inception_clean(*, layer: Depth = "2048", weights: str | None = None, seed: int = 0) -> Encoder:
    """Inception v3 of 2015 behind an antialiased bicubic resize without rounding, as in clean-fid; else as `inception`.

    Args:
        layer: As for `inception`.
        weights: As for `inception`.
        seed: Seed of random weights.

    Raises:
        Unavailable: Weights are missing, damaged or of another network.
    """
    return _encoder(Clean(), layer, weights, seed)


@extractor(
    "inception-pytorch-fid", modality="image", provides=("pooled", "logits"), cite=CITE, content=fetched, lacks=lacking
)
def inception_pytorch_fid(*, layer: Depth = "2048", weights: str | None = None, seed: int = 0) -> Encoder:
    """Inception v3 of 2015 behind torch's bilinear resize, scaled by 2x - 1, as in pytorch-fid; else as `inception`.

    Args:
        layer: As for `inception`.
        weights: As for `inception`.
        seed: Seed of random weights.

    Raises:
        Unavailable: Weights are missing, damaged or of another network.
    """
    return _encoder(PytorchFid(), layer, weights, seed)


def _encoder(prepare: TensorFlow | Clean | PytorchFid, layer: Depth, weights: str | None, seed: int) -> Encoder:
    published = store.WEIGHTS["inception"]
    state: Mapping[str, Tensor] = {}
    if weights != "random":
        path = Path(weights) if weights else store.find(published)
        state, digest, original = _read(path, published, given=weights is not None)
    classifier = not state or any(name.startswith("fc.") for name in state)
    with torch.device("meta"):  # so that torch's global generator is not used
        network = Inception(layer, classifier=classifier)
    if weights == "random":
        empty = {name: torch.empty(tensor.shape, dtype=tensor.dtype) for name, tensor in network.state_dict().items()}
        network.load_state_dict(empty, assign=True)  # to_empty does the same, and imports sympy for it
        _initialise(network, seed)
        digest, original = state_digest(network.state_dict()), False
    else:
        load_into(network, state, str(path), "Inception of 2015")
    network.eval().requires_grad_(False)
    original = original and layer == "2048" and isinstance(prepare, TensorFlow)
    return Encoder(
        "inception",
        digest,
        prepare.name,
        ("pooled", "logits") if classifier else ("pooled",),
        prepare,
        lambda: network,
        protocol="inception-2015" if original else None,
    )


def _read(path: Path, published: store.Weights, *, given: bool) -> tuple[Mapping[str, Tensor], str, bool]:
    """A state dict, its digest, and whether it holds the published numbers.

    Those out of a package are known by their numbers, for their file is our own. Raises Unavailable where a file that
    was fetched is damaged.
    """
    package = published.package
    ours = not given and package is not None and path == package.path
    state, digest = read_state(path, None if given or ours else published.sha256)
    if package is not None and path.suffix == ".safetensors" and (numbers := state_digest(state)) == package.digest:
        return state, numbers, True
    if ours:
        raise Unavailable(f"the weights {path} are damaged; divmetrics weights fetch inception --from-package again.")
    return state, digest, digest == published.sha256


def _initialise(network: nn.Module, seed: int) -> None:
    """Random weights that preserve the variance of activations from layer to layer (He 2015, arXiv:1502.01852)."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
