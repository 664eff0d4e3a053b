"""Spacing ratio: closed forms, the known value of the digits, brute force, copies, replicates."""

from math import log

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

import divmetrics as dm
from divmetrics.arrays.splits import ABSENT, FAKE, REAL, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, TooFewSamples, UsageError
from divmetrics.records.metric import METRICS

SPACING = METRICS["spacing_ratio"]


def by_formula(real: np.ndarray, fake: np.ndarray, k: int) -> float:
    radii = [np.sort(cdist(side, side), axis=1)[:, k] for side in (real, fake)]
    real_log, fake_log = (np.log(side[side > 0]).mean() for side in radii)
    return float(np.exp(fake_log - real_log))


def test_evenly_spaced_points() -> None:
    line = np.arange(20.0)[:, None]
    assert SPACING(line, 0.25 * line, k=1) == pytest.approx(0.25)
    assert SPACING(line, 3 * line, k=4) == pytest.approx(3)


def test_digits_have_the_known_value() -> None:
    digits = load_digits().data
    assert SPACING(digits[:898], digits[898:1796]) == pytest.approx(0.9950927631, abs=1e-9)


@pytest.mark.parametrize("d", [2, 32, 512])
@pytest.mark.parametrize("factor", [0.8, 0.5])
def test_it_is_the_factor_by_which_gaussians_shrank(d: int, factor: float) -> None:
    rng = np.random.default_rng(d)
    real, fake = rng.normal(size=(2, 1000, d))
    assert SPACING(real, factor * fake) == pytest.approx(factor, rel=0.06 if d == 2 else 0.012)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_formula(k: int) -> None:
    rng = np.random.default_rng(k)
    real, fake = rng.normal(size=(60, 3)), rng.exponential(size=(50, 3))
    assert SPACING(real, fake, k=k) == pytest.approx(by_formula(real, fake, k))


def test_samples_with_copies_are_left_out_and_counted() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, 40, 4))
    fake[:6] = fake[0]  # six alike: each has five copies
    found = SPACING.measure(real, fake, k=5)
    assert found.extras == {"real_copies": 0, "fake_copies": pytest.approx(0.15)}
    assert found.value == pytest.approx(by_formula(real, fake, 5))
    assert (found.fake["spacing"][:6] == 0).all()
    assert SPACING.measure(real, fake, k=6).extras["fake_copies"] == 0


def test_a_side_of_copies_is_refused() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, 40, 4))
    fake[:20] = fake[0]
    assert SPACING(real, fake) > 0  # exactly half is left
    fake[20] = fake[0]
    with pytest.raises(FeatureError, match="21 of the 40 fake samples equal 5 others or more"):
        SPACING(real, fake)
    with pytest.raises(FeatureError, match="21 of the 40 real samples"):
        SPACING(fake, real)


def test_too_few_samples_and_neighbours() -> None:
    rows = np.arange(5.0)[:, None]
    with pytest.raises(TooFewSamples, match="k=5 needs at least 6"):
        SPACING(rows, rows)
    with pytest.raises(UsageError, match="k=0"):
        SPACING(rows, rows, k=0)


def test_replicates_are_the_values_on_the_splits() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(31, 3)), 0.6 * rng.normal(size=(26, 3))
    fake[:4] = fake[0]
    pool = TwoSamplePool(Rows.from_array(real), Rows.from_array(fake))
    side = torch.cat([draw(31, 26, 12, seed=1).side for draw in (Splits.halves, Splits.permutations)])
    assert SPACING.uncertainty is not None
    assert SPACING.uncertainty.resample is not None
    found = SPACING.uncertainty.resample(pool, Splits(side), k=2)
    rows = np.concatenate([real, fake])
    wanted = [SPACING(rows[row == REAL], rows[row == FAKE], k=2) for row in side.numpy()]
    assert found.numpy() == pytest.approx(np.array(wanted), rel=1e-5)


def test_replicates_where_half_of_a_side_are_copies_have_no_value() -> None:
    rows = np.array([[0.0]] * 6 + [[1.0], [3.0], [7.0], [15.0]])
    pool = TwoSamplePool(Rows.from_array(rows[:5]), Rows.from_array(rows[5:]))
    apart = [REAL, FAKE] + [ABSENT] * 4 + [REAL, FAKE] * 2
    side = torch.tensor([[FAKE] * 5 + [REAL] * 5, apart], dtype=torch.uint8)
    assert SPACING.uncertainty is not None
    assert SPACING.uncertainty.resample is not None
    none, value = SPACING.uncertainty.resample(pool, Splits(side), k=1).tolist()
    assert np.isnan(none)
    assert value == pytest.approx(SPACING([[0.0], [1.0], [7.0]], [[0.0], [3.0], [15.0]], k=1))


def test_interval_holds_the_factor() -> None:
    rng = np.random.default_rng(3)
    real, fake = rng.normal(size=(2, 300, 8))
    result = dm.score(real, 0.8 * fake, metrics="spacing_ratio")["spacing_ratio"]
    assert result.ci is not None
    assert result.ci[0] < 0.8 < result.ci[1]
    assert abs(log(result.ci[1] / result.ci[0])) < 0.12
    assert result.null is not None
    assert result.null.p == pytest.approx(0.005)
