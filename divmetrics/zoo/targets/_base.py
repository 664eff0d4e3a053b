"""`Target`: a distribution with K known modes, that can be drawn from mode by mode and that knows its own samples."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

REAL_SHARE = 0.9889
"""Share of real samples within the reach of their mode: 1 - exp(-9/2), the classic three sigmas in two dimensions."""
TRAINING_SEED = 2**31
"""Seed of the training sets, which no user's seed reaches by counting up."""


class Target(ABC):
    """A distribution over rows `[d]` float32 with `K` modes of known `weights`. Rows of image targets are in [0, 1]."""

    name: str
    text: str
    """One line: parameters and where they come from."""
    weights: np.ndarray
    """`[K]` float64, the share of each mode; their sum is 1."""
    d: int

    @property
    def modes(self) -> int:
        """K."""
        return len(self.weights)

    @abstractmethod
    def draw(self, modes: np.ndarray, rng: np.random.Generator, spread: float = 1.0) -> np.ndarray:
        """One sample for each mode number in `modes` `[n]`: rows `[n, d]` float32.

        `spread` is the standard deviation within modes as a multiple of the true one: at 0 all are their mode's centre.
        """

    @abstractmethod
    def outsiders(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """`n` samples of modes that the target has not: rows `[n, d]` float32."""

    @abstractmethod
    def place(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(nearest mode `[n]` int64, distance `[n]` float64 in units of the reach that holds 98.89 % of reals)."""

    @abstractmethod
    def logits(self, rows: np.ndarray) -> np.ndarray:
        """Log-likelihood of each mode, up to a constant a row: `[n, K]` float32."""

    @abstractmethod
    def centres(self) -> np.ndarray:
        """Mean of each mode: `[K, d]` float32."""

    @property
    def confusion(self) -> np.ndarray | None:
        """P(mode that `place` finds | true mode), `[K, K]`, rows summing to 1; None where it is exact."""
        return None

    @property
    def unconfused(self) -> np.ndarray:
        """Inverse of `confusion`: found shares times it are true shares. The identity where nothing is confused."""
        return np.eye(self.modes) if self.confusion is None else np.linalg.inv(self.confusion)

    def images(self, rows: np.ndarray) -> np.ndarray | None:  # noqa: ARG002
        """The rows as images, uint8 `[n, h, w, 3]`; None where the target is no image."""
        return None

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """`n` samples of the target itself: (rows `[n, d]` float32, mode of each `[n]` int64)."""
        modes = rng.choice(self.modes, n, p=self.weights)
        return self.draw(modes, rng), modes

    def training_set(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """What the trained models of the zoo learn from: `n` rows and their modes, the same at every call."""
        return self.sample(n, np.random.default_rng(TRAINING_SEED))

    @property
    @abstractmethod
    def variation(self) -> np.ndarray:
        """Mean squared distance of real samples within reach to the centre of their mode, `[K]` float64."""
