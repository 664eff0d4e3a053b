"""`pixels`: no network at all. The grey levels themselves, for small images and for checking everything else."""

from __future__ import annotations

import hashlib

from torch import Tensor, nn

from divmetrics.encoders._encoder import Encoder
from divmetrics.encoders._preparing import Bicubic, Native
from divmetrics.errors import UsageError
from divmetrics.records.extractor import extractor


class _Pixels(nn.Module):
    """Batch `[b, 3, h, w]` -> the same flattened `[b, 3hw]`, and itself; what a bicubic resize overshoots is cut."""

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        inside = batch.clamp(0, 1)
        return inside.flatten(1), inside


@extractor("pixels", modality="image", provides=("pooled", "pixels"), cite="")
def pixels(*, size: int = 0) -> Encoder:
    """Grey levels in [0, 1], channel by channel; greyscale images count as three equal channels.

    `size=0` takes the images as they are, all of one size; `size=32` resizes them to 32 x 32 (antialiased bicubic).
    """
    if size < 0:
        raise UsageError(f"pixels: size={size} is negative; give a width in pixels, or 0 for the images' own size.")
    prepare = Bicubic(size) if size else Native()
    definition = f"pixels: RGB/255, {prepare.name}, clamped to [0, 1], [3, h, w]"
    digest = hashlib.sha256(definition.encode()).hexdigest()
    network = _Pixels().eval()
    return Encoder("pixels", digest, prepare.name, ("pooled", "pixels"), prepare, lambda: network)
