"""`dinov2-s`, `dinov2-b`, `dinov2-l`: the encoder whose distances follow human judgement best (Stein 2023)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import Pooled, Timm, encoder, timm_network
from divmetrics.encoders._preparing import PillowTransform
from divmetrics.records.extractor import extractor

CITE = "Oquab 2023, arXiv:2304.07193; as an encoder for metrics: Stein 2023, arXiv:2306.04675"


@extractor("dinov2-s", modality="image", provides=("pooled",), cite=CITE)
def dinov2_s(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """DINOv2 ViT-S/14: 384 features, the class token of the whole image at 224 x 224.

    `weights`: none for the published ones, a file of the authors or of timm, or `random`, drawn by `seed`.
    """
    return _dinov2("small", weights, seed)


@extractor("dinov2-b", modality="image", provides=("pooled",), cite=CITE)
def dinov2_b(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """DINOv2 ViT-B/14: 768 features, the class token of the whole image at 224 x 224.

    `weights`: none for the published ones, a file of the authors or of timm, or `random`, drawn by `seed`.
    """
    return _dinov2("base", weights, seed)


@extractor("dinov2-l", modality="image", provides=("pooled",), cite=CITE)
def dinov2_l(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """DINOv2 ViT-L/14: 1024 features, the class token of the whole image at 224 x 224; the protocol of Stein 2023.

    `weights`: none for the published ones, a file of the authors or of timm, or `random`, drawn by `seed`. With the
    published ones the protocol is called `dgm-eval-2023`.
    """
    return _dinov2("large", weights, seed, "dgm-eval-2023")


def _dinov2(size: str, weights: str | None, seed: int, protocol: str | None = None) -> Encoder:
    loaded, digest = timm_network(f"vit_{size}_patch14_dinov2.lvd142m", weights, seed)
    network: Any = loaded
    positions = at_grid(network.pos_embed, 224 // 14)
    network.set_input_size(img_size=(224, 224))
    network.pos_embed = nn.Parameter(positions)
    prepare = PillowTransform((224, 224), (224, 224))
    return encoder(Pooled(Timm(network)), digest, prepare, protocol if weights is None else None)


def at_grid(positions: Tensor, side: int) -> Tensor:
    """Positions `[1, 1 + n * n, d]` as `[1, 1 + side * side, d]`, as the authors' code interpolates them.

    Bicubic without antialiasing, and a tenth of a patch off: `interpolate_offset` in facebookresearch/dinov2. timm
    interpolates with antialiasing, which gives other features.
    """
    token, patches = positions[:, :1], positions[:, 1:]  # [1, 1, d], [1, n * n, d]
    n = round(patches.shape[1] ** 0.5)
    grid = patches.reshape(1, n, n, -1).permute(0, 3, 1, 2)
    scale = (side + 0.1) / n
    resized = nn.functional.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")  # [1, d, side, side]
    return torch.cat([token, resized.flatten(2).transpose(1, 2)], dim=1)
