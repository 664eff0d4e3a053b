"""Dropped modes, the simplest collapse."""

import numpy as np

from divmetrics.zoo.knobs import ModeSampler, knob, restricted_shares, with_shares
from divmetrics.zoo.targets import Target


@knob("drop", levels=(0, 0.2, 0.4, 0.6, 0.8, 0.95), text="share of the modes that are gone", cite="Raisa 2025, check 5")
def drop(target: Target, level: float) -> ModeSampler:
    """The last modes are never drawn, the others keep their proportions; one mode is always left."""
    gone = min(round(level * target.modes), target.modes - 1)
    return with_shares(target, restricted_shares(target, np.arange(target.modes) < target.modes - gone))
