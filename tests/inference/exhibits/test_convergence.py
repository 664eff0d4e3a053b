"""Convergence: the sizes of subsets, the law of their spread, what is said of it."""

import math

import pytest
import torch

from divmetrics.arrays.pairs import neighbour_lists
from divmetrics.arrays.splits import TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.inference.exhibits.convergence import Level, convergence, enough, on_subsets, subsets_of
from divmetrics.inference.on_rows import value_on_rows
from divmetrics.records.metric import METRICS


def rows(n: int, seed: int, d: int = 2) -> Rows:
    return Rows.from_array(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)))


def pool(n: int, m: int, d: int = 2) -> TwoSamplePool:
    return TwoSamplePool(rows(n, 0, d), rows(m, 1, d))


def test_subsets_are_disjoint_and_in_proportion() -> None:
    groups = subsets_of(pool(403, 800), seed=0)
    assert [group.part for group in groups] == [8, 4, 2]
    for group in groups:
        assert len(group.splits) == group.part
        for b in range(group.part):
            real, fake = group.splits.real(b), group.splits.fake(b)
            assert (len(real), len(fake)) == (403 // group.part, 800 // group.part)
            assert int(real.max()) < 403 <= int(fake.min())
        assert int((group.splits.side > 0).sum(0).max()) == 1


@pytest.mark.parametrize("d", [3, 130])
def test_values_on_subsets_are_those_of_the_same_samples_as_sets_of_their_own(d: int) -> None:
    samples = TwoSamplePool(rows(240, 0, d), Rows.from_array(0.8 * rows(240, 1, d).features))
    neighbour_lists(samples, 48)  # as intervals leave them
    names = ("fid", "precision", "recall", "density", "coverage", "clipped_coverage", "spacing_ratio")
    asked = [(METRICS[name], METRICS[name].resolve({})) for name in names]
    for group in subsets_of(samples, 0):
        found = on_subsets(asked, samples, group)
        for (metric, options), values in zip(asked, found, strict=True):
            parts = [
                (samples.part(group.splits.real(b)), samples.part(group.splits.fake(b))) for b in range(group.part)
            ]
            own = [value_on_rows(metric, options, {"real": real, "fake": fake}) for real, fake in parts]
            assert values == pytest.approx(own, rel=1e-5, abs=1e-6), (metric.name, group.part)


def test_many_and_few_samples() -> None:
    assert [group.part for group in subsets_of(pool(49, 900), 0)] == []
    assert [group.part for group in subsets_of(pool(60, 60), 0)] == [2]
    many = subsets_of(pool(20_000, 20_000, 1), 0)
    assert [(group.part, len(group.splits)) for group in many] == [(32, 8), (16, 8), (8, 8)]


def levels_of(name: str, options: dict, samples: TwoSamplePool, value: float, ci: tuple | None) -> list[Level]:
    metric = METRICS[name]
    found = [(group.part, on_subsets([(metric, options)], samples, group)[0]) for group in subsets_of(samples, 0)]
    return convergence(metric, found, n=samples.m, value=value, ci=ci)


def test_intervals_shrink_with_the_root_of_the_number_of_samples() -> None:
    levels = levels_of("fid", {}, pool(800, 800), 0.01, (0.0, 0.02))
    assert [level.n for level in levels] == [100, 200, 400, 800]
    assert (levels[-1].low, levels[-1].value, levels[-1].high) == (0.0, 0.01, 0.02)
    widths = [level.high - level.value for level in levels[:3] if level.high is not None]
    assert widths[0] / widths[2] == pytest.approx(2)
    assert all(level.low is not None and level.low >= 0 for level in levels)  # no squared distance is negative
    assert levels[0].value > levels[1].value > levels[2].value  # bias in 1 / n
    assert not any(math.isnan(level.value) for level in levels)


def test_what_cannot_be_computed_on_subsets_is_left_out() -> None:
    levels = levels_of("recall", {"k": 40}, pool(60, 60), 1.0, None)
    assert levels == [Level(60, 1.0, None, None)]


def test_enough_compares_the_last_step_with_the_interval() -> None:
    few = [Level(50, 3.0, None, None), Level(100, 2.0, 1.9, 2.1)]
    assert "go on changing" in enough(few, str)
    assert "enough samples" in enough([few[0], Level(100, 2.0, 0.5, 3.5)], str)
    assert enough([few[0], Level(100, 2.0, None, None)], str).endswith("changes by -1.0.")
    assert enough(few[1:], str) == ""
