"""Vendi: closed forms, values of vendi-score, collapse, bad input."""

from math import inf

import numpy as np
import pytest
from sklearn.datasets import load_digits
from vendi_score import vendi as peer

from divmetrics.arrays.splits import OneSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, UsageError
from divmetrics.records.metric import METRICS

vendi = METRICS["vendi"]
DIGITS = load_digits().data
ORDERS = [0, 0.1, 0.5, 1, 2, 10, inf]


@pytest.mark.parametrize("order", ORDERS)
def test_orthogonal_rows_count_in_full_and_copies_once(order: float) -> None:
    assert vendi(3 * np.eye(6, 9), order=order) == pytest.approx(6)
    assert vendi(np.tile(np.arange(1.0, 10), (50, 1)), order=order) == pytest.approx(1)


@pytest.mark.parametrize(
    ("order", "value"),  # vendi-score 0.0.3 on the cosine kernel of all raw digits, `score_K(K, q)`
    [(1, 4.6776126052), (2, 2.0640962969), (inf, 1.4480565736)],
)
def test_digits_as_vendi_score(order: float, value: float) -> None:
    assert vendi(DIGITS, order=order) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("n", [20, 64, 150], ids=["n < d", "n = d", "n > d"])
@pytest.mark.parametrize("order", [0.5, 1, 2, inf])
def test_beside_vendi_score(n: int, order: float) -> None:
    units = DIGITS[:n] / np.linalg.norm(DIGITS[:n], axis=1, keepdims=True)
    spectrum = np.linalg.eigvalsh(units @ units.T / n)
    spectrum = spectrum[spectrum > 1e-13]  # at order .5 the dust of the zero eigenvalues would count
    # `entropy_q` and not `score_X`: the latter ignores its q
    entropy = peer.entropy_q(spectrum, q="inf" if order == inf else order)
    assert vendi(DIGITS[:n], order=order) == pytest.approx(np.exp(entropy), rel=1e-9)


def test_order_moves_the_number_downwards() -> None:
    values = [vendi(DIGITS, order=order) for order in ORDERS]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)


def test_order_zero_is_the_rank() -> None:
    assert vendi(DIGITS, order=0) == pytest.approx(np.linalg.matrix_rank(DIGITS))


def test_falls_as_classes_are_dropped_and_samples_repeated() -> None:
    labels = load_digits().target
    values = [vendi(DIGITS[labels < kept]) for kept in (10, 6, 3, 1)]
    assert values == sorted(values, reverse=True)
    assert vendi(DIGITS[:10].repeat(20, 0)) == pytest.approx(vendi(DIGITS[:10]))
    assert vendi(DIGITS[:10].repeat(20, 0)) < vendi(DIGITS[:200])


def test_a_row_without_direction_is_refused() -> None:
    with pytest.raises(FeatureError, match="row 1 is all zeros"):
        vendi([[1.0, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize(("order", "what"), [(-1, "0 to inf"), (float("nan"), "option order=nan is out of reach")])
def test_orders_that_do_not_exist(order: float, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        vendi(DIGITS, order=order)


@pytest.mark.parametrize("order", [0.5, 1, 2, inf])
def test_standard_errors(order: float) -> None:
    found = []
    for seed in range(40):
        rng = np.random.RandomState(seed)
        rows = rng.randn(300, 6) * np.array([3, 2, 1, 1, 0.5, 0.5]) + rng.randint(2, size=(300, 1))
        variance = vendi.uncertainty.variance(OneSamplePool(Rows.from_array(rows)), order=order)
        found.append((vendi(rows, order=order), variance**0.5))
    values, estimated = np.array(found).T
    assert 0.75 < np.sqrt(np.mean(estimated**2)) / values.std(ddof=1) < 1.35  # 40 draws know an sd to 11 %


def test_no_variance_of_a_rank_or_of_nothing_but_directions() -> None:
    rows = OneSamplePool(Rows.from_array(DIGITS))
    assert vendi.uncertainty.variance(rows, order=0) is None
    apart = OneSamplePool(Rows.from_array(np.random.RandomState(0).randn(100, 64)))
    assert vendi.uncertainty.variance(apart, order=1) is None
