"""All samples that a network is shown have one size."""

from __future__ import annotations

import torch

from divmetrics.errors import SourceError


def check_size(encoder: str, first: torch.Size, other: torch.Size) -> None:
    """Raise SourceError if two prepared samples of one encoder differ in size."""
    if first != other:
        sizes = [" x ".join(map(str, size)) for size in (first, other)]
        raise SourceError(
            f"{encoder}: the samples differ in size, {sizes[0]} and {sizes[1]}; give images of one size, or choose an "
            "extractor that resizes them, like pixels?size=32."
        )
