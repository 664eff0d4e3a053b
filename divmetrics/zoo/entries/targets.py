"""The targets themselves: exact samples, with which every other entry is compared."""

from collections.abc import Callable

import numpy as np

from divmetrics.records.generator import zoo_model
from divmetrics.zoo.targets import CATALOGUE, target


def _sampler(name: str) -> Callable[[int, int], np.ndarray]:
    """Exact samples of the target `name`."""

    def sampler(n: int, seed: int) -> np.ndarray:
        return target(name).sample(n, np.random.default_rng(seed))[0]

    return sampler


def _truth(name: str) -> Callable[[], np.ndarray]:
    """The weights of the modes of the target `name`."""
    return lambda: target(name).weights


for _name in CATALOGUE:
    zoo_model(
        _name, family="target", target=_name, knob="none: exact samples", cite="field notes", truth=_truth(_name)
    )(_sampler(_name))
