"""`timm:MODEL`: any network of timm with the preprocessing that its publisher prescribes."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import make_encoder, timm_network, timm_pooled, timm_preparer
from divmetrics.encoders._loaded import file_versions
from divmetrics.records.extractor import extractor


def _content(model: str, **_: Any) -> Hashable:
    """Versions of the files of a network in a local folder, `local-dir:PATH`."""
    scheme, _colon, folder = model.partition(":")
    return file_versions(sorted(Path(folder).iterdir())) if scheme == "local-dir" and Path(folder).is_dir() else None


@extractor(
    "timm",
    modality="image",
    provides=("pooled", "logits"),
    content=_content,
    cite="Wightman 2019, github.com/huggingface/pytorch-image-models",
)
def timm(model: str, *, weights: str | None = None, seed: int = 0) -> Encoder:
    """Input of the last layer of timm's network MODEL, and its logits if it is a classifier.

    Layers: `pooled`, and `logits` of a classifier; widths are the network's. Preprocessing: input size, resize, crop,
    mean and standard deviation of timm's evaluation transform. Weights: the Hugging Face hub; the licence is
    `timm.get_pretrained_cfg(MODEL).license`.

    Args:
        model: Name in timm, or `hf-hub:OWNER/NAME`, or `local-dir:PATH`.
        weights: None for the published weights, the path of a state dict (`.pth`, `.safetensors`), or `random`.
        seed: Seed of random weights.

    Raises:
        UnknownName: timm has no such network.
        Unavailable: Weights are missing, damaged or of another network.
        UsageError: `seed` is given without `weights=random`.
    """
    network, digest = timm_network(model, weights, seed)
    return make_encoder(timm_pooled(network), digest, timm_preparer(network))
