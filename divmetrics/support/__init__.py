"""Supports with soft edges: what is likely, or dense enough, instead of what is inside a ball.

`soft` gives each sample a probability to lie in the support that the other set spans (Park and Kim 2023). The pool's
distances are computed once and serve all of its splits: see `_field.py`.
"""

from divmetrics.support._soft import Soft, on_splits, soft, variance

__all__ = ["Soft", "on_splits", "soft", "variance"]
