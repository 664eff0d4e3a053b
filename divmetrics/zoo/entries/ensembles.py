"""Ensembles of two collapsed generators: a mixture has the union of their modes, a product the intersection."""

import numpy as np

from divmetrics.zoo.knobs import ModeSampler, knob, restricted_shares, with_shares
from divmetrics.zoo.targets import Target

CITE = "field notes 0.8"
LOST = (0, 0.1, 0.2, 0.3, 0.4, 0.45)


def _members(target: Target, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Which modes each of the two has, boolean `[K]`: one lost the first, the other the last of them."""
    mode, gone = np.arange(target.modes), int(level * target.modes)
    return mode >= gone, mode < target.modes - gone


@knob("ensemble-mix", levels=LOST, text="share of the modes that each of two mixed members lost", cite=CITE)
def mix(target: Target, level: float) -> ModeSampler:
    """Half of the samples from each member: all modes, those that both have twice as often."""
    return with_shares(
        target, np.mean([restricted_shares(target, member) for member in _members(target, level)], axis=0)
    )


@knob("ensemble-product", levels=LOST, text="share of the modes that each of two multiplied members lost", cite=CITE)
def product(target: Target, level: float) -> ModeSampler:
    """The product of the members' densities, as averaged scores give it: only the modes that both have.

    Weights are squared by the product, and so are those of unequal targets here.
    """
    both = np.where(np.logical_and(*_members(target, level)), target.weights**2, 0)
    return with_shares(target, both / both.sum())
