"""`convnext`: a convolutional network of today, trained on all of ImageNet."""

from __future__ import annotations

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import encoder, timm_network, timm_pooled, timm_preparer
from divmetrics.records.extractor import extractor


@extractor("convnext", modality="image", provides=("pooled", "logits"), cite="Liu 2022, arXiv:2201.03545")
def convnext(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """ConvNeXt-B: 1024 features and 1000 ImageNet logits of the centre of the image at 224 x 224.

    Trained on ImageNet-22k, then on ImageNet-1k. `weights`: none for the published ones, a file of the authors or of
    timm, or `random`, drawn by `seed`.
    """
    network, digest = timm_network("convnext_base.fb_in22k_ft_in1k", weights, seed)
    return encoder(timm_pooled(network), digest, timm_preparer(network))
