"""Ball counts of the samples of a pool on each of many splits, and means of them: `BallCountsOnSplits`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.splits import FAKE, REAL, Splits


@dataclass(frozen=True)
class BallQuery:
    """What is counted: in balls to the k-th nearest of the own side, the sphere belonging to them where `closed`."""

    k: int
    closed: bool
    capped: bool = False
    """Radii at most the median of the reals'; balls of reals alone are looked at, and what they hold of both sides."""
    smallest: bool = False
    """Balls of reals alone are looked at, and the smallest over each fake is kept."""

    @property
    def of_reals(self) -> bool:
        """Whether the balls of fakes do not matter."""
        return self.capped or self.smallest


@dataclass(frozen=True, eq=False)
class BallCountsOnSplits:
    """B splits of N pooled samples; of samples that are absent on a split nothing is meant."""

    side: np.ndarray  # [B, N] uint8
    usable: np.ndarray  # [B] bool, whether both sides have a k-th neighbour and the lists are deep enough
    radius: np.ndarray  # [B, N] float32, squared, in units of `scale`
    in_ball: np.ndarray  # [B, N] int32, of the other side within the ball of each
    balls_over: np.ndarray  # [B, N] int32, balls of the other side over each
    own_over: np.ndarray  # [B, N] int32, balls of the own side's others over each real; where capped
    smallest: np.ndarray  # [B, N] float32, least radius of those balls, inf where there are none; where asked
    scale: np.float64  # not a float, with which float32 would stay float32

    @classmethod
    def empty(cls, splits: Splits, ask: BallQuery, deep_enough: np.ndarray, scale: float) -> Self:
        """Nothing counted yet."""
        side = splits.side.cpu().numpy()
        fewest = np.minimum((side == REAL).sum(1), (side == FAKE).sum(1))
        in_ball, over = np.zeros(side.shape, np.int32), np.zeros(side.shape, np.int32)
        own = np.zeros(side.shape if ask.capped else (0, 0), np.int32)
        smallest = np.full(side.shape if ask.smallest else (0, 0), np.inf, np.float32)
        radius = np.full(side.shape, np.nan, np.float32)
        return cls(side, (fewest > ask.k) & deep_enough, radius, in_ball, over, own, smallest, np.float64(scale))

    def mean(self, values: np.ndarray, side: int) -> Tensor:
        """Mean of `values` `[B, N]` over the samples of `side` on each split `[B]`, NaN where it is not usable."""
        return self.settled(mean_on_splits(self.side, values, side))

    def settled(self, values: np.ndarray) -> Tensor:
        """`values` `[B]` as metrics return them: NaN on splits that are not usable."""
        return torch.from_numpy(np.where(self.usable, values, np.nan))


def middle_values(values: np.ndarray) -> tuple[np.float32, np.float32]:
    """The two middle ones of `values` `[n]`; of an odd number, the same one twice."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    ordered = np.partition(values, (low, high))
    return ordered[low], ordered[high]


def mean_on_splits(sides: np.ndarray, values: np.ndarray, side: int) -> np.ndarray:
    """Mean of `values` over the samples of `side`, a row of `sides` a split; `[B, N]` both, float64 `[B]`."""
    chosen = sides == side
    means: np.ndarray = np.where(chosen, values, 0).sum(1, dtype=np.float64) / chosen.sum(1).clip(1)
    return means
