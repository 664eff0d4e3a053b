"""2-Wasserstein distance: closed forms, POT, collapse, bad input, variance. Solver: test_transport_exact.py."""

import numpy as np
import ot
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from divmetrics.arrays.splits import Pool, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError
from divmetrics.records.metric import METRICS

w2 = METRICS["w2"]
DIGITS = load_digits().data
REAL, FAKE = DIGITS[:400], DIGITS[400:800]


def test_a_shift_costs_its_length() -> None:
    shift = np.linspace(-2, 3, 64)
    assert w2(REAL, REAL + shift) == pytest.approx(np.linalg.norm(shift), rel=1e-9)
    assert w2(REAL, REAL) == 0.0


def test_one_dimension_is_sorting() -> None:
    real, fake = REAL[:, 20], FAKE[:, 20]
    expected = np.sqrt(((np.sort(real) - np.sort(fake)) ** 2).mean())
    assert w2(real[:, None], fake[:, None]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [400, 250])
def test_beside_pot(count: int) -> None:
    weights = np.full(400, 1 / 400), np.full(count, 1 / count)
    expected = np.sqrt(ot.emd2(*weights, cdist(REAL, FAKE[:count]) ** 2))  # POT 0.9.7
    assert w2(REAL, FAKE[:count]) == pytest.approx(expected, rel=1e-7)


def test_large_samples_of_gaussians_come_near_to_the_distance_of_gaussians() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(1500, 2)), 3 * rng.normal(size=(1500, 2)) + 1
    assert w2(real, fake) == pytest.approx(np.sqrt(2 * 1 + 2 * (3 - 1) ** 2), rel=0.05)


def test_weighs_far_mass_more_than_emd() -> None:
    outlying = np.concatenate([FAKE[:-8], FAKE[-8:] + 100])
    gains = [METRICS[name](REAL, outlying) / METRICS[name](REAL, FAKE) for name in ("emd", "w2")]
    assert gains[1] > 2 * gains[0]


def test_sees_dropped_modes() -> None:
    labels = load_digits().target
    few = DIGITS[labels < 5][:400]
    assert w2(DIGITS[-400:], few) > 1.1 * w2(DIGITS[-400:], FAKE)


def test_unequal_widths_are_refused() -> None:
    with pytest.raises(FeatureError, match="64 columns on one side and 63"):
        w2(REAL, FAKE[:, 1:])


def draws(kind: str, count: int, n: int = 200) -> list[Pool]:
    """Pools of fresh draws: a shift, or a dropped mode of five."""
    centres = 4 * np.random.default_rng(5).normal(size=(5, 16))
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        real, fake = rng.normal(size=(2, n, 16))
        if kind == "shift":
            fake = fake + 0.5
        else:
            real, fake = real + centres[rng.integers(5, size=n)], fake + centres[rng.integers(4, size=n)]
        found.append(TwoSamplePool(Rows.from_array(real), Rows.from_array(fake)))
    return found


@pytest.mark.parametrize("name", ["emd", "w2"])
@pytest.mark.parametrize("kind", ["shift", "dropped"])
def test_the_variance_is_that_of_fresh_draws(name: str, kind: str) -> None:
    metric, pools = METRICS[name], draws(kind, 40)
    spread = np.std([metric(pool.real, pool.fake) for pool in pools], ddof=1)
    assert metric.uncertainty.variance is not None
    errors = [metric.uncertainty.variance(pool) ** 0.5 for pool in pools[:5]]
    assert 0.75 < np.mean(errors) / spread < 1.35


@pytest.mark.parametrize("name", ["emd", "w2"])
def test_copies_have_no_variance_of_their_own(name: str) -> None:
    uncertainty = METRICS[name].uncertainty
    assert uncertainty.variance is not None
    assert uncertainty.variance(TwoSamplePool(Rows.from_array(REAL), Rows.from_array(REAL.copy()))) is None
    assert uncertainty.bias == "null"
