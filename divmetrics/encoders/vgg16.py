"""`vgg16`: the encoder of the improved precision and recall (Kynkaanniemi 2019)."""

from __future__ import annotations

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import encoder, timm_network, timm_pooled
from divmetrics.encoders._preparing import PillowTransform
from divmetrics.records.extractor import extractor

CITE = "Simonyan 2014, arXiv:1409.1556; as an encoder for metrics: Kynkaanniemi 2019, arXiv:1904.06991"


@extractor("vgg16", modality="image", provides=("pooled", "logits"), cite=CITE)
def vgg16(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """VGG-16: 4096 features after the ReLU of its second full layer (fc2), and 1000 ImageNet logits, at 224 x 224.

    The published weights are torchvision's; those of the paper are in a file for TensorFlow, so the numbers differ.
    `weights`: none for the published ones, a file of torchvision or of timm, or `random`, drawn by `seed`.
    """
    network, digest = timm_network("vgg16.tv_in1k", weights, seed)
    # the whole image, for a metric must see its border too; torchvision classifies the centre
    return encoder(timm_pooled(network), digest, PillowTransform((224, 224), (224, 224), interpolation="bilinear"))
