"""The targets of the exact-score samplers: two modes of unequal weight, and modes that overlap."""

import numpy as np
import pytest
from scipy.stats import norm

from divmetrics.records.generator import ZOO
from divmetrics.zoo.oracle import measure_samples
from divmetrics.zoo.targets import OVERLAPPING, REAL_SHARE, target


@pytest.mark.parametrize("name", ["two-modes", "overlap"])
def test_exact_samples_are_healthy(name):
    owner = target(name)
    found = measure_samples(owner, owner.sample(20_000, np.random.default_rng(3))[0])
    assert found.high_quality == pytest.approx(REAL_SHARE, abs=0.003)
    assert found.spread == pytest.approx(1, abs=0.02)
    assert found.severity < 0.03
    assert found.p > 0.001


def test_modes_that_overlap_are_confused_as_they_must_be():
    """Right on an axis with the chance that a standard normal stays below 1."""
    owner = target("overlap")
    right = norm.cdf(1)
    assert np.diag(owner.confusion) == pytest.approx(np.full(4, right**2), abs=0.01)
    assert owner.confusion[0, 1] == pytest.approx(right * (1 - right), abs=0.01)
    assert owner.confusion @ owner.inverse_confusion == pytest.approx(np.eye(4), abs=1e-9)


def test_the_oracle_finds_the_shares_that_were_drawn():
    owner = target("overlap")
    modes = np.random.default_rng(0).choice(4, 20_000, p=[0.7, 0.1, 0.1, 0.1])
    found = measure_samples(owner, owner.draw(modes, np.random.default_rng(1)))
    assert found.mode_tv == pytest.approx(0.45, abs=0.03)


def test_knobs_that_are_exact_mode_by_mode_leave_it_out():
    assert [model.name for model in ZOO if model.target in OVERLAPPING and model.family == "oracle"] == []
    assert "two-modes-drop" in ZOO
