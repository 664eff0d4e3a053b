"""PRD: the published curve, which side is which, options, splits."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from divmetrics.arrays.splits import FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
from divmetrics.metrics.clusters import _prd_curve as prd
from divmetrics.metrics.clusters._prd_curve import best_f, curve
from divmetrics.records.metric import METRICS

F8, F1_8 = METRICS["prd_f8"], METRICS["prd_f1_8"]


def mixture(modes: int, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = 20 * np.random.default_rng(9).normal(size=(10, 4))
    return centres[rng.integers(0, modes, n)] + rng.normal(size=(n, 4))


# reference-values.md: [.5, .5] against [1, 0], 11 angles
def test_the_published_curve() -> None:
    precision, recall = curve(np.array([1.0, 0.0]), np.array([0.5, 0.5]), 11)
    assert (precision[5], recall[5]) == (pytest.approx(0.5), pytest.approx(0.5))
    assert recall[1] == pytest.approx(1)


@pytest.mark.parametrize(("real", "fake", "middle"), [([1, 0], [0, 1], 0), ([0.3, 0.7], [0.3, 0.7], 1)])
def test_disjoint_and_identical(real: list[float], fake: list[float], middle: float) -> None:
    precision, recall = curve(np.array(real, float), np.array(fake, float), 1001)
    assert (precision[500], recall[500]) == (pytest.approx(middle), pytest.approx(middle))
    assert best_f(precision, recall, 8) == pytest.approx(middle)


@pytest.mark.parametrize(("beta", "expected"), [(8, 65 * 0.4 / (64 * 0.5 + 0.8)), (1 / 8, 65 * 0.4 / (0.5 + 64 * 0.8))])
def test_the_f_score_by_hand(beta: float, expected: float) -> None:
    precision, recall = np.array([[0.0, 0.5, 0.1]]), np.array([[0.0, 0.8, 0.1]])
    assert best_f(precision, recall, beta) == pytest.approx([expected])


def test_swapping_the_sides_swaps_precision_and_recall() -> None:
    pool = TwoSamplePool(Rows.from_array(mixture(10, 150, 0)), Rows.from_array(mixture(7, 150, 1)))
    swapped = Splits(torch.tensor([FAKE] * 150 + [REAL] * 150, dtype=torch.uint8)[None])
    assert float(F8.uncertainty.resample(pool, swapped, **F8.resolve({}))[0]) == pytest.approx(
        F1_8(pool.real, pool.fake)
    )
    assert F8(pool.real, pool.fake) != pytest.approx(F1_8(pool.real, pool.fake), abs=0.05)


def test_the_variance_adds_that_of_the_clusterings(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = TwoSamplePool(Rows.from_array(mixture(10, 150, 0)), Rows.from_array(mixture(7, 150, 1)))
    monkeypatch.setattr(prd, "disjoint_halves_variance", lambda *_: 1e-5)
    single = [F8(pool.real, pool.fake, runs=1, seed=seed) for seed in (5, 6, 7)]
    found = F8.uncertainty.variance(pool, **F8.resolve({"runs": 3, "seed": 5}))
    assert found == pytest.approx(1e-5 + np.var(single, ddof=1) / 3, rel=1e-9)
    assert F8.uncertainty.variance(pool, **F8.resolve({"runs": 1})) == 1e-5


def test_dropped_modes_cost_recall_and_invented_ones_precision() -> None:
    whole, half = mixture(10, 600, 0), mixture(5, 600, 1)
    assert F8(whole, half) < 0.75
    assert F1_8(whole, half) > 0.9
    assert F8(half, whole) > 0.9
    assert F1_8(half, whole) < 0.75


def test_samples_that_are_alike_are_near_one() -> None:
    digits = load_digits().data
    order = np.random.default_rng(0).permutation(len(digits))
    for metric in (F8, F1_8):
        assert 0.9 < metric(digits[order[:800]], digits[order[800:1600]]) < 1


def test_each_option_moves_the_value() -> None:
    real, fake = mixture(10, 200, 0), mixture(8, 200, 1)
    usual = F8(real, fake)
    for options in ({"clusters": 5}, {"runs": 1}, {"angles": 5}, {"seed": 3}):
        assert F8(real, fake, **options) != usual


def test_extras_hold_the_curve() -> None:
    found = F8.measure(mixture(10, 200, 0), mixture(8, 200, 1))
    assert len(found.extras["precision"]) == len(found.extras["recall"]) == 101
    assert found.extras["precision"] == sorted(found.extras["precision"])


def test_few_and_equal_samples() -> None:
    assert F8(np.ones((4, 2)), np.ones((4, 2))) == pytest.approx(1)
    assert F8(np.ones((4, 2)), np.zeros((4, 2))) == pytest.approx(0)


@pytest.mark.parametrize("options", [{"clusters": 0}, {"runs": 0}, {"angles": 2}])
def test_impossible_options(options: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        F8(mixture(2, 30, 0), mixture(2, 30, 1), **options)


def test_halves_find_the_spread_over_fresh_draws() -> None:
    options = F8.resolve({"runs": 2, "angles": 101})
    draws = [(mixture(10, 300, 2 * i), mixture(8, 300, 2 * i + 1)) for i in range(40)]
    spread = np.std([F8(*draw, **options) for draw in draws], ddof=1)
    pools = [TwoSamplePool(*(Rows.from_array(side) for side in draw)) for draw in draws[:10]]
    found = [F8.uncertainty.resample(pool, Splits.halves(300, 300, 50, 0), **options).std(ddof=1) for pool in pools]
    assert 0.75 < np.mean(found) / spread < 1.3
