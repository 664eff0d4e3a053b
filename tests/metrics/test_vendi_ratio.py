"""Vendi ratio: against vendi, the anchored kernel, collapse, interval, splits."""

from math import inf
from typing import Any

import numpy as np
import pytest
import torch

from divmetrics.arrays.splits import FAKE, REAL, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, UsageError
from divmetrics.records.metric import METRICS

ratio, vendi = METRICS["vendi_ratio"], METRICS["vendi"]
TaskInputs = tuple[np.ndarray, np.ndarray]


def modes(kept: int, n: int = 300, d: int = 16, seed: int = 0, shrink: float = 1.0, offset: float = 5.0) -> np.ndarray:
    """Ten modes of which `kept` are drawn, far from zero as features of networks are."""
    centres = np.random.RandomState(99).randn(10, d)
    rng = np.random.RandomState(seed)
    return offset + shrink * (centres[rng.randint(kept, size=n)] + 0.3 * rng.randn(n, d))


def lifted(real: np.ndarray, fake: np.ndarray) -> TaskInputs:
    """The anchored kernel as rows of which vendi takes the cosine."""
    scale = np.sqrt(np.square(real - real.mean(0)).sum(1).mean())
    return tuple(np.pad((rows - real.mean(0)) / scale, ((0, 0), (0, 1)), constant_values=0.5) for rows in (real, fake))


@pytest.mark.parametrize("order", [0.5, 1, 2, inf])
def test_cosine_is_vendi_over_vendi(order: float) -> None:
    real, fake = modes(10), modes(4, 200, seed=1)
    found = ratio.measure(real, fake, order=order, kernel="cosine")
    assert found.value == pytest.approx(vendi(fake, order=order) / vendi(real, order=order))
    assert found.extras == pytest.approx({"real": vendi(real, order=order), "fake": vendi(fake, order=order)})


@pytest.mark.parametrize("n", [300, 12], ids=["n > d", "n < d"])
def test_anchored_is_vendi_of_lifted_rows(n: int) -> None:
    real, fake = modes(10, n), modes(4, n, seed=1)
    x, y = lifted(real, fake)
    assert ratio(real, fake) == pytest.approx(vendi(y) / vendi(x))


def test_closed_forms() -> None:
    """Reals at -1 and 1: angles of atan 2 each side; eigenvalues 4/5 and 1/5. Fakes all at the mean: one."""
    real = np.tile([[-1.0], [1.0]], (50, 1))
    expected = np.exp(-(0.8 * np.log(0.8) + 0.2 * np.log(0.2)))
    assert ratio(real, 0 * real) == pytest.approx(1 / expected)
    assert ratio(real, real) == pytest.approx(1)
    assert ratio(0 * real, 0 * real) == 1


def test_equal_distributions_are_near_one_and_collapse_is_below() -> None:
    real = modes(10)
    values = [ratio(real, modes(kept, seed=1)) for kept in (10, 7, 4, 1)]
    assert values[0] == pytest.approx(1, abs=0.05)
    assert values == sorted(values, reverse=True)
    shrunken = [ratio(real, modes(10, seed=1, shrink=s)) for s in (1.0, 0.6, 0.2)]
    assert shrunken == sorted(shrunken, reverse=True)
    assert ratio(real, np.concatenate([real[:5]] * 60)) < 0.6


def test_sees_what_the_cosine_hardly_sees() -> None:
    real, fake = modes(10, offset=20.0), modes(3, seed=1, offset=20.0)
    assert ratio(real, fake) < 0.8
    assert ratio(real, fake, kernel="cosine") > 0.95


def test_options_move_the_value() -> None:
    options: list[dict[str, Any]] = [{}, {"order": 2}, {"kernel": "cosine"}]
    assert len({ratio(modes(10), modes(4, seed=1), **more) for more in options}) == len(options)


def pooled(*sides: np.ndarray) -> Pool:
    return TwoSamplePool(*(Rows.from_array(side) for side in sides))


@pytest.mark.parametrize("kernel", ["anchored", "cosine"])
def test_splits_are_the_metric_on_their_rows(kernel: str) -> None:
    pool, options = pooled(modes(10, 60), modes(4, 40, seed=1)), ratio.resolve({"kernel": kernel})
    identity = Splits(torch.tensor([[REAL] * 60 + [FAKE] * 40], dtype=torch.uint8))
    splits = Splits.of([identity, Splits.halves(60, 40, 2, 0), Splits.permutations(60, 40, 2, 0)])
    expected = [ratio(pool.part(splits.real(b)), pool.part(splits.fake(b)), **options) for b in range(len(splits))]
    assert ratio.uncertainty.resample(pool, splits, **options).tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("given", [{}, {"order": 2}, {"kernel": "cosine"}], ids=str)
@pytest.mark.parametrize("offset", [0.0, 0.7])
def test_standard_errors(given: dict[str, Any], offset: float) -> None:
    found = []
    for seed in range(40):
        real, fake = modes(10, 200, 6, seed), modes(7, 200, 6, seed + 500, 0.8, 5.0 + offset)
        variance = ratio.uncertainty.variance(pooled(real, fake), **ratio.resolve(given))
        found.append((ratio(real, fake, **given), variance**0.5))
    values, estimated = np.array(found).T
    assert 0.75 < np.sqrt(np.mean(estimated**2)) / values.std(ddof=1) < 1.35  # 40 draws know an sd to 11 %


def test_bad_input_is_one_sentence() -> None:
    real, fake = modes(10, 40), modes(4, 40)
    with pytest.raises(UsageError, match="order=-1"):
        ratio(real, fake, order=-1)
    with pytest.raises(UsageError, match="one of anchored, cosine"):
        ratio(real, fake, kernel="rbf")
    with pytest.raises(FeatureError, match="a fake row is all zeros"):
        ratio(real, 0 * fake, kernel="cosine")
    with pytest.raises(FeatureError, match="16 columns on one side and 15"):
        ratio(real, fake[:, 1:])
    assert ratio.uncertainty.variance(pooled(real, fake), order=0, kernel="anchored") is None
    assert ratio.uncertainty.variance(pooled(real[:20], fake[:20]), order=1, kernel="anchored") is None
