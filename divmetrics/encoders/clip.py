"""`clip-b32` and `clip-l14-336`: image embeddings of OpenAI's CLIP."""

from __future__ import annotations

from torch import Tensor, nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import Pooled, make_encoder, timm_network
from divmetrics.encoders._preparing import CLIP_MEAN, CLIP_STD, Fit, PillowTransform
from divmetrics.records.extractor import extractor

CITE = "Radford 2021, arXiv:2103.00020"


class _Embedding(nn.Module):
    """Batch `[b, 3, h, w]` -> embeddings `[b, d]` of length 1, for CLIP compares directions only."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.timm = network

    def forward(self, batch: Tensor) -> Tensor:
        return nn.functional.normalize(self.timm(batch), dim=1)


@extractor("clip-b32", modality="image", provides=("pooled",), cite=CITE)
def clip_b32(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """CLIP ViT-B/32 by OpenAI: image embedding, 512 features of length 1, of the centre of the image at 224 x 224.

    Layer: `pooled`, the projected embedding. Preprocessing: shorter side to 224 with Pillow's bicubic resize, centre
    crop, mean and standard deviation of CLIP. Weights: the Hugging Face hub through timm, MIT licence.

    Args:
        weights: None for the published weights, the path of a state dict (`.pth`, `.safetensors`), or `random`.
        seed: Seed of random weights.

    Raises:
        Unavailable: Weights are missing, damaged or of another network.
        UsageError: `seed` is given without `weights=random`.
    """
    return _clip("vit_base_patch32_clip_quickgelu_224.openai", (224, "short"), weights, seed)


@extractor("clip-l14-336", modality="image", provides=("pooled",), cite=f"{CITE}; Jayasumana 2024, arXiv:2401.09603")
def clip_l14_336(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """CLIP ViT-L/14 by OpenAI: image embedding, 768 features of length 1, of the central square; the encoder of CMMD.

    Layer: `pooled`, the projected embedding. Preprocessing: the central square to 336 x 336 with Pillow's bicubic
    resize, mean and standard deviation of CLIP. Weights: the Hugging Face hub through timm, MIT licence; with them it
    follows the protocol `cmmd-2024`, together with `mmd_rbf:sigma=10:normalise=true:unbiased=false:scale=1000`.

    Args:
        weights: None for the published weights, the path of a state dict (`.pth`, `.safetensors`), or `random`.
        seed: Seed of random weights.

    Raises:
        Unavailable: Weights are missing, damaged or of another network.
        UsageError: `seed` is given without `weights=random`.
    """
    return _clip("vit_large_patch14_clip_quickgelu_336.openai", (336, "square"), weights, seed, "cmmd-2024")


def _clip(name: str, reads: tuple[int, Fit], weights: str | None, seed: int, protocol: str | None = None) -> Encoder:
    """The encoder of timm's network `name`, which reads a square of `reads[0]` pixels, cut out as `reads[1]` says.

    The name has to contain `quickgelu`, the activation that OpenAI's weights were trained with.
    """
    network, digest = timm_network(name, weights, seed)
    size, fit = reads
    prepare = PillowTransform((size, size), (size, size), fit, "bicubic", CLIP_MEAN, CLIP_STD)
    return make_encoder(Pooled(_Embedding(network)), digest, prepare, protocol if weights is None else None)
