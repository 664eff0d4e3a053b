"""Modes that overlap: the one target on which guidance and sharpening can be seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from divmetrics.zoo.targets._base import REAL_SHARE, TRAINING_SEED, Target
from divmetrics.zoo.targets._mixtures import Mixture

CALIBRATION = 100_000


@dataclass(frozen=True, eq=False)
class Overlapping(Target):
    """A `mixture` whose modes overlap, so that a sample's mode is the likeliest one, and may be another than its own.

    Confusion, reach and spread within modes are measured on 100,000 samples.
    """

    name: str
    text: str
    mixture: Mixture = field(repr=False)

    @property
    def weights(self) -> np.ndarray:  # type: ignore[override]  # follows from the mixture
        """Shares of the modes."""
        return self.mixture.weights

    @property
    def d(self) -> int:  # type: ignore[override]  # follows from the mixture
        """Width of a row."""
        return self.mixture.d

    def draw(self, modes: np.ndarray, rng: np.random.Generator, spread: float = 1.0) -> np.ndarray:
        """As `Target.draw`."""
        return self.mixture.draw(modes, rng, spread)

    def outsiders(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """As `Target.outsiders`."""
        return self.mixture.outsiders(n, rng)

    def place(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Target.place`: the likeliest mode, the distance to its centre."""
        modes, distance = self._likeliest(rows)
        return modes, distance / self._measured[0]

    def logits(self, rows: np.ndarray) -> np.ndarray:
        """As `Target.logits`."""
        return self.mixture.logits(rows)

    def centres(self) -> np.ndarray:
        """As `Target.centres`."""
        return self.mixture.centres()

    @property
    def confusion(self) -> np.ndarray:
        """As `Target.confusion`."""
        return self._measured[1]

    @property
    def variation(self) -> np.ndarray:
        """As `Target.variation`, around the mean of what is found in a mode, which is not its centre."""
        return self._measured[2]

    def _likeliest(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        modes = self.logits(rows).argmax(1)
        return modes, np.linalg.norm(rows.astype(np.float64) - self.mixture.means[modes], axis=1)

    @cached_property
    def _measured(self) -> tuple[float, np.ndarray, np.ndarray]:
        """(radius that holds 98.89 % of real samples, confusion `[K, K]`, mean squared distance within `[K]`)."""
        rows, true = self.sample(CALIBRATION, np.random.default_rng(TRAINING_SEED + 5))
        found, distance = self._likeliest(rows)
        radius = float(np.quantile(distance, REAL_SHARE))
        confusion = np.zeros((self.modes, self.modes))
        np.add.at(confusion, (true, found), 1)
        inside = distance <= radius
        variation = [rows[inside & (found == mode)].var(0, dtype=np.float64).sum() for mode in range(self.modes)]
        return radius, confusion / confusion.sum(1, keepdims=True), np.array(variation)
