"""Overlapping Gaussian modes: the target on which guidance narrows the classes visibly."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from divmetrics.zoo.targets._base import REAL_SHARE, TRAINING_SEED, Target
from divmetrics.zoo.targets._mixtures import Mixture

CALIBRATION = 100_000
"""Samples that measure reach, confusion and variances."""


@dataclass(frozen=True, eq=False)
class Overlapping(Target):
    """A Gaussian `mixture` whose modes overlap: the most likely mode of a sample may differ from the one it came from.

    Confusion, reach and variance within modes are measured on 100,000 samples.
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

    def draw_outside(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """As `Target.draw_outside`."""
        return self.mixture.draw_outside(n, rng)

    def nearest_modes(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Target.nearest_modes`: the most likely mode and the distance to its centre."""
        modes, distance = self._most_likely(rows)
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
    def within_variance(self) -> np.ndarray:
        """As `Target.within_variance`, about the mean of the samples assigned to a mode."""
        return self._measured[2]

    def _most_likely(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(most likely mode `[n]`, Euclidean distance to its mean `[n]`)."""
        modes = self.logits(rows).argmax(1)
        return modes, np.linalg.norm(rows.astype(np.float64) - self.mixture.means[modes], axis=1)

    @cached_property
    def _measured(self) -> tuple[float, np.ndarray, np.ndarray]:
        """(radius that holds 98.89 % of real samples, confusion `[K, K]`, mean squared distance within `[K]`)."""
        rows, true = self.sample(CALIBRATION, np.random.default_rng(TRAINING_SEED + 5))
        found, distance = self._most_likely(rows)
        radius = float(np.quantile(distance, REAL_SHARE))
        confusion = np.zeros((self.modes, self.modes))
        np.add.at(confusion, (true, found), 1)
        inside = distance <= radius
        within_variance = [rows[inside & (found == mode)].var(0, dtype=np.float64).sum() for mode in range(self.modes)]
        return radius, confusion / confusion.sum(1, keepdims=True), np.array(within_variance)
