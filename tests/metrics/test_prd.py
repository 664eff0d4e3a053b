"""PRD: the published curve, which side is which, options, splits."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
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
