"""Curves as drawings: lines, bands and their numbers, by hand."""

import pytest

from divmetrics.records.exhibits import Curve, Series
from divmetrics.report.html.drawings import HIGH, WIDE, chart_of


def test_a_line_with_its_band() -> None:
    """x from 0 to 10, y from 0 to 1 on an axis that begins at 0: the band is the upper ends, then the lower ones."""
    series = Series("fake", (0.0, 5.0, 10.0), (0.5, None, 1.0), (0.0, None, 0.5), (0.75, None, 1.0))
    chart = chart_of(Curve("c", "title", "n", "recall", False, (series,)), marks=((5.0, "lost"),))
    (line,) = chart.lines
    (left, bottom), (right, top) = line.dots
    assert 0 < left < WIDE / 10 < 9 * WIDE / 10 < right < WIDE
    assert top < bottom < HIGH
    assert line.path == f"M{left:g} {bottom:g}L{right:g} {top:g}"
    places = [tuple(map(float, place.split())) for place in line.band.strip("MZ").split("L")]
    assert [x for x, _ in places] == [left, right, right, left]
    assert [y for _, y in places] == [pytest.approx((top + bottom) / 2, abs=0.1), top, bottom, HIGH]
    assert chart.rows == (("fake", "0", "0.5000", "[0, 0.750]"), ("fake", "10", "1", "[0.500, 1]"))
    assert chart.marks == ((WIDE / 2, "lost"),)


def test_a_band_of_one_point_or_of_none_is_not_drawn() -> None:
    one = Series("fake", (0.0, 1.0), (0.5, 0.6), (0.4, None), (0.6, 0.7))
    bare = Series("fake", (0.0, 1.0), (0.5, 0.6))
    assert [chart_of(Curve("c", "", "", "", False, (each,))).lines[0].band for each in (one, bare)] == ["", ""]


def test_precision_and_recall_are_drawn_from_0_to_1() -> None:
    chart = chart_of(Curve("prd", "", "recall", "precision", False, (Series("fake", (0.2, 0.5), (0.4, 0.3)),)))
    assert (chart.x_ticks[0], chart.x_ticks[-1]) == ((0.0, "0"), (WIDE, "1"))
    assert (chart.y_ticks[0], chart.y_ticks[-1]) == ((HIGH, "0"), (0.0, "1"))
