"""`clip-b32`, `clip-l14-336`: OpenAI's CLIP, the image's place in the space that it shares with texts."""

from __future__ import annotations

from torch import Tensor, nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import Pooled, encoder, timm_network
from divmetrics.encoders._preparing import CLIP_MEAN, CLIP_STD, Fit, PillowTransform
from divmetrics.records.extractor import extractor

CITE = "Radford 2021, arXiv:2103.00020"


class _Embedding(nn.Module):
    """Batch `[b, 3, h, w]` -> embeddings `[b, d]` of length 1: CLIP compares directions only."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.timm = network

    def forward(self, batch: Tensor) -> Tensor:
        return nn.functional.normalize(self.timm(batch), dim=1)


@extractor("clip-b32", modality="image", provides=("pooled",), cite=CITE)
def clip_b32(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """CLIP ViT-B/32: the embedding, 512 features of length 1, of the centre of the image at 224 x 224.

    `weights`: none for the published ones, a file (`.pth`, `.safetensors`), or `random`, drawn by `seed`.
    """
    return _clip("vit_base_patch32_clip_quickgelu_224.openai", (224, "short"), weights, seed)


@extractor("clip-l14-336", modality="image", provides=("pooled",), cite=f"{CITE}; Jayasumana 2024, arXiv:2401.09603")
def clip_l14_336(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """CLIP ViT-L/14: the embedding, 768 features of length 1, of the central square at 336 x 336; the encoder of CMMD.

    `weights`: none for the published ones, a file (`.pth`, `.safetensors`), or `random`, drawn by `seed`. With the
    published ones it follows the protocol `cmmd-2024`, of which the kernel of mmd_rbf is the other half.
    """
    return _clip("vit_large_patch14_clip_quickgelu_336.openai", (336, "square"), weights, seed, "cmmd-2024")


def _clip(name: str, reads: tuple[int, Fit], weights: str | None, seed: int, protocol: str | None = None) -> Encoder:
    """A network, with the protocol that it follows with the published weights.

    `name` is a `quickgelu` one: timm's others compute another activation than OpenAI's weights were made for.
    """
    network, digest = timm_network(name, weights, seed)
    size, fit = reads
    prepare = PillowTransform((size, size), (size, size), fit, "bicubic", CLIP_MEAN, CLIP_STD)
    return encoder(Pooled(_Embedding(network)), digest, prepare, protocol if weights is None else None)
