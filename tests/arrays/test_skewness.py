"""Intervals of skewed values, on means and squares whose sampling distributions are known."""

from math import inf, sqrt

import numpy as np
import pytest
from scipy import stats

from divmetrics.arrays.skewness import (
    FEWEST_FREEDOM,
    MOST_CURVED,
    STEEPEST,
    curvature_of_square,
    difference_spread,
    mean_spread,
    skewed_ends,
    spread_of,
)
from divmetrics.records.metric import Spread

DRAWS = 2000


def tails(ends: np.ndarray, truth: float) -> tuple[float, float]:
    """Share of intervals `[DRAWS, 2]` that lie above the truth, and below it."""
    return float((ends[:, 0] > truth).mean()), float((ends[:, 1] < truth).mean())


def test_a_symmetric_value_has_students_interval() -> None:
    assert skewed_ends(1.0, Spread(4.0), 0.95) == pytest.approx((1 - 2 * 1.95996, 1 + 2 * 1.95996), rel=1e-5)
    few = skewed_ends(0.0, Spread(1.0, freedom=5.0), 0.9)
    assert few == pytest.approx(tuple(stats.t(5).ppf([0.05, 0.95])))
    assert skewed_ends(0.0, Spread(1.0, freedom=50.0), 0.9, freedom=5.0) == few
    assert skewed_ends(3.0, Spread(0.0, skewness=2.0), 0.95) == (3.0, 3.0)


def test_mirrored_values_have_mirrored_intervals() -> None:
    low, high = skewed_ends(0.0, Spread(1.0, skewness=0.3, curvature=0.05), 0.95)
    assert skewed_ends(0.0, Spread(1.0, skewness=-0.3, curvature=-0.05), 0.95) == pytest.approx((-high, -low))
    assert high > 1.96 > -low


def test_what_cannot_be_excluded_moves_the_upper_end_alone() -> None:
    plain, curved = (skewed_ends(0.0, Spread(1.0, curvature=c), 0.95) for c in (0.05, 0.25))
    assert skewed_ends(0.0, Spread(1.0, curvature=0.05, reserve=0.2), 0.95) == pytest.approx((plain[0], curved[1]))


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("skewness", [-9.0, 0.0, 9.0])
def test_ends_are_in_order_and_do_not_run_away(level: float, skewness: float) -> None:
    low, high = skewed_ends(0.0, Spread(1.0, skewness=skewness, curvature=0.25), level)
    reach = stats.norm.ppf((1 + level) / 2)
    farthest = (np.exp(2 * STEEPEST * (reach + STEEPEST)) - 1) / (2 * STEEPEST)
    assert -farthest - 1e-9 <= low < high <= farthest + 1e-9


def test_intervals_of_a_skewed_mean_miss_as_often_on_both_sides() -> None:
    """Squares of 40 normal values; by Student's interval 1 % lie above the truth and 8 % below it."""
    drawn = np.random.default_rng(0).normal(size=(DRAWS, 40)) ** 2
    plain, skewed = [], []
    for row in drawn:
        variance = row.var(ddof=1) / 40
        plain.append(stats.t(39, row.mean(), sqrt(variance)).interval(0.95))
        skewed.append(skewed_ends(row.mean(), spread_of(variance, [row]), 0.95))
    low, high = tails(np.array(plain), 1.0)
    assert low < 0.012
    assert high > 0.065
    low, high = tails(np.array(skewed), 1.0)
    assert low < 0.04
    assert high < 0.05
    assert np.mean(np.diff(skewed)) < 1.35 * np.mean(np.diff(plain))


def test_intervals_of_a_square_miss_as_often_on_both_sides() -> None:
    """The square of a mean of 2.5 standard errors; by the normal interval 8 % lie below the truth."""
    mean = np.random.default_rng(0).normal(2.5, 1.0, DRAWS)
    truth = 2.5**2
    plain = np.array([(x**2 - 1.96 * 2 * abs(x), x**2 + 1.96 * 2 * abs(x)) for x in mean])
    assert tails(plain, truth)[1] > 0.06
    found = []
    for x in mean:
        variance = 4 * x**2
        spread = Spread(variance, curvature=curvature_of_square(x**2, variance))
        found.append(skewed_ends(x**2, spread, 0.95))
    assert max(tails(np.array(found), truth)) < 0.04


def test_the_skewness_of_a_mean_is_that_of_its_terms_over_the_root_of_their_number() -> None:
    rows = np.random.default_rng(0).exponential(size=4000)
    found = spread_of(1.0, [rows])
    assert found.skewness == pytest.approx(stats.skew(rows) / 4000**0.5)
    assert found.largest == pytest.approx(np.square(rows - rows.mean()).max() / np.square(rows - rows.mean()).sum())
    assert spread_of(1.0, [rows], linear=0.5).skewness == found.skewness / 2
    assert spread_of(1.0, [-rows]).skewness == pytest.approx(-found.skewness)
    both = spread_of(1.0, [rows, -rows])
    assert both.skewness == pytest.approx(0, abs=1e-12)
    assert both.largest == pytest.approx(found.largest / 2)


def test_few_large_samples_leave_few_degrees_of_freedom() -> None:
    even = spread_of(1.0, [np.array([-1.0, 1.0] * 50)])
    assert even.freedom == inf
    normal = spread_of(1.0, [np.random.default_rng(0).normal(size=500)])
    assert normal.freedom == pytest.approx(500, rel=0.2)  # the variance of normal values has n - 1
    spike = np.zeros(100)
    spike[:2] = 9.0, -9.0
    assert FEWEST_FREEDOM <= spread_of(1.0, [spike]).freedom < 5
    assert spread_of(2.0, [np.zeros(5)]) == Spread(2.0)


def test_a_square_is_curved_by_its_error_over_four_times_its_value() -> None:
    assert curvature_of_square(4.0, 0.16) == pytest.approx(0.4 / 16)
    assert curvature_of_square(4.0, 0.16, 0.25) == pytest.approx(0.4 / 16), "ten standard errors from 0"
    assert curvature_of_square(0.01, 0.16) == curvature_of_square(-1.0, 0.16) == MOST_CURVED


def test_a_square_near_0_is_curved_as_far_as_it_has_a_direction() -> None:
    assert curvature_of_square(0.4, 0.16, 0.5) == pytest.approx(0.25)
    assert curvature_of_square(0.4, 0.16, 0.25) == pytest.approx(0.125)
    assert curvature_of_square(0.4, 0.16, 0.0) == pytest.approx(0.25 / 8), "one standard error: (1/2)³"
    assert curvature_of_square(-0.4, 0.16, 0.0) == 0
    assert curvature_of_square(4.0, 0.16, moved=0.0016) == pytest.approx(0.1), "4 |S d|² / error³"
    assert curvature_of_square(4.0, 0.16, moved=0.0001) == pytest.approx(0.4 / 16), "no less than along d"


def test_spreads_of_sums_are_those_of_the_terms_together() -> None:
    rng = np.random.default_rng(0)
    sides = rng.exponential(size=50), rng.normal(size=30) ** 2
    parts = [spread_of(side.var() / len(side), [side]) for side in sides]
    whole = spread_of(parts[0].variance + parts[1].variance, sides)
    mean = mean_spread(parts).times(2.0)
    assert (mean.variance, mean.skewness, mean.largest) == pytest.approx(
        (whole.variance, whole.skewness, whole.largest)
    )
    against = spread_of(whole.variance, [sides[0], -sides[1]])
    assert difference_spread(*parts).skewness == pytest.approx(against.skewness)
    assert mean_spread([Spread(0.0)]) == Spread(0.0)


def test_of_an_exponential_and_of_a_sum_with_noise() -> None:
    """exp(x) is 1 + x + x² / 2; independent noise takes its share of the third moment."""
    found = Spread(0.04, skewness=0.1).exponential(5.0)
    assert (found.variance, found.curvature) == pytest.approx((1.0, 0.1))
    noisy = Spread(1.0, skewness=0.8, curvature=0.4).plus(3.0)
    assert (noisy.variance, noisy.skewness, noisy.curvature) == pytest.approx((4.0, 0.1, 0.05))
