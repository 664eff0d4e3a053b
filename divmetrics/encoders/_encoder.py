"""`Encoder`: a loaded network with everything that its numbers depend on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from divmetrics.records.extractor import Layer
from divmetrics.records.foreign import foreign, is_foreign


@dataclass(frozen=True)
class Encoder:
    """A network ready to run: `prepare` is called by workers on the CPU, `network` on the device.

    Example:
        >>> import hashlib
        >>> import torch
        >>> from divmetrics.encoders._preparing import Bicubic
        >>> class Means(torch.nn.Module):
        ...     def forward(self, batch):
        ...         return (batch.mean((2, 3)),)
        >>> prepare, network = Bicubic(32), Means().eval()
        >>> digest = hashlib.sha256(b"means of the channels").hexdigest()
        >>> encoder = Encoder("means", digest, prepare.name, ("pooled",), prepare, lambda: network)
        >>> encoder.network(torch.ones(2, 3, 32, 32))[0].shape
        torch.Size([2, 3])
    """

    name: str
    """Name in reports, options included: `pixels?size=32`."""
    digest: str
    """sha256 (hex) of the weights, or of the definition if there are none; a part of every signature."""
    preprocessing: str
    """Short name of everything that is done to a sample before the network: `bicubic-aa-224`."""
    layers: tuple[Layer, ...]
    """Layers that the network returns, in this order."""
    prepare: Callable[[np.ndarray], Tensor]
    """One image uint8 `[h, w, 3]` -> float32 tensor; picklable, for it is sent to worker processes."""
    build: Callable[[], nn.Module]
    """Returns the network, the same object at every call; not called at all where all features are cached."""
    protocol: str | None = None
    """Published protocol that weights, preprocessing and layers follow exactly, such as `inception-2015`."""
    known: bool = True
    """Whether `digest` covers all that decides the features; else they are not cached, and no two runs share it."""

    @property
    def network(self) -> nn.Module:
        """The network in eval mode: batch float32 `[b, ...]` -> one float32 tensor `[b, ...]` for each of `layers`."""
        if not is_foreign(self.build):
            return self.build()
        with foreign(f"building the network of {self.name}"):
            return self.build()
