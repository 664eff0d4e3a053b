"""Means over a side of each split, and which splits are usable."""

import numpy as np
import pytest
import torch

from divmetrics.arrays.pairs import BallCountsOnSplits, mean_on_splits
from divmetrics.arrays.pairs._split_results import BallQuery, middle_values
from divmetrics.arrays.splits import ABSENT, FAKE, REAL, Splits

SIDE = np.array([[REAL, REAL, FAKE, FAKE, FAKE], [REAL, ABSENT, FAKE, FAKE, FAKE], [ABSENT, ABSENT, FAKE, FAKE, FAKE]])


def test_means_over_a_side() -> None:
    values = np.arange(15.0).reshape(3, 5)
    assert mean_on_splits(SIDE, values, REAL).tolist() == [0.5, 5, 0]
    assert mean_on_splits(SIDE, values, FAKE).tolist() == [3, 8, 13]
    assert mean_on_splits(SIDE, values > 2, FAKE).tolist() == [pytest.approx(2 / 3), 1, 1]


@pytest.mark.parametrize(("k", "usable"), [(1, [True, False, False]), (2, [False, False, False])])
def test_a_split_is_usable_where_both_sides_have_a_kth_neighbour(k: int, usable: list[bool]) -> None:
    splits = Splits(torch.from_numpy(SIDE.astype(np.uint8)))
    counts = BallCountsOnSplits.empty(splits, BallQuery(k, closed=False), np.ones(3, bool), 2.0)
    assert counts.usable.tolist() == usable
    assert counts.mean(lambda part: np.ones(part.side.shape), FAKE).isnan().tolist() == [not one for one in usable]
    shallow = BallCountsOnSplits.empty(splits, BallQuery(1, closed=False), np.array([False, True, True]), 2.0)
    assert not shallow.usable.any()


def test_middle_values() -> None:
    assert middle_values(np.float32([4, 1, 3])) == (3, 3)
    assert middle_values(np.float32([4, 1, 3, 2])) == (2, 3)
    assert middle_values(np.float32([7])) == (7, 7)
