"""The laws against scipy.stats; a plain score imports neither that nor scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from divmetrics.arrays.distributions import NORMAL, Distribution, pearson3, student

SHARES = np.array([1e-6, 0.005, 0.025, 0.2, 0.5, 0.8, 0.975, 0.995, 1 - 1e-6])
XS = np.linspace(-6, 6, 49)


def check_same(law: Distribution, other: stats.rv_continuous) -> None:
    assert law.cdf(XS) == pytest.approx(other.cdf(XS), rel=1e-8, abs=1e-14)
    assert law.sf(XS) == pytest.approx(other.sf(XS), rel=1e-8, abs=1e-14)
    assert law.ppf(SHARES) == pytest.approx(other.ppf(SHARES), rel=1e-7, abs=1e-9)


def test_normal() -> None:
    check_same(NORMAL, stats.norm())


@given(freedom=st.floats(1, 500))
def test_student(freedom: float) -> None:
    check_same(student(freedom), stats.t(freedom))


@given(skewness=st.floats(-2, 2).filter(lambda s: s == 0 or abs(s) > 0.05))
def test_skewed(skewness: float) -> None:
    check_same(pearson3(skewness), stats.pearson3(skewness))
