"""The recorded numbers of the zoo, and that the samples still give them."""

import numpy as np
import pytest

from divmetrics.errors import Unavailable
from divmetrics.records.generator import ZOO, ZooModel
from divmetrics.zoo import record

QUICK = ["ring-8", "grid-25-drop", "modes-64d-shrink", "digits", "digits-thin"]


def fake(name="made-up", function=None):
    return ZooModel(
        name,
        function=function or ZOO["ring-8-drop"].function,
        family="oracle",
        target="ring-8",
        knob="a test",
        cite="none",
    )


def test_every_entry_has_a_record_or_says_that_it_cannot():
    missing = [m.name for m in ZOO if m.target != "stacked-mnist" and record.recorded(m) is None]
    assert missing == []


@pytest.mark.parametrize("name", QUICK)
def test_entries_give_their_recorded_numbers(name):
    (checked,) = record.check([ZOO[name]])
    assert (checked.state, checked.name) == ("same", name)


def test_a_new_entry_is_shown_and_passes():
    (checked,) = record.check([fake()])
    assert checked.state == "new"
    assert checked.found["modes_total"] == 8


def test_an_entry_that_moved_is_seen():
    (checked,) = record.check([fake("ring-8", ZOO["ring-8-drop"].function)])
    assert checked.state == "changed"
    assert "modes_found 8 -> 3" in checked.text


def test_what_cannot_be_drawn_here():
    def none(n, seed):
        raise Unavailable("its data are not installed.")

    (checked,) = record.check([fake(function=none)])
    assert (checked.state, checked.text) == ("unavailable", "its data are not installed.")


def test_a_record_is_written_and_read(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RECORD", tmp_path / "recorded.json")
    record.write_record(record.check([fake()]))
    assert next(record.check([fake()])).state == "same"


def test_severity_spans_the_range():
    severities = [record.recorded(m)["severity"] for m in ZOO if m.target in ("grid-25", "ring-8", "digits")]
    assert all(np.histogram(severities, 5, (0, 1))[0] > 0)
