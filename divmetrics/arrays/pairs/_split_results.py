"""Ball counts of the samples of a pool on each of many splits, and means of per-sample values over a side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.splits import FAKE, REAL, Splits


@dataclass(frozen=True)
class BallQuery:
    """Which balls are counted on a split: those that reach to the k-th nearest other sample of the same side."""

    k: int
    closed: bool
    """Whether a ball includes the samples at exactly its radius."""
    capped: bool = False
    """Balls of real samples alone, their radii at most the median of those; counted over both sides."""
    smallest: bool = False
    """Balls of real samples alone, of which the smallest that contains each fake sample is kept."""

    @property
    def real_balls_only(self) -> bool:
        """Whether the balls of fake samples are left out."""
        return self.capped or self.smallest


@dataclass(frozen=True, eq=False)
class BallCountsOnSplits:
    """Ball counts on B splits of N pooled samples; entries of samples that a split leaves out have no meaning."""

    side: np.ndarray  # [B, N] uint8, the splits: ABSENT, REAL or FAKE
    usable: np.ndarray  # [B] bool, whether both sides have a k-th neighbour and the lists are deep enough
    radius: np.ndarray  # [B, N] float32, squared radius of the ball of each sample, in units of `scale`
    in_ball: np.ndarray  # [B, N] int32, samples of the other side in the ball of each
    balls_over: np.ndarray  # [B, N] int32, balls of the other side that contain each
    own_over: np.ndarray  # [B, N] int32, balls of other real samples that contain each real one; where `capped`
    smallest: np.ndarray  # [B, N] float32, least squared radius of the balls over each, inf where none; `smallest`
    scale: np.float64  # not a float, with which float32 would stay float32

    @classmethod
    def empty(cls, splits: Splits, query: BallQuery, deep_enough: np.ndarray, scale: float) -> Self:
        """All counts zero; `deep_enough` `[B]` bool says for which splits the neighbour lists suffice."""
        side = splits.side.cpu().numpy()
        fewest = np.minimum((side == REAL).sum(1), (side == FAKE).sum(1))
        in_ball, over = np.zeros(side.shape, np.int32), np.zeros(side.shape, np.int32)
        own = np.zeros(side.shape if query.capped else (0, 0), np.int32)
        smallest = np.full(side.shape if query.smallest else (0, 0), np.inf, np.float32)
        radius = np.full(side.shape, np.nan, np.float32)
        return cls(side, (fewest > query.k) & deep_enough, radius, in_ball, over, own, smallest, np.float64(scale))

    def mean(self, values: np.ndarray, side: int) -> Tensor:
        """Mean of per-sample values over one side of each split.

        Args:
            values: `[B, N]`, one value a sample and split.
            side: `REAL` or `FAKE`.

        Returns:
            `[B]` float64, NaN on splits that are not usable.
        """
        return self.nan_where_unusable(mean_on_splits(self.side, values, side))

    def nan_where_unusable(self, values: np.ndarray) -> Tensor:
        """`values` `[B]` with NaN on splits that are not usable."""
        return torch.from_numpy(np.where(self.usable, values, np.nan))


def middle_values(values: np.ndarray) -> tuple[np.float32, np.float32]:
    """The two middle order statistics of `values` `[n]`, between which the median lies; equal where n is odd."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    ordered = np.partition(values, (low, high))
    return ordered[low], ordered[high]


def mean_on_splits(sides: np.ndarray, values: np.ndarray, side: int) -> np.ndarray:
    """Mean of per-sample values over one side of each split.

    Args:
        sides: `[B, N]` uint8, the splits: ABSENT, REAL or FAKE.
        values: `[B, N]`, one value a sample and split.
        side: `REAL` or `FAKE`.

    Returns:
        `[B]` float64, 0 where the side is empty.
    """
    chosen = sides == side
    means: np.ndarray = np.where(chosen, values, 0).sum(1, dtype=np.float64) / chosen.sum(1).clip(1)
    return means
