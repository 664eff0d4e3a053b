"""Collapse within modes: each mode is present and too narrow."""

from divmetrics.zoo.knobs import ModeSampler, knob
from divmetrics.zoo.targets import Target


@knob(
    "shrink",
    levels=(0, 0.2, 0.4, 0.6, 0.8, 1),
    text="loss of standard deviation within modes",
    cite="field notes 2.1 d",
)
def shrink(target: Target, level: float) -> ModeSampler:
    """The standard deviation within modes is 1 - `level` of the true one; at 1 each mode is a point."""
    return ModeSampler(target.weights, lambda modes, rng: target.draw(modes, rng, 1 - level))
