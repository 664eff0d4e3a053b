"""Ends of intervals by way of a quantity that is nearly normal."""

import numpy as np
import pytest
from scipy import stats

from divmetrics.arrays.share_intervals import expected, share_ends, wilson


def capped(values: np.ndarray) -> np.ndarray:
    return np.minimum(values, 1)


def test_the_mean_of_a_capped_normal_is_the_textbook_one() -> None:
    for middle in (0.9, 1.0, 1.05):
        z = (1 - middle) / 0.1
        exact = middle * stats.norm.cdf(z) - 0.1 * stats.norm.pdf(z) + stats.norm.sf(z)
        assert expected(capped, middle, 0.1) == pytest.approx(exact, abs=2e-4)


def test_far_from_the_cap_it_is_the_usual_interval() -> None:
    low, high = share_ends(capped, 0.5, 0.02, 1e9, 0.95, 1000)
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.02, 0.5 + 1.96 * 0.02), abs=1e-4)


def test_at_the_cap_it_still_covers() -> None:
    """The capped value is at 1 in half of the draws, where a spread of its own would be 0."""
    drawn = 1 + 0.1 * np.random.default_rng(0).normal(size=400)
    truth = expected(capped, 1.0, 0.1)
    ends = np.array([share_ends(capped, one, 0.1, 1e9, 0.95, 10_000) for one in drawn])
    covered = (ends[:, 0] <= truth) & (truth <= ends[:, 1])
    assert 0.92 <= covered.mean() <= 0.98
    assert (ends[:, 0] <= capped(drawn)).all()
    assert (capped(drawn) <= ends[:, 1]).all()


def test_beyond_the_cap_a_rare_event_is_not_ruled_out() -> None:
    low, high = share_ends(capped, 2.0, 0.1, 1e9, 0.95, 100)
    assert high == 1
    assert low == pytest.approx(wilson(1.0, 100, 1.96)[0], abs=1e-3) == pytest.approx(0.963, abs=1e-3)
