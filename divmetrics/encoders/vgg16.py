"""`vgg16`: the encoder of the improved precision and recall (Kynkaanniemi 2019)."""

from __future__ import annotations

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import make_encoder, timm_network, timm_pooled
from divmetrics.encoders._preparing import PillowTransform
from divmetrics.records.extractor import extractor

CITE = "Simonyan 2014, arXiv:1409.1556; as an encoder for metrics: Kynkaanniemi 2019, arXiv:1904.06991"


@extractor("vgg16", modality="image", provides=("pooled", "logits"), cite=CITE)
def vgg16(*, weights: str | None = None, seed: int = 0) -> Encoder:
    """VGG-16: 4096 features after the ReLU of its second fully connected layer, and 1000 ImageNet logits, at 224 x 224.

    Layers: `pooled` (fc2), `logits`. Preprocessing: the whole image to 224 x 224 with Pillow's bilinear resize, mean
    and standard deviation of ImageNet. Weights: torchvision's, BSD 3, from the Hugging Face hub through timm; the paper
    on precision and recall used those in a file for TensorFlow, so its numbers differ.

    Args:
        weights: None for the published weights, the path of a state dict (`.pth`, `.safetensors`), or `random`.
        seed: Seed of random weights.

    Raises:
        Unavailable: Weights are missing, damaged or of another network.
        UsageError: `seed` is given without `weights=random`.
    """
    network, digest = timm_network("vgg16.tv_in1k", weights, seed)
    # the whole image, so that metrics see its border too; torchvision crops the centre
    return make_encoder(timm_pooled(network), digest, PillowTransform((224, 224), (224, 224), interpolation="bilinear"))
