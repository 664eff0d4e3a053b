"""All modes but the first are thinned together, until only the first is left."""

import numpy as np

from divmetrics.zoo.knobs import ModeSampler, knob, with_shares
from divmetrics.zoo.targets import Target


@knob(
    "thin",
    levels=(0, 0.2, 0.4, 0.6, 0.8, 1),
    text="share of the other modes' samples that the first mode takes over",
    cite="Raisa 2025, check 4",
)
def thin(target: Target, level: float) -> ModeSampler:
    """Each mode but the first loses the share `level` of its samples to the first."""
    first = np.arange(target.modes) == 0
    left = np.where(first, 0, target.weights * (1 - level))
    return with_shares(target, left + first * (1 - left.sum()))
