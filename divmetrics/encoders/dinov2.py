"""`dinov2-s`, `dinov2-b`, `dinov2-l`: the encoder whose distances follow human judgement best (Stein 2023)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import Pooled, Timm, make_encoder, timm_network
from divmetrics.encoders._preparing import PillowTransform
from divmetrics.records.extractor import extractor

CITE = "Oquab 2023, arXiv:2304.07193; as an encoder for metrics: Stein 2023, arXiv:2306.04675"


@extractor("dinov2-s", modality="image", provides=("pooled",), cite=CITE)
def dinov2_s(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """DINOv2 ViT-S/14: 384 features, the class token of the whole image at 224 x 224.

    Layer: `pooled`, the normalised class token. Preprocessing: the whole image to 224 x 224 with Pillow's bicubic
    resize, mean and standard deviation of ImageNet. Weights: the Hugging Face hub through timm, Apache 2.0.

    Args:
        weights: None for the published weights, the path of a state dict (`.pth`, `.safetensors`), or `random`.
        seed: Seed of random weights.

    Raises:
        Unavailable: Weights are missing, damaged or of another network.
        UsageError: `seed` is given without `weights=random`.
    """
    return _dinov2("small", weights, seed)


@extractor("dinov2-b", modality="image", provides=("pooled",), cite=CITE)
def dinov2_b(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """DINOv2 ViT-B/14: 768 features, the class token of the whole image at 224 x 224.

    Layer: `pooled`, the normalised class token. Preprocessing: the whole image to 224 x 224 with Pillow's bicubic
    resize, mean and standard deviation of ImageNet. Weights: the Hugging Face hub through timm, Apache 2.0.

    Args:
        weights: None for the published weights, the path of a state dict (`.pth`, `.safetensors`), or `random`.
        seed: Seed of random weights.

    Raises:
        Unavailable: Weights are missing, damaged or of another network.
        UsageError: `seed` is given without `weights=random`.
    """
    return _dinov2("base", weights, seed)


@extractor("dinov2-l", modality="image", provides=("pooled",), cite=CITE)
def dinov2_l(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """DINOv2 ViT-L/14: 1024 features, the class token of the whole image at 224 x 224; the protocol of Stein 2023.

    Layer: `pooled`, the normalised class token. Preprocessing: the whole image to 224 x 224 with Pillow's bicubic
    resize, mean and standard deviation of ImageNet. Weights: the Hugging Face hub through timm, Apache 2.0; with them
    it follows the protocol `dgm-eval-2023`.

    Args:
        weights: None for the published weights, the path of a state dict (`.pth`, `.safetensors`), or `random`.
        seed: Seed of random weights.

    Raises:
        Unavailable: Weights are missing, damaged or of another network.
        UsageError: `seed` is given without `weights=random`.
    """
    return _dinov2("large", weights, seed, "dgm-eval-2023")


def _dinov2(size: str, weights: str | None, seed: int, protocol: str | None = None) -> Encoder:
    loaded, digest = timm_network(f"vit_{size}_patch14_dinov2.lvd142m", weights, seed)
    network: Any = loaded
    positions = at_grid(network.pos_embed, 224 // 14)
    network.set_input_size(img_size=(224, 224))
    network.pos_embed = nn.Parameter(positions)
    prepare = PillowTransform((224, 224), (224, 224))
    return make_encoder(Pooled(Timm(network)), digest, prepare, protocol if weights is None else None)


def at_grid(positions: Tensor, side: int) -> Tensor:
    """Position embeddings `[1, 1 + n * n, d]`, interpolated to `[1, 1 + side * side, d]` as in the authors' code.

    That is bicubic without antialiasing, and a tenth of a patch off: `interpolate_offset` in facebookresearch/dinov2.
    timm interpolates with antialiasing, which gives different features.
    """
    token, patches = positions[:, :1], positions[:, 1:]  # [1, 1, d], [1, n * n, d]
    n = round(patches.shape[1] ** 0.5)
    grid = patches.reshape(1, n, n, -1).permute(0, 3, 1, 2)
    scale = (side + 0.1) / n
    resized = nn.functional.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")  # [1, d, side, side]
    return torch.cat([token, resized.flatten(2).transpose(1, 2)], dim=1)
