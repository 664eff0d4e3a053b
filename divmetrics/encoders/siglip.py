"""`siglip`: image embeddings of SigLIP, a CLIP with a sigmoid loss by Google."""

from __future__ import annotations

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import Pooled, Timm, make_encoder, timm_network
from divmetrics.encoders._preparing import PillowTransform
from divmetrics.records.extractor import extractor


@extractor("siglip", modality="image", provides=("pooled",), cite="Zhai 2023, arXiv:2303.15343")
def siglip(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """SigLIP ViT-B/16: the embedding, 768 features, of the whole image at 224 x 224.

    Layer: `pooled`, the output of the attention pooling. Preprocessing: the whole image to 224 x 224 with Pillow's
    bicubic resize, as in the authors' configuration (timm's crops the centre), scaled to [-1, 1]. Weights: trained on
    WebLI; the Hugging Face hub through timm, Apache 2.0.

    Args:
        weights: None for the published weights, the path of a state dict (`.pth`, `.safetensors`), or `random`.
        seed: Seed of random weights.

    Raises:
        Unavailable: Weights are missing, damaged or of another network.
        UsageError: `seed` is given without `weights=random`.
    """
    network, digest = timm_network("vit_base_patch16_siglip_224.webli", weights, seed)
    prepare = PillowTransform((224, 224), (224, 224), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return make_encoder(Pooled(Timm(network)), digest, prepare)
