"""`Encoder`: a loaded network with all that must be known of it to compare its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from divmetrics.records.extractor import Layer


@dataclass(frozen=True)
class Encoder:
    """A network ready to run. The extraction loop calls `prepare` on CPU workers and `network` on the device."""

    name: str
    """As asked for, options included: `pixels?size=32`."""
    digest: str
    """sha256 (hex) of the weights, or of the definition where there are none."""
    preprocessing: str
    """Short name of all that happens to a sample before the network: `bicubic-aa-224`."""
    layers: tuple[Layer, ...]
    """What the network returns, in this order."""
    prepare: Callable[[np.ndarray], Tensor]
    """uint8 `[h, w, 3]` -> float32 tensor, one sample; must be picklable: it travels to the workers."""
    build: Callable[[], nn.Module]
    """Gives `network`, the same at every call; where features are cached it is never called, and nothing is built."""
    protocol: str | None = None
    """Name of the published protocol that weights, preprocessing and layers follow to the letter: `inception-2015`."""

    @property
    def network(self) -> nn.Module:
        """float32 batch `[b, ...]` -> tuple of float32 tensors `[b, ...]`, one for each of `layers`; in eval mode."""
        return self.build()
