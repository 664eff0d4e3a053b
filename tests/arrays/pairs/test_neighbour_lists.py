"""Depth of neighbour lists."""

import pytest
import torch
from scipy.stats import binom

from divmetrics.arrays.pairs import needed_depths, neighbour_lists
from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows


def pool_of(n: int) -> TwoSamplePool:
    generator = torch.Generator().manual_seed(0)
    return TwoSamplePool(*(Rows.from_array(torch.randn(n, 3, generator=generator)) for _ in range(2)))


@pytest.mark.parametrize("k", [1, 3, 10])
def test_lists_are_just_as_deep_as_one_in_a_million_demands(k: int) -> None:
    (depth,) = needed_depths(pool_of(200), Splits.halves(200, 200, 1, 0), k).tolist()
    assert binom.cdf(k - 1, depth, 0.5) < 1e-6 <= binom.cdf(k - 1, depth - 1, 0.5)


def test_lists_are_computed_again_for_a_greater_depth_only() -> None:
    pool = pool_of(200)
    first = neighbour_lists(pool, 60)
    assert neighbour_lists(pool, 60) is first
    assert neighbour_lists(pool, 10) is first
    deeper = neighbour_lists(pool, 61)
    assert (first.depth, deeper.depth) == (60, 61)
    assert neighbour_lists(pool, 500) is neighbour_lists(pool, 300)  # there are 200 of each side
