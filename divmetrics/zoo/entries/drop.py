"""Modes dropped one after the other: the plainest collapse."""

import numpy as np

from divmetrics.zoo.knobs import Recipe, healthy, kept, knob
from divmetrics.zoo.targets import Target


@knob("drop", levels=(0, 0.2, 0.4, 0.6, 0.8, 0.95), text="share of the modes that are gone", cite="Raisa 2025, check 5")
def drop(target: Target, level: float) -> Recipe:
    """The last modes are never drawn, the others keep their proportions; one mode is always left."""
    gone = min(round(level * target.modes), target.modes - 1)
    return healthy(target, kept(target, np.arange(target.modes) < target.modes - gone))
