"""Distributions whose modes are known: what the zoo's generators are meant to draw, and what judges them."""

from divmetrics.targets._base import REAL_SHARE, Target
from divmetrics.targets._catalogue import CATALOGUE, OVERLAPPING, target
from divmetrics.targets._digits import Digits
from divmetrics.targets._mixtures import Mixture

__all__ = ["CATALOGUE", "OVERLAPPING", "REAL_SHARE", "Digits", "Mixture", "Target", "target"]
