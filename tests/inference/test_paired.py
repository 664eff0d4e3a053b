"""The test of two generators against the same real samples, and the letters of those that cannot be told apart."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from divmetrics.inference.paired import Scored, groups_of, holm, paired_test

RNG = np.random.default_rng(0)


def test_what_the_generators_share_cancels() -> None:
    """A mean difference with a large common part: t of the differences, as scipy has it for pairs."""
    common, own = RNG.normal(size=60), RNG.normal(0, 0.1, size=(2, 60))
    a, b = (Scored(value, None, None, value + common + part) for value, part in zip((1.0, 1.2), own, strict=True))
    found = paired_test(a, b)
    assert found.error == pytest.approx((own[0] - own[1]).std(ddof=1))
    assert found.p == pytest.approx(2 * stats.t.sf(0.2 / found.error, 59))
    assert found.interval(0.95) == pytest.approx(stats.t.interval(0.95, 59, -0.2, found.error))


def test_intervals_widen_what_half_samples_do_not_show() -> None:
    """Two shares at 1 on every half-sample: the half-widths toward each other, in units of the normal quantile."""
    a, b = (Scored(value, (low, 1.0), 0.95, np.ones(50)) for value, low in ((1.0, 0.9), (0.99, 0.88)))
    half = (0.1**2 + 0.01**2) ** 0.5 / stats.norm.ppf(0.975)
    assert paired_test(a, b).error == pytest.approx(half)


@pytest.mark.parametrize(("values", "p"), [((3.0, 3.0), 1.0), ((3.0, 2.0), 0.0)])
def test_without_any_spread(values: tuple[float, float], p: float) -> None:
    assert paired_test(*(Scored(value, None, None, np.full(9, value)) for value in values)).p == p


def test_splits_without_a_value_do_not_count() -> None:
    holed = np.where(np.arange(9) < 7, np.nan, 1.0)
    assert paired_test(Scored(1, None, None, holed), Scored(1, None, None, np.ones(9))) is None


def test_holm() -> None:
    p = RNG.uniform(size=9) ** 3
    order = np.argsort(p)
    expected = np.minimum(1, np.maximum.accumulate((9 - np.arange(9)) * p[order]))
    assert np.array(holm(list(p)))[order] == pytest.approx(expected)
    assert holm([]) == []


@given(st.integers(2, 7), st.data())
def test_a_letter_is_shared_by_those_that_are_not_told_apart(count: int, data: st.DataObject) -> None:
    names = [f"g{i}" for i in range(count)]
    pairs = [frozenset(pair) for pair in combinations(names, 2)]
    apart = {pair for pair in pairs if data.draw(st.booleans())}
    groups = groups_of(names, apart)
    for pair in pairs:
        first, second = pair
        assert bool(set(groups[first]) & set(groups[second])) == (pair not in apart)
    assert all(groups.values())


def test_more_than_26_groups() -> None:
    names = [f"g{i}" for i in range(28)]
    groups = groups_of(names, {frozenset(pair) for pair in combinations(names, 2)})
    assert (groups["g0"], groups["g25"], groups["g26"], groups["g27"]) == (("a",), ("z",), ("aa",), ("ab",))
