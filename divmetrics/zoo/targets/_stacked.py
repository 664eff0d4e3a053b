"""Three digits as the colour channels of one image: 1,000 modes (Metz 2017, arXiv:1611.02163)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, reduce

import numpy as np

from divmetrics.zoo.targets._base import REAL_SHARE, Target
from divmetrics.zoo.targets._digits import Digits, enlarge
from divmetrics.zoo.targets._mixtures import equal_weights

CHANNELS = 3


@dataclass(frozen=True, eq=False)
class Stacked(Target):
    """Independent digits on red, green and blue; mode 100 r + 10 g + b; rows hold one channel after the other."""

    name: str
    text: str
    digit: Digits = field(repr=False)
    weights: np.ndarray = field(default_factory=lambda: equal_weights(10**CHANNELS), repr=False)

    @property
    def d(self) -> int:  # type: ignore[override]  # follows from the digits
        """Width of a row."""
        return CHANNELS * self.digit.d

    def draw(self, modes: np.ndarray, rng: np.random.Generator, spread: float = 1.0) -> np.ndarray:
        """As `Target.draw`."""
        return np.concatenate([self.digit.draw(part, rng, spread) for part in _digits_of(modes)], 1)

    def draw_outside(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """As `Target.draw_outside`: inverted digits in all channels."""
        return np.concatenate([self.digit.draw_outside(n, rng) for _ in range(CHANNELS)], 1)

    def nearest_modes(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Target.nearest_modes`: a sample is within reach if each of its channels is."""
        found = [self.digit.nearest_modes_within(part, REAL_SHARE ** (1 / CHANNELS)) for part in self._channels(rows)]
        modes = reduce(lambda high, low: 10 * high + low, [mode for mode, _ in found])
        return modes, np.max([distance for _, distance in found], axis=0)

    def logits(self, rows: np.ndarray) -> np.ndarray:
        """As `Target.logits`: summed over the channels."""
        red, green, blue = (self.digit.logits(part) for part in self._channels(rows))
        summed = red[:, :, None, None] + green[:, None, :, None] + blue[:, None, None]
        log_likelihoods: np.ndarray = summed.reshape(len(rows), -1)
        return log_likelihoods

    def centres(self) -> np.ndarray:
        """As `Target.centres`."""
        parts = _digits_of(np.arange(self.modes))
        return np.concatenate([self.digit.centres()[part] for part in parts], 1)

    @cached_property
    def within_variance(self) -> np.ndarray:
        """As `Target.within_variance`: summed over the channels."""
        variance: np.ndarray = np.sum(
            [self.digit.within_variance[part] for part in _digits_of(np.arange(self.modes))], axis=0
        )
        return variance

    @cached_property
    def confusion(self) -> np.ndarray:
        """As `Target.confusion`: the channels are confused independently."""
        return reduce(np.kron, [self.digit.confusion] * CHANNELS)

    @cached_property
    def inverse_confusion(self) -> np.ndarray:
        """As `Target.inverse_confusion`: the inverse of a Kronecker product is the product of the inverses."""
        return reduce(np.kron, [self.digit.inverse_confusion] * CHANNELS)

    def images(self, rows: np.ndarray) -> np.ndarray:
        """As `Target.images`, in colour."""
        side = self.digit.side
        return enlarge(rows.reshape(-1, CHANNELS, side, side).transpose(0, 2, 3, 1))

    def _channels(self, rows: np.ndarray) -> list[np.ndarray]:
        """`rows` `[n, 3 d]` as three arrays `[n, d]`."""
        return np.split(rows, CHANNELS, axis=1)


def _digits_of(modes: np.ndarray) -> list[np.ndarray]:
    """The digits on red, green and blue of each mode number, `[n]` each."""
    return [modes // 100, modes // 10 % 10, modes % 10]
