"""Clusters at fault get the names of the modes of the report that they are, or of which they are parts."""

import numpy as np
import pytest

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict import ModesOfSamples, Naming, Question, judge

NAMES = ["cat", "dog", "elk"]
MODES = ModesOfSamples(NAMES, np.repeat([0, 1, 2], 10))


def test_a_mode_of_which_most_lies_in_the_cluster_is_it() -> None:
    names, text = MODES.within(np.arange(30), np.arange(30) >= 19, "dropped_modes")  # one dog of ten, and every elk
    assert (names, text) == (("elk",), "In the table of modes: elk.")


def test_several_modes_are_listed_the_largest_first() -> None:
    positions = np.array([0, 1, 10, 11, 12, 20, 21])
    names, text = MODES.within(positions, np.array([1, 1, 1, 1, 1, 0, 0], bool), "dropped_modes")
    assert (names, text) == (("dog", "cat"), "In the table of modes: dog, cat.")


def test_a_part_of_a_mode_is_called_one() -> None:
    names, text = MODES.within(np.arange(30), np.arange(30) < 4, "dropped_modes")
    assert (names, text) == ((), "In the table of modes they are parts of cat.")


@pytest.mark.parametrize(
    ("kind", "state", "named"),
    [
        ("dropped_modes", "missing", True),
        ("dropped_modes", "unseen", True),
        ("dropped_modes", "thinned", False),
        ("dropped_modes", "present", False),
        ("thinned_modes", "thinned", True),
        ("thinned_modes", "present", True),
        ("thinned_modes", "missing", False),
    ],
)
def test_a_mode_is_named_only_where_the_table_has_the_same_word(kind: str, state: str, named: bool) -> None:
    table = ModesOfSamples(NAMES, MODES.real, {"elk": state})
    whole = (("elk",), "In the table of modes: elk.")
    part = ((), "In the table of modes they are parts of elk.")
    assert table.within(np.arange(30), np.arange(30) >= 20, kind) == (whole if named else part)


def test_samples_without_a_mode() -> None:
    nowhere = ModesOfSamples(NAMES, np.full(30, -1))
    assert nowhere.within(np.arange(30), np.arange(30) < 6, "dropped_modes") == ((), "")


def test_a_finding_speaks_of_the_modes_of_the_report() -> None:
    rng = np.random.default_rng(0)
    centres, real_modes, fake_modes = 9 * rng.normal(size=(4, 3)), rng.integers(0, 4, 200), rng.integers(0, 3, 200)
    real, fake = (Rows.from_array(centres[of] + rng.normal(size=(200, 3))) for of in (real_modes, fake_modes))
    modes = ModesOfSamples(["a", "b", "c", "d"], real_modes)
    named = judge(real, fake, Question(), naming=Naming(modes=lambda: modes)).verdict.findings[0]
    assert (named.kind, named.modes) == ("dropped_modes", ("d",))
    assert named.text.endswith("of the real samples are missing. In the table of modes: d.")
    plain = judge(real, fake, Question()).verdict.findings[0]
    assert plain.modes == ()
    assert "cluster" not in plain.text


def test_invented_modes_are_none_of_the_report() -> None:
    rng = np.random.default_rng(1)
    centres, real_modes, fake_modes = 9 * rng.normal(size=(4, 3)), rng.integers(0, 3, 200), rng.integers(0, 4, 200)
    real, fake = (Rows.from_array(centres[of] + rng.normal(size=(200, 3))) for of in (real_modes, fake_modes))
    naming = Naming(modes=lambda: ModesOfSamples(["a", "b", "c"], real_modes))
    found = judge(real, fake, Question(), naming=naming).verdict.findings
    (invented,) = (finding for finding in found if finding.kind == "invented_modes")
    assert invented.modes == ()
    assert "table of modes" not in invented.text
