"""EMD: closed forms, POT and scipy, collapse, bad input. The solver itself: tests/metrics/test_transport_exact.py."""

import numpy as np
import ot
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from divmetrics.errors import FeatureError
from divmetrics.records.metric import METRICS

emd = METRICS["emd"]
DIGITS = load_digits().data
REAL, FAKE = DIGITS[:500], DIGITS[500:1000]


def test_a_shift_costs_its_length() -> None:
    shift = np.linspace(-2, 3, 64)
    assert emd(REAL, REAL + shift) == pytest.approx(np.linalg.norm(shift), rel=1e-9)
    assert emd(REAL, REAL) == 0.0


def test_beside_scipy_and_pot() -> None:
    gaps = cdist(REAL, FAKE)
    rows, columns = linear_sum_assignment(gaps)
    assert emd(REAL, FAKE) == pytest.approx(gaps[rows, columns].mean(), rel=1e-9)  # scipy 1.17
    weights = np.full(500, 1 / 500), np.full(300, 1 / 300)
    assert emd(REAL, FAKE[:300]) == pytest.approx(ot.emd2(*weights, cdist(REAL, FAKE[:300])), rel=1e-7)  # POT 0.9.7


def test_sees_collapse_but_not_a_slight_one() -> None:
    values = {shrink: emd(REAL, REAL.mean(0) + shrink * (FAKE - REAL.mean(0))) for shrink in (1.0, 0.7, 0.1)}
    assert values[0.1] > values[1.0]
    assert values[0.7] < values[1.0]  # the middle is near to everything: said in the docstring


def test_unequal_widths_are_refused() -> None:
    with pytest.raises(FeatureError, match="64 columns on one side and 63"):
        emd(REAL, FAKE[:, 1:])
