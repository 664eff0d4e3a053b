"""Modes in wrong shares, none of them lost."""

import numpy as np

from divmetrics.zoo.knobs import Recipe, healthy, knob
from divmetrics.zoo.targets import Target


@knob("imbalance", levels=(0, 0.25, 0.5, 1, 2, 4), text="exponent a of the weights i^-a", cite="field notes 2.1 g")
def imbalance(target: Target, level: float) -> Recipe:
    """The weight of mode i is multiplied by i^-`level`."""
    shares = target.weights * np.arange(1, target.modes + 1) ** -float(level)
    return healthy(target, shares / shares.sum())
