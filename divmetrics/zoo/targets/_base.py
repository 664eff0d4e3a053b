"""`Target`: a distribution with K known modes that can be sampled mode by mode and can classify its samples."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

REAL_SHARE = 0.9889
"""Share of real samples within the reach of their mode: 1 - exp(-9/2), three standard deviations in two dimensions."""
TRAINING_SEED = 2**31
"""Seed of the training sets, beyond the seeds that users give."""


class Target(ABC):
    """A distribution over rows `[d]` float32 with K modes of known `weights`. Rows of image targets are in [0, 1]."""

    name: str
    text: str
    """Parameters and their source, one line."""
    weights: np.ndarray
    """`[K]` float64, the share of each mode; their sum is 1."""
    d: int
    """Dimension of a row."""

    @property
    def modes(self) -> int:
        """Number of modes K."""
        return len(self.weights)

    @abstractmethod
    def draw(self, modes: np.ndarray, rng: np.random.Generator, spread: float = 1.0) -> np.ndarray:
        """Sample from given modes.

        Args:
            modes: Mode number of each sample, `[n]` int.
            rng: Source of randomness.
            spread: Standard deviation within modes in units of the true one; at 0 every sample is its mode's centre.

        Returns:
            Rows `[n, d]` float32.
        """

    @abstractmethod
    def draw_outside(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """`n` samples from modes that the target does not have: rows `[n, d]` float32."""

    @abstractmethod
    def nearest_modes(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Most likely mode of each row and how far the row is from it.

        Args:
            rows: Samples `[n, d]` float32.

        Returns:
            Mode numbers `[n]` int64 and distances `[n]` float64 in units of the reach, which holds 98.89 % of real
            samples: a sample at a distance of at most 1 is of high quality.
        """

    @abstractmethod
    def logits(self, rows: np.ndarray) -> np.ndarray:
        """Log-likelihood of each mode, up to a constant per row: `[n, K]` float32."""

    @abstractmethod
    def centres(self) -> np.ndarray:
        """Mean of each mode: `[K, d]` float32."""

    @property
    def confusion(self) -> np.ndarray | None:
        """P(mode found by `nearest_modes` | true mode), `[K, K]`, rows summing to 1; None where there are no errors."""
        return None

    @property
    def inverse_confusion(self) -> np.ndarray:
        """Inverse of `confusion`: observed shares times it are true shares. The identity where there are no errors."""
        return np.eye(self.modes) if self.confusion is None else np.linalg.inv(self.confusion)

    def images(self, rows: np.ndarray) -> np.ndarray | None:  # noqa: ARG002
        """The rows as images, uint8 `[n, h, w, 3]`; None where samples are not images."""
        return None

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """`n` samples of the target: (rows `[n, d]` float32, mode of each `[n]` int64)."""
        modes = rng.choice(self.modes, n, p=self.weights)
        return self.draw(modes, rng), modes

    def training_set(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Training data of the trained models: `n` rows `[n, d]` and their modes `[n]`, the same at every call."""
        return self.sample(n, np.random.default_rng(TRAINING_SEED))

    @property
    @abstractmethod
    def within_variance(self) -> np.ndarray:
        """Mean squared distance between real samples within reach and the centre of their mode, `[K]` float64."""
