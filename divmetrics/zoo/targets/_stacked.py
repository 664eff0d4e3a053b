"""Three digits as the channels of one image: a thousand modes (Metz 2017, arXiv:1611.02163)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, reduce

import numpy as np

from divmetrics.zoo.targets._base import REAL_SHARE, Target
from divmetrics.zoo.targets._digits import Digits, enlarged
from divmetrics.zoo.targets._mixtures import even

CHANNELS = 3


@dataclass(frozen=True, eq=False)
class Stacked(Target):
    """Independent digits on red, green and blue; mode 100 r + 10 g + b. A row is the channels one after the other."""

    name: str
    text: str
    digit: Digits = field(repr=False)
    weights: np.ndarray = field(default_factory=lambda: even(10**CHANNELS), repr=False)

    @property
    def d(self) -> int:  # type: ignore[override]  # follows from the digits
        """Width of a row."""
        return CHANNELS * self.digit.d

    def draw(self, modes: np.ndarray, rng: np.random.Generator, spread: float = 1.0) -> np.ndarray:
        """As `Target.draw`."""
        return np.concatenate([self.digit.draw(part, rng, spread) for part in _digits_of(modes)], 1)

    def outsiders(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """As `Digits.outsiders`, on all channels."""
        return np.concatenate([self.digit.outsiders(n, rng) for _ in range(CHANNELS)], 1)

    def place(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Target.place`: within reach if each channel is."""
        found = [self.digit.place_within(part, REAL_SHARE ** (1 / CHANNELS)) for part in self._channels(rows)]
        modes = reduce(lambda high, low: 10 * high + low, [mode for mode, _ in found])
        return modes, np.max([distance for _, distance in found], axis=0)

    def logits(self, rows: np.ndarray) -> np.ndarray:
        """As `Target.logits`: the sum over the channels."""
        red, green, blue = (self.digit.logits(part) for part in self._channels(rows))
        summed = red[:, :, None, None] + green[:, None, :, None] + blue[:, None, None]
        found: np.ndarray = summed.reshape(len(rows), -1)
        return found

    def centres(self) -> np.ndarray:
        """As `Target.centres`."""
        parts = _digits_of(np.arange(self.modes))
        return np.concatenate([self.digit.centres()[part] for part in parts], 1)

    @cached_property
    def variation(self) -> np.ndarray:
        """As `Target.variation`: the sum over the channels."""
        found: np.ndarray = np.sum([self.digit.variation[part] for part in _digits_of(np.arange(self.modes))], axis=0)
        return found

    @cached_property
    def confusion(self) -> np.ndarray:
        """As `Target.confusion`: the channels are confused independently."""
        return reduce(np.kron, [self.digit.confusion] * CHANNELS)

    @cached_property
    def unconfused(self) -> np.ndarray:
        """As `Target.unconfused`: the inverse of a Kronecker product is the product of the inverses."""
        return reduce(np.kron, [self.digit.unconfused] * CHANNELS)

    def images(self, rows: np.ndarray) -> np.ndarray:
        """As `Target.images`, in colour."""
        side = self.digit.side
        return enlarged(rows.reshape(-1, CHANNELS, side, side).transpose(0, 2, 3, 1))

    def _channels(self, rows: np.ndarray) -> list[np.ndarray]:
        return np.split(rows, CHANNELS, axis=1)


def _digits_of(modes: np.ndarray) -> list[np.ndarray]:
    return [modes // 100, modes // 10 % 10, modes % 10]
