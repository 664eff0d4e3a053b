"""Modes by themselves, where only their shares are known, and which of many are measured."""

from types import SimpleNamespace
from typing import Any

import pytest

from divmetrics.records.results import Mode
from divmetrics.scoring import exhibit_curves as module
from divmetrics.scoring.exhibit_curves import mode_details
from divmetrics.scoring.exhibits import Measurement, _Making
from divmetrics.scoring.plan import Plan
from divmetrics.scoring.progress import silent


def test_where_no_sample_has_a_mode_the_numbers_of_samples_follow_from_the_shares() -> None:
    modes = [Mode(0, "a", 0.75, 0.2, 0.01, "thinned"), Mode(1, "b", 0.25, 0.8, None, "present")]
    details, notes = mode_details(modes, None, None, (80, 40), 0)
    assert [(d.name, d.n_real, d.n_fake, d.state, d.p) for d in details] == [
        ("a", 60, 8, "thinned", 0.01),
        ("b", 20, 32, "present", None),
    ]
    assert {(d.recall, d.spread, d.fid, d.spacing_ratio) for d in details} == {(None,) * 4}
    assert notes == []
    sides: Any = {"real": SimpleNamespace(n=80), "fake": SimpleNamespace(n=40)}
    making = _Making(Measurement(sides, Plan.of("fid", exhibits=True), (), {}, modes, None), silent)
    vars(making).update(extractor=None, memberships=None)
    assert [*making._modes()] == details


def test_of_many_modes_those_that_lack_samples_and_then_the_largest_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_MODES", 3)
    states = ["present", "present", "missing", "present", "thinned"]
    modes = [Mode(i, f"m{i}", (i + 1) / 15, 0.2, None, state) for i, state in enumerate(states)]
    details, notes = mode_details(modes, None, None, (150, 150), 0)
    assert [detail.name for detail in details] == ["m2", "m3", "m4"]
    assert notes[0].startswith("Of 5 modes the 3 most telling ones")
