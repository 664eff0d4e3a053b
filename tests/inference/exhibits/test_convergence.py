"""Convergence: the sizes of subsets, the law of their spread, what is said of it."""

import math

import pytest
import torch

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.exhibits.convergence import Level, convergence, enough, subsets_of
from divmetrics.records.metric import METRICS


def rows(n: int, seed: int, d: int = 2) -> Rows:
    return Rows.from_array(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)))


def test_subsets_are_disjoint_and_in_proportion() -> None:
    groups = subsets_of(rows(400, 0), rows(800, 1), seed=0)
    assert [group.part for group in groups] == [8, 4, 2]
    for group in groups:
        assert len(group.pairs) == group.part
        for real, fake in group.pairs:
            assert (real.n, fake.n) == (400 // group.part, 800 // group.part)
        numbers = torch.cat([fake.index for _, fake in group.pairs])
        assert len(numbers.unique()) == len(numbers)


def test_many_and_few_samples() -> None:
    assert [group.part for group in subsets_of(rows(49, 0), rows(900, 1), 0)] == []
    assert [group.part for group in subsets_of(rows(60, 0), rows(60, 1), 0)] == [2]
    many = subsets_of(rows(20_000, 0, 1), rows(20_000, 1, 1), 0)
    assert [(group.part, len(group.pairs)) for group in many] == [(32, 8), (16, 8), (8, 8)]


def test_intervals_shrink_with_the_root_of_the_number_of_samples() -> None:
    real, fake = rows(800, 0), rows(800, 1)
    levels = convergence(METRICS["fid"], {}, subsets_of(real, fake, 0), n=800, value=0.01, ci=(0.0, 0.02))
    assert [level.n for level in levels] == [100, 200, 400, 800]
    assert (levels[-1].low, levels[-1].value, levels[-1].high) == (0.0, 0.01, 0.02)
    widths = [level.high - level.value for level in levels[:3] if level.high is not None]
    assert widths[0] / widths[2] == pytest.approx(2)
    assert all(level.low is not None and level.low >= 0 for level in levels)  # no squared distance is negative
    assert levels[0].value > levels[1].value > levels[2].value  # bias in 1 / n
    assert not any(math.isnan(level.value) for level in levels)


def test_what_cannot_be_computed_on_subsets_is_left_out() -> None:
    real, fake = rows(60, 0), rows(60, 1)
    levels = convergence(METRICS["recall"], {"k": 40}, subsets_of(real, fake, 0), n=60, value=1.0, ci=None)
    assert levels == [Level(60, 1.0, None, None)]


def test_enough_compares_the_last_step_with_the_interval() -> None:
    few = [Level(50, 3.0, None, None), Level(100, 2.0, 1.9, 2.1)]
    assert "go on changing" in enough(few, str)
    assert "enough samples" in enough([few[0], Level(100, 2.0, 0.5, 3.5)], str)
    assert enough([few[0], Level(100, 2.0, None, None)], str).endswith("changes by -1.0.")
    assert enough(few[1:], str) == ""
