"""Supports with soft edges: what is likely, or dense beyond chance, instead of what is inside a ball.

`soft` gives each sample a probability to lie in the support that the other set spans (Park and Kim 2023), `dense` says
where a kernel density is surely above 0 (Kim 2023), `curve` how much of one set lies in balls that hold given shares of
another (Alaa 2022). One pass over a pool's pairs serves all its splits: `_field.py`.
"""

from divmetrics.metrics.densities._dense import Band, Dense, dense, some
from divmetrics.metrics.densities._dense import interval as dense_interval
from divmetrics.metrics.densities._dense import share_on_splits as dense_on_splits
from divmetrics.metrics.densities._field import remembered
from divmetrics.metrics.densities._levels import (
    alpha_on_splits,
    beta_on_splits,
    covered,
    curve,
    from_mean,
    integrated,
    thinned,
)
from divmetrics.metrics.densities._soft import Soft, soft
from divmetrics.metrics.densities._soft import on_splits as soft_on_splits
from divmetrics.metrics.densities._soft import variance as soft_variance

__all__ = [
    "Band",
    "Dense",
    "Soft",
    "alpha_on_splits",
    "beta_on_splits",
    "covered",
    "curve",
    "dense",
    "dense_interval",
    "dense_on_splits",
    "from_mean",
    "integrated",
    "remembered",
    "soft",
    "soft_on_splits",
    "soft_variance",
    "some",
    "thinned",
]
