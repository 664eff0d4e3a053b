"""Claims of a healthy generator, and the sizes that would decide them."""

from math import log

import pytest

from divmetrics.inference.verdict.equivalence import Claim, needed


def test_a_claim_holds_where_its_bound_is_above_the_limit() -> None:
    assert Claim("width", 0.97, 0.91, 0.9).holds
    assert not Claim("width", 0.97, 0.89, 0.9).holds


def test_sizes_grow_with_the_square_of_the_width_of_the_interval() -> None:
    wide, wider = Claim("width", 1.0, 0.8, 0.9), Claim("width", 1.0, 0.8**2, 0.9)
    assert wide.factor == pytest.approx((2 * log(0.8) / log(0.9)) ** 2)
    assert wider.factor == pytest.approx(4 * wide.factor)
    assert Claim("width", 0.9, 0.72, 0.9).factor == pytest.approx(wide.factor)  # it is the ratio that counts
    assert Claim("width", 0.9, -1, 0.9).factor < 1e5
    assert Claim("width", 1.0, 0.95, 0.9).factor == 1


def test_sizes_are_rounded_up_to_two_digits() -> None:
    assert needed([Claim("width", 1.0, 0.8, 0.9), Claim("spacing", 1.0, 0.95, 0.9)], 307) == 5600
    assert needed([Claim("width", 1.0, 0.95, 0.9)], 52) == 52
