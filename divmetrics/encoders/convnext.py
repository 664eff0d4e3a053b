"""`convnext`: ConvNeXt-B, a convolutional network trained on ImageNet-22k."""

from __future__ import annotations

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import make_encoder, timm_network, timm_pooled, timm_preparer
from divmetrics.records.extractor import extractor


@extractor("convnext", modality="image", provides=("pooled", "logits"), cite="Liu 2022, arXiv:2201.03545")
def convnext(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """ConvNeXt-B: 1024 features and 1000 ImageNet logits of the centre of the image at 224 x 224.

    Layers: `pooled` after global average pooling and layer norm, `logits`. Preprocessing: shorter side to 256 with
    Pillow's bicubic resize, centre crop, mean and standard deviation of ImageNet. Weights: trained on ImageNet-22k,
    then on ImageNet-1k; the Hugging Face hub through timm, Apache 2.0.

    Args:
        weights: None for the published weights, the path of a state dict (`.pth`, `.safetensors`), or `random`.
        seed: Seed of random weights.

    Raises:
        Unavailable: Weights are missing, damaged or of another network.
        UsageError: `seed` is given without `weights=random`.
    """
    network, digest = timm_network("convnext_base.fb_in22k_ft_in1k", weights, seed)
    return make_encoder(timm_pooled(network), digest, timm_preparer(network))
