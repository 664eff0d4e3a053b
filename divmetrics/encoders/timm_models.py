"""`timm:MODEL`: any network of timm with the preprocessing that its publisher gives."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._foreign import encoder, timm_network, timm_pooled, timm_preparer
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
    """What the last layer of timm's network MODEL reads, and its logits where it is a classifier.

    Input size, resize, crop, mean and std are the publisher's, as timm's eval transform has them. `weights`: none for
    the published ones, a file (`.pth`, `.safetensors`), or `random`, drawn by `seed`. Raises UnknownName for a network
    that timm does not have, Unavailable where weights are missing, damaged or of another network.
    """
    network, digest = timm_network(model, weights, seed)
    return encoder(timm_pooled(network), digest, timm_preparer(network))
