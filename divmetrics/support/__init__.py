"""Supports with soft edges: what is likely, or dense beyond chance, instead of what is inside a ball.

`soft` gives each sample a probability to lie in the support that the other set spans (Park and Kim 2023), `dense` says
where a kernel density is surely above 0 (Kim 2023). One pass over a pool's pairs serves all its splits: `_field.py`.
"""

from divmetrics.support._dense import Band, Dense, dense, some
from divmetrics.support._dense import share_on_splits as dense_on_splits
from divmetrics.support._dense import variance as dense_variance
from divmetrics.support._soft import Soft, soft
from divmetrics.support._soft import on_splits as soft_on_splits
from divmetrics.support._soft import variance as soft_variance

__all__ = [
    "Band",
    "Dense",
    "Soft",
    "dense",
    "dense_on_splits",
    "dense_variance",
    "soft",
    "soft_on_splits",
    "soft_variance",
    "some",
]
