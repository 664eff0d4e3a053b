"""Target distributions with known modes: what the generators of the zoo are meant to sample."""

from divmetrics.zoo.targets._base import REAL_SHARE, Target
from divmetrics.zoo.targets._catalogue import CATALOGUE, OVERLAPPING, target
from divmetrics.zoo.targets._digits import Digits
from divmetrics.zoo.targets._mixtures import Mixture

__all__ = ["CATALOGUE", "OVERLAPPING", "REAL_SHARE", "Digits", "Mixture", "Target", "target"]
