"""Pools and their splits."""

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from divmetrics.arrays.splits import ABSENT, FAKE, REAL, OneSamplePool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Labelled, Rows

sizes = st.integers(2, 30)


def rows(n: int, start: float = 0.0) -> Rows:
    return Rows.from_array(np.arange(start, start + n)[:, None])


@settings(deadline=None, derandomize=True)
@given(sizes, sizes, st.integers(1, 5), st.integers(0, 3))
def test_halves_take_half_of_each_side(n: int, m: int, count: int, seed: int) -> None:
    splits = Splits.halves(n, m, count, seed)
    assert len(splits) == count
    for b in range(count):
        assert len(splits.real(b)) == n // 2
        assert len(splits.fake(b)) == m // 2
        assert all(splits.real(b) < n)
        assert all(splits.fake(b) >= n)


@settings(deadline=None, derandomize=True)
@given(sizes, sizes, st.integers(1, 5), st.integers(0, 3))
def test_permutations_deal_all_samples_out(n: int, m: int, count: int, seed: int) -> None:
    side = Splits.permutations(n, m, count, seed).side
    assert ((side == REAL).sum(1) == n).all()
    assert ((side == FAKE).sum(1) == m).all()
    assert not (side == ABSENT).any()


def test_the_seed_decides() -> None:
    first, same, other = (Splits.permutations(20, 20, 3, seed).side for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_parts_of_a_pool() -> None:
    pool = TwoSamplePool(rows(4), rows(3, start=10))
    assert pool.part(torch.tensor([5, 0, 3])).features[:, 0].tolist() == [0, 3, 11]
    assert pool.part(torch.tensor([6])).features[:, 0].tolist() == [12]
    assert OneSamplePool(rows(3)).part(torch.tensor([1, 2])).features[:, 0].tolist() == [1, 2]


def test_parts_are_taken_from_each_side_without_a_joined_copy() -> None:
    pool = TwoSamplePool(*(replace(rows(n), content=torch.arange(n) * 3) for n in (4, 3)))
    places = torch.tensor([6, 1, 4])
    found = pool.part(places)
    assert "whole" not in vars(pool)
    expected = pool.whole.take(places)
    assert all(torch.equal(getattr(found, name), getattr(expected, name)) for name in vars(expected))
    assert torch.equal(pool.features(), pool.whole.features)
    assert pool.content is not None
    assert pool.whole.content is not None
    assert torch.equal(pool.content, pool.whole.content)
    assert TwoSamplePool(rows(4), pool.fake).content is None
    assert TwoSamplePool(rows(4), pool.fake).part(places).content is None


def test_parts_keep_their_classes() -> None:
    real, fake = (Labelled.from_array((np.zeros((3, 2)), labels)) for labels in ([0, 1, 2], [2, 1, 0]))
    part = TwoSamplePool(real, fake).part(torch.tensor([1, 3, 5]))
    assert isinstance(part, Labelled)
    assert part.labels.tolist() == [1, 2, 0]


def test_class_numbers_are_a_pool_too() -> None:
    pool = TwoSamplePool(*(Rows(torch.tensor(labels), torch.arange(3)) for labels in ([0, 0, 1], [2, 2, 2])))
    assert pool.part(torch.tensor([2, 4])).features.tolist() == [1, 2]


def test_splits_are_joined_in_their_order() -> None:
    halves, permutations = Splits.halves(4, 4, 2, 0), Splits.permutations(4, 4, 3, 0)
    joined = Splits.of([halves, permutations])
    assert len(joined) == 5
    assert torch.equal(joined.first(2).side, halves.side)
    assert torch.equal(joined.side[2:], permutations.side)
