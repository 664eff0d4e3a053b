"""Ball counts of the samples of a pool on each of many splits, and means of per-sample values over a side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from divmetrics.arrays.splits import FAKE, REAL, Splits

PORTION = 2**22
"""Splits times samples whose per-sample values are in memory at once."""


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
    in_ball: np.ndarray  # [B, N] uint16 or uint32, samples of the other side in the ball of each
    balls_over: np.ndarray  # [B, N] the same, balls of the other side that contain each
    own_over: np.ndarray  # [B, N] the same, balls of other real samples that contain each real one; where `capped`
    smallest: np.ndarray  # [B, N] float32, least squared radius of the balls over each, inf where none; `smallest`
    scale: np.float64  # not a float, with which float32 would stay float32

    @classmethod
    def empty(cls, splits: Splits, query: BallQuery, deep_enough: np.ndarray, scale: float) -> Self:
        """All counts zero; `deep_enough` `[B]` bool says for which splits the neighbour lists suffice."""
        side = splits.side.cpu().numpy()
        sizes = np.stack([(side == REAL).sum(1), (side == FAKE).sum(1)])
        fewest, dtype = sizes.min(0), np.min_scalar_type(max(256, query.k, int(sizes.max(initial=0))))
        in_ball, over = np.zeros(side.shape, dtype), np.zeros(side.shape, dtype)
        own = np.zeros(side.shape if query.capped else (len(side), 0), dtype)
        smallest = np.full(side.shape if query.smallest else (len(side), 0), np.inf, np.float32)
        radius = np.full(side.shape, np.nan, np.float32)
        return cls(side, (fewest > query.k) & deep_enough, radius, in_ball, over, own, smallest, np.float64(scale))

    def portions(self) -> Iterator[BallCountsOnSplits]:
        """The counts on a few splits at a time, so that what is computed from them is never larger than `PORTION`."""
        step = max(1, PORTION // max(1, self.side.shape[1]))
        columns = {name: value for name, value in vars(self).items() if name != "scale"}
        for start in range(0, len(self.side), step):
            yield replace(self, **{name: value[start : start + step] for name, value in columns.items()})

    def mean(self, values: Callable[[BallCountsOnSplits], np.ndarray], side: int) -> Tensor:
        """Mean of per-sample values over one side of each split.

        Args:
            values: Counts on b of the splits -> `[b, N]`, one value a sample and split.
            side: `REAL` or `FAKE`.

        Returns:
            `[B]` float64, NaN on splits that are not usable.
        """
        means = [mean_on_splits(part.side, values(part), side) for part in self.portions()]
        return self.nan_where_unusable(np.concatenate(means))

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
