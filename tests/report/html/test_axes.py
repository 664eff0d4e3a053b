"""Places of numbers: ends, unbounded bands, logarithms, equal numbers, and what a strip says in words."""

from collections.abc import Callable
from math import inf, nan

import pytest

from divmetrics.records.null_band import NullBand
from divmetrics.records.results import Result
from divmetrics.report.html.axes import STRIP_EDGE, STRIP_WIDTH, Axis, strip_of


def test_shares_are_drawn_on_the_whole_range_and_others_around_the_numbers() -> None:
    assert Axis.around((0.4, 0.5), bounds=(0.0, 1.0)) == Axis(0.0, 1.0)
    near_zero = Axis.around((3.0, 100.0), bounds=(0.0, None))
    assert near_zero.low == 0.0
    assert 100.0 < near_zero.high < 115.0
    far = Axis.around((2.1, 2.3), bounds=(1.0, None))
    assert 2.0 < far.low < 2.1
    assert 2.3 < far.high < 2.4


def test_an_axis_ends_at_a_bound_that_is_half_a_span_away_or_nearer() -> None:
    for bounds, ends in [
        ((None, 1.4), (-0.06, 1.4)),
        ((None, 1.6), (-0.06, 1.06)),
        ((-0.4, None), (-0.4, 1.06)),
        ((-0.6, None), (-0.06, 1.06)),
    ]:
        axis = Axis.around((0.0, 1.0), bounds=bounds)
        assert (axis.low, axis.high) == pytest.approx(ends)


@pytest.mark.parametrize("numbers", [(), (None, nan, inf), (5.0,), (0.0,), (10.0, 10.0), (1e300, -1e300), (1e-300,)])
def test_whatever_the_numbers_places_are_inside(numbers: tuple[float | None, ...]) -> None:
    axis = Axis.around(numbers)
    assert axis.low < axis.high
    for value in (-1e308, 0.0, 1e308, nan, inf):
        assert 0.0 <= axis.place(value, 100.0) <= 100.0
    assert all(0.0 <= place <= 100.0 for place, _ in axis.ticks(100.0))
    assert len(axis.ticks(100.0)) < 30


def test_an_axis_without_length_has_one_tick_and_without_numbers_goes_from_0_to_1() -> None:
    assert Axis(3.0, 3.0).ticks(100.0) == [(0.0, "3")]
    assert Axis(3.0, 3.0).place(3.0, 100.0) == 0.0
    assert (Axis.around(()).low, Axis.around(()).high) == pytest.approx((-0.06, 1.06))


def test_a_logarithmic_axis_gives_equal_factors_equal_lengths() -> None:
    axis = Axis.around((10.0, 1000.0), log=True)
    assert axis.place(100.0, 80.0) == 40.0
    assert [text for _, text in axis.ticks(80.0)] == ["10", "20", "50", "100", "200", "500", "1,000"]
    assert not Axis.around((0.0, 10.0), log=True).log


def test_a_strip_holds_value_interval_and_band(make_result: Callable[..., Result]) -> None:
    found = make_result("recall", 0.25, ci=(0.2, 0.4), ci_level=0.95, null=NullBand(0.75, 0.5, 1.0, p=0.005, draws=32))
    strip = strip_of(found, worse=True)
    inner = STRIP_WIDTH - 2 * STRIP_EDGE
    assert strip.value == STRIP_EDGE + 0.25 * inner
    assert strip.interval == pytest.approx((STRIP_EDGE + 0.2 * inner, 0.2 * inner), abs=0.2)
    assert strip.band == pytest.approx((STRIP_EDGE + 0.5 * inner, 0.5 * inner), abs=0.2)
    assert strip.reference == STRIP_EDGE + 0.75 * inner
    assert strip.label == "value 0.2500, interval 0.200 to 0.400, real samples score 0.500 to 1"
    assert strip.ends == ("0", "1")


def test_an_open_band_reaches_the_edge_and_without_anything_to_compare_there_is_no_strip(
    make_result: Callable[..., Result],
) -> None:
    opened = strip_of(make_result("fid", 5.0, range=(0.0, None), null=NullBand(1.0, None, 2.0)), worse=False)
    assert opened.band[0] == STRIP_EDGE
    assert "unbounded to 2" in opened.label
    assert strip_of(make_result("vendi", 5.0, range=(1.0, None), extras={"real": 6.0}), worse=False).band is None
    assert strip_of(make_result("fid", 5.0), worse=False) is None
    assert strip_of(make_result("fid", None, ci=(0.0, 1.0)), worse=False) is None
