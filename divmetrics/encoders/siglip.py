"""`siglip`: a CLIP with a sigmoid loss, by Google."""

from __future__ import annotations

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import Pooled, Timm, encoder, timm_network
from divmetrics.encoders._preparing import PillowTransform
from divmetrics.records.extractor import extractor


@extractor("siglip", modality="image", provides=("pooled",), cite="Zhai 2023, arXiv:2303.15343")
def siglip(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """SigLIP ViT-B/16: the embedding, 768 features, of the whole image at 224 x 224.

    The image is squeezed into the square, as in the authors' configuration; timm's cuts the centre out. `weights`: none
    for the published ones, a file (`.pth`, `.safetensors`), or `random`, drawn by `seed`.
    """
    network, digest = timm_network("vit_base_patch16_siglip_224.webli", weights, seed)
    prepare = PillowTransform((224, 224), (224, 224), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return encoder(Pooled(Timm(network)), digest, prepare)
