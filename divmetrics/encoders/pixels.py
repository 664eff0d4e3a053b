"""`pixels`: the grey levels themselves as features, for small images and for tests."""

from __future__ import annotations

import hashlib

from torch import Tensor, nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._preparing import Bicubic, Native
from divmetrics.errors import UsageError
from divmetrics.records.extractor import extractor


class _Pixels(nn.Module):
    """Batch `[b, 3, h, w]` -> clamped to [0, 1], flattened `[b, 3hw]` and as it is; a bicubic resize may overshoot."""

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        inside = batch.clamp(0, 1)
        return inside.flatten(1), inside


@extractor("pixels", modality="image", provides=("pooled", "pixels"), cite="")
def pixels(*, size: int = 0) -> Encoder:
    """Grey levels in [0, 1], channel by channel, without a network; greyscale images count as three equal channels.

    Layers: `pooled`, 3 x height x width features; `pixels`, the images `[3, h, w]`. Preprocessing: none, or antialiased
    bicubic resize in floating point. There are no weights.

    Args:
        size: Side of the images after resizing; 0 takes images as they are, which then have to be of one size and
            of at most 2.8 megapixels.

    Raises:
        UsageError: `size` is negative.

    Example:
        >>> from divmetrics.encoders import load_encoder
        >>> encoder = load_encoder("pixels?size=32")
        >>> encoder.layers, encoder.preprocessing
        (('pooled', 'pixels'), 'bicubic-aa-32')
    """
    if size < 0:
        raise UsageError(f"pixels: size={size} is negative; give a width in pixels, or 0 for the images' own size.")
    prepare = Bicubic(size) if size else Native()
    definition = f"pixels: RGB/255, {prepare.name}, clamped to [0, 1], [3, h, w]"
    digest = hashlib.sha256(definition.encode()).hexdigest()
    network = _Pixels().eval()
    return Encoder("pixels", digest, prepare.name, ("pooled", "pixels"), prepare, lambda: network)
