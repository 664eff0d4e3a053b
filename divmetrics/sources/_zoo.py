"""`zoo:NAME?n=5000&seed=1&level=0.4` as a source: samples of a generator whose collapse is known."""

from __future__ import annotations

from divmetrics.sources._arrays import Array, open_array
from divmetrics.zoo.draw import Draw
from divmetrics.zoo.targets import target


def open_zoo(text: str) -> Array:
    """Samples of the zoo, images or features; their classes are the modes that they are nearest to."""
    draw = Draw.parse(text)
    owner, rows = target(draw.model.target), draw.rows()
    images = owner.images(rows)
    labels = tuple(str(mode) for mode in owner.nearest_modes(rows)[0])
    return open_array(rows if images is None else images, text, labels)
