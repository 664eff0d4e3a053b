"""Metric: the record is complete and is called like its function."""

import pytest

from divmetrics.errors import UsageError
from divmetrics.records.metric import METRICS, Measured


def test_options_from_the_wrong_type_name_the_metric() -> None:
    with pytest.raises(UsageError, match="recall: option k='five' is not a whole number"):
        METRICS["recall"].resolve({"k": "five"})


def test_number_of_sides_is_checked() -> None:
    with pytest.raises(UsageError, match="takes real and fake, got 1"):
        METRICS["recall"]([[1.0]])


def test_every_record_is_whole() -> None:
    for record in METRICS:
        assert record.summary
        assert record.cite
        assert record.range[0] < record.range[1]
        assert all(option.default is not None or "None" in str(option.type) for option in record.options.values())


def test_a_bare_number_is_measured_too() -> None:
    found = METRICS["fid"].measure([[0.0], [1.0]], [[1.0], [2.0]])
    assert isinstance(found, Measured)
    assert METRICS["fid"]([[0.0], [1.0]], [[1.0], [2.0]]) == found.value
