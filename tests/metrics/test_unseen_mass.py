"""unseen_mass: Good-Turing by hand, its expectation, Chao's bound, variance."""

import numpy as np
import pytest
import torch

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError
from divmetrics.records.metric import METRICS

unseen_mass = METRICS["unseen_mass"]


def labels(*counts: int) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


def zipf(n: int, rng: np.random.Generator, classes: int = 400) -> np.ndarray:
    shares = 1 / np.arange(1, classes + 1)
    return rng.choice(classes, n, p=shares / shares.sum())


def test_by_hand() -> None:
    found = unseen_mass.measure(labels(10, 10, 10, 10), labels(5, 1, 1, 0, 2, 1))
    assert found.value == pytest.approx(3 / 10)
    assert found.extras == {"singletons": 3, "doubletons": 1, "unseen_modes": 1.5, "real_mass_missing": 0.25}


def test_it_estimates_the_mass_not_seen() -> None:
    shares = 1 / np.arange(1, 401)
    shares /= shares.sum()
    found, truth = [], []
    for seed in range(60):
        fake = zipf(300, np.random.default_rng(seed))
        found.append(unseen_mass(fake, fake))
        truth.append(shares[np.setdiff1d(np.arange(400), fake)].sum())
    assert np.mean(found) == pytest.approx(np.mean(truth), rel=0.05)


def test_chao_is_a_lower_bound_that_sees_most_of_equal_classes() -> None:
    rng = np.random.default_rng(0)
    unseen, missing = [], []
    for _ in range(40):
        fake = rng.integers(0, 300, 500)
        unseen.append(unseen_mass.measure(fake, fake).extras["unseen_modes"])
        missing.append(300 - len(np.unique(fake)))
    assert np.mean(unseen) == pytest.approx(np.mean(missing), rel=0.1)


def test_logits_vote() -> None:
    fake = labels(5, 1, 1, 0, 2, 1)
    assert unseen_mass(np.eye(6)[fake], np.eye(6)[fake]) == unseen_mass(fake, fake)


def test_singletons_only_and_none() -> None:
    assert unseen_mass(np.arange(9), np.arange(9)) == 1
    assert unseen_mass(labels(9), labels(9)) == 0


def test_the_standard_error_is_that_of_fresh_draws() -> None:
    values, errors = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        sides = [torch.from_numpy(zipf(300, rng)) for _ in range(2)]
        pool = TwoSamplePool(*(Rows(side, torch.arange(300)) for side in sides))
        values.append(unseen_mass(*sides))
        errors.append(unseen_mass.uncertainty.variance(pool) ** 0.5)
    assert 0.85 < np.mean(errors) / np.std(values) < 1.2
    permuted = unseen_mass.uncertainty.resample(pool, Splits.permutations(300, 300, 199, 0))
    assert np.mean(permuted) == pytest.approx(np.mean(values), abs=0.03)


def test_bad_input() -> None:
    with pytest.raises(FeatureError, match="whole numbers"):
        unseen_mass(np.array([1, 2]), np.array([-1, 2]))


def test_the_variance_by_hand() -> None:
    counts = np.array([5, 1, 1, 0, 2, 1])
    pool = TwoSamplePool(*(Rows(torch.from_numpy(labels(*counts)), torch.arange(10)) for _ in range(2)))
    singletons = 3 - (counts**2 * np.exp(-2.0 * counts)).sum() - (3 - 2 * 1) ** 2 / 10
    assert unseen_mass.uncertainty.variance(pool) == pytest.approx(singletons / 100)
    alike = TwoSamplePool(*(Rows(torch.zeros(10, dtype=torch.int64), torch.arange(10)) for _ in range(2)))
    assert unseen_mass.uncertainty.variance(alike) == pytest.approx(1 / 100), "at least that of one singleton"
