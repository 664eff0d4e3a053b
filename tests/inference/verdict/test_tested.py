"""The step-down maxT procedure: by hand, its law, its level."""

import numpy as np
import pytest

from divmetrics.inference.verdict.tested import adjusted_p, standardised


def test_p_values_by_hand() -> None:
    z = np.array([[9.0, 0, 1, 2, 3], [2.5, 3, 2, 1, 0], [2.6, 4, 0, 0, 0]])
    # 9 is the greatest of all; 2.6 is reached by its own 4 and by 3; 2.5, alone in the last step, by 3
    assert adjusted_p(z).tolist() == [0.2, 0.4, 0.4]


def test_later_tests_never_have_smaller_p_values() -> None:
    z = np.random.default_rng(0).normal(size=(12, 200))
    order = np.argsort(-z[:, 0])
    assert (np.diff(adjusted_p(z)[order]) >= 0).all()


def test_a_statistic_without_variation_is_no_evidence() -> None:
    z = standardised(np.array([[5.0] * 10, [*range(9, -1, -1)]]))
    assert (z[0] == 0).all()
    assert adjusted_p(z)[1] == pytest.approx(0.1)


def test_a_skewed_statistic_does_not_set_the_limit_of_the_others() -> None:
    rng = np.random.default_rng(2)
    z = standardised(np.stack([rng.normal(size=2000), rng.exponential(size=2000), rng.exponential(size=2000) ** 2]))
    tails = np.quantile(z, 0.997, axis=1)
    assert tails.max() < 1.15 * tails.min()
    assert standardised(np.arange(1001.0)[None])[0, [0, 500]].tolist() == pytest.approx([-1.73, 0], abs=0.01)


def test_the_family_wise_error_rate_is_the_level() -> None:
    rng = np.random.default_rng(1)
    common = rng.normal(size=(400, 1, 100))
    least = [adjusted_p(standardised(0.7 * c + rng.normal(size=(8, 100)))).min() for c in common]
    assert np.mean(np.array(least) <= 0.05) == pytest.approx(0.05, abs=0.028)  # 2.6 standard errors
