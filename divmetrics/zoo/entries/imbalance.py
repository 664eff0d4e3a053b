"""Modes in wrong proportions, none of them lost."""

import numpy as np

from divmetrics.zoo.knobs import ModeSampler, knob, with_shares
from divmetrics.zoo.targets import Target


@knob("imbalance", levels=(0, 0.25, 0.5, 1, 2, 4), text="exponent a of the weights i^-a", cite="field notes 2.1 g")
def imbalance(target: Target, level: float) -> ModeSampler:
    """The weight of mode i is multiplied by i^-`level`."""
    shares = target.weights * np.arange(1, target.modes + 1) ** -float(level)
    return with_shares(target, shares / shares.sum())
