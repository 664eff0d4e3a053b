"""Options: values are parsed by their type, and a wrong one says what is wanted."""

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divmetrics.errors import UsageError
from divmetrics.records.options import Option


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "3", 3),
        (float, "inf", float("inf")),
        (float, "2", 2.0),
        (bool, "yes", True),
        (bool, "False", False),
        (float | None, "none", None),
        (float | None, "0.5", 0.5),
        (Literal["open", "closed"], "closed", "closed"),
        (str, "a=b", "a=b"),
    ],
)
def test_options_are_parsed_by_type(kind, text: str, value: object) -> None:
    assert Option("x", kind, None).parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        (int, "2.5", "a whole number"),
        (bool, "maybe", "true or false"),
        (Literal["open", "closed"], "ajar", "one of open, closed"),
    ],
)
def test_wrong_values_say_what_is_wanted(kind, text: str, wanted: str) -> None:
    with pytest.raises(UsageError, match=wanted):
        Option("x", kind, None).parse(text)


@settings(deadline=None, derandomize=True)
@given(st.one_of(st.integers(-(2**53), 2**53), st.floats(1e-100, 1e100), st.floats(-1e100, -1e-100)))
def test_values_from_python_come_back(value: float) -> None:
    assert Option("x", float, 0.0).check(value) == value
