"""Renyi kernel entropy, of one set and as a ratio: closed forms, the 25-mode grid, bandwidths, intervals, splits."""

from typing import Any

import numpy as np
import pytest
import torch

from divmetrics.arrays.splits import FAKE, REAL, OneSamplePool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, UsageError
from divmetrics.records.metric import METRICS
from divmetrics.scoring.score import score

rke, ratio = METRICS["rke"], METRICS["rke_ratio"]


def grid(modes: int = 25, n: int = 1250, seed: int = 0, sd: float = 0.05) -> np.ndarray:
    """The grid of VEEGAN: means {-4, -2, 0, 2, 4} squared, standard deviation .05; its first `modes` modes."""
    rng = np.random.RandomState(seed)
    means = np.array([(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)])
    return means[np.arange(n) % modes] + sd * rng.randn(n, 2)


def formula(rows: np.ndarray, sigma: float) -> float:
    squared = np.square(rows[:, None] - rows).sum(2)
    return 1 / np.square(np.exp(-squared / (2 * sigma**2))).mean()


# field notes, section 3.4: bandwidth, modes -> RKE
@pytest.mark.parametrize(
    ("sigma", "modes", "expected"),
    [(0.05, 25, 112), (0.2, 25, 30), (0.5, 25, 25.4), (1, 25, 23.3), (0.5, 5, 5.1), (0.5, 1, 1.04)],
)
def test_values_on_the_grid(sigma: float, modes: int, expected: float) -> None:
    assert rke(grid(modes, 1000), sigma=sigma) == pytest.approx(expected, rel=0.05)


def test_the_formula_and_orthogonal_extremes() -> None:
    rows = grid(7, 60, sd=0.3)
    assert rke(rows, sigma=0.7) == pytest.approx(formula(rows, 0.7), rel=1e-12)
    assert rke(100 * np.eye(9), sigma=1.0) == pytest.approx(9)
    assert rke(np.ones((9, 3))) == pytest.approx(1)
    weights = np.repeat(100 * np.eye(3), [60, 30, 10], axis=0)
    assert rke(weights, sigma=1.0) == pytest.approx(1 / (0.36 + 0.09 + 0.01))


def test_default_bandwidth_is_half_the_root_mean_square_distance() -> None:
    rows = grid(25, 200)
    squared = np.square(rows[:, None] - rows).sum(2)
    found = rke.measure(rows)
    assert found.extras["sigma"] == pytest.approx(np.sqrt(squared.mean()) / 2)
    assert found.value == pytest.approx(formula(rows, found.extras["sigma"]))
    assert rke(rows, sigma=0.5) != found.value


def test_dropped_modes_and_imbalance_lower_both() -> None:
    real = grid(25, 500, seed=1)
    values = [(rke(grid(kept, 500), sigma=0.5), ratio(real, grid(kept, 500))) for kept in (25, 15, 5, 1)]
    assert values == sorted(values, reverse=True)
    assert ratio(real, grid(5, 500), sigma=0.5) == pytest.approx(0.2, rel=0.05)
    assert sorted({v[1] for v in values}, reverse=True) == [v[1] for v in values]


def test_ratio_is_of_the_two_at_the_bandwidth_of_the_reals() -> None:
    real, fake = grid(25, 100), grid(5, 80)
    found = ratio.measure(real, fake)
    sigma = rke.measure(real).extras["sigma"]
    assert found.extras == pytest.approx({"real": rke(real), "fake": rke(fake, sigma=sigma), "sigma": sigma})
    assert found.value == pytest.approx(rke(fake, sigma=sigma) / rke(real))
    assert ratio(real, fake, sigma=0.5) != found.value


def test_a_shrunken_set_fools_the_one_and_not_the_other() -> None:
    real, fake = np.random.RandomState(0).randn(2, 300, 8)
    assert rke(0.1 * fake) == pytest.approx(rke(fake))
    assert ratio(real, 0.1 * fake) < 0.2


def test_splits_are_the_metric_on_their_rows() -> None:
    real, fake = np.random.RandomState(0).randn(2, 60, 8)
    pool = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake[:40]))
    sigma = ratio.measure(real, fake[:40]).extras["sigma"]
    identity = Splits(torch.tensor([[REAL] * 60 + [FAKE] * 40], dtype=torch.uint8))
    splits = Splits.of([identity, Splits.halves(60, 40, 2, 0), Splits.permutations(60, 40, 2, 0)])
    expected = [ratio(pool.part(splits.real(b)), pool.part(splits.fake(b)), sigma=sigma) for b in range(len(splits))]
    assert ratio.uncertainty.resample(pool, splits, sigma=None).tolist() == pytest.approx(expected, rel=1e-9)


def estimated(name: str, seed: int, **given: Any) -> tuple[float, float]:
    rng = np.random.RandomState(seed)
    real, fake = rng.randn(150, 6), rng.randn(150, 6) * np.where(rng.rand(150, 1) < 0.3, 0.2, 1)
    metric = METRICS[name]
    pool = OneSamplePool(Rows.from_array(fake))
    if name != "rke":
        pool = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))
    value = metric(fake, **given) if name == "rke" else metric(real, fake, **given)
    return value, metric.uncertainty.variance(pool, **metric.resolve(given)) ** 0.5


@pytest.mark.parametrize("given", [{}, {"sigma": 1.5}], ids=str)
@pytest.mark.parametrize("name", ["rke", "rke_ratio"])
def test_standard_errors(name: str, given: dict[str, Any]) -> None:
    values, errors = np.array([estimated(name, seed, **given) for seed in range(40)]).T
    assert 0.75 < np.sqrt(np.mean(errors**2)) / values.std(ddof=1) < 1.35  # 40 draws know an sd to 11 %


def test_bad_input_is_one_sentence() -> None:
    rows = grid(5, 20)
    with pytest.raises(UsageError, match="sigma=0"):
        rke(rows, sigma=0)
    with pytest.raises(UsageError, match="sigma=-1"):
        ratio(rows, rows, sigma=-1)
    with pytest.raises(FeatureError, match="2 columns on one side and 1"):
        ratio(rows, rows[:, :1])
    few = TwoSamplePool(Rows.from_array(rows[:3]), Rows.from_array(rows[:3]))
    assert rke.uncertainty.variance(OneSamplePool(few.fake), sigma=None) is None
    assert ratio.uncertainty.variance(few, sigma=None) is None


def test_the_reals_beside_it_are_measured_at_the_bandwidth_of_the_fakes() -> None:
    real, fake = grid(25, 300, seed=1), grid(5, 300)
    found = score(real, fake, metrics="rke", ci_level=0)["rke"]
    sigma = found.extras["sigma"]
    assert found.extras["real"] == pytest.approx(rke(real, sigma=sigma))
    assert found.extras["real"] != pytest.approx(rke(real))
