"""Galleries: each kind of finding shows the samples that it is about."""

import numpy as np
import pytest

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.exhibits.galleries import EACH, galleries_of, gallery_of
from divmetrics.inference.exhibits.placed import PlacedGallery, PooledRows
from divmetrics.inference.verdict import Question, judge
from divmetrics.inference.verdict.findings import Found

RNG = np.random.default_rng


def galleries(real: np.ndarray, fake: np.ndarray, held_out: np.ndarray | None = None) -> dict[str, PlacedGallery]:
    """The galleries of two sets of features, by kind."""
    sides = [Rows.from_array(rows) for rows in (real, fake)]
    judged = judge(*sides, Question(0.02), held_out=None if held_out is None else Rows.from_array(held_out))
    assert judged.tested is not None
    return {found.kind: found for found in galleries_of(judged.found, judged.tested, PooledRows.of(*sides), 0)}


@pytest.fixture(autouse=True)
def _fewer_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("divmetrics.inference.verdict.judging.PERMUTATIONS", 99)


def test_groups_of_duplicates_are_those_that_were_made() -> None:
    real, fake = RNG(0).normal(size=(200, 6)), RNG(1).normal(size=(200, 6))
    for copy, original in zip(range(100, 160), np.repeat(np.arange(0, 30), 2), strict=True):  # thirty triples
        fake[copy] = fake[original] + 1e-4 * RNG(copy).normal(size=6)
    found = galleries(real, fake)["near_duplicates"]
    assert len(found.rows) == 12
    assert "12 of" in found.text
    for row in found.rows:
        places = sorted(shown.place - 200 for shown in row.fake)
        assert places[0] < 30
        assert places[1:] == [100 + 2 * places[0], 101 + 2 * places[0]]
    assert {place - 200 for place in found.members} >= {*range(30), *range(100, 160)}


def test_copies_stand_beside_their_originals() -> None:
    real, fake = RNG(0).normal(size=(200, 6)), RNG(1).normal(size=(200, 6))
    fake[:60] = real[100:160] + 1e-4 * RNG(2).normal(size=(60, 6))
    found = galleries(real, fake, RNG(3).normal(size=(200, 6)))["copies"]
    assert len(found.rows) == 18
    for row in found.rows:
        (original,), (copy,) = row.real, row.fake
        assert copy.place - 200 + 100 == original.place


def test_shrunken_modes_are_ranked_by_how_narrow_they_are() -> None:
    centres = 8 * np.eye(4)
    which = RNG(0).integers(0, 4, 400)
    real = centres[which] + RNG(1).normal(size=(400, 4))
    fake = centres[which] + RNG(2).normal(size=(400, 4)) * np.where(which == 2, 0.2, 0.6)[:, None]
    found = galleries(real, fake)["shrunken_modes"]
    first = found.rows[0]
    assert {which[shown.place % 400] for shown in (*first.real, *first.fake)} == {2}
    assert float(first.title.split(": ")[1].split()[0]) == pytest.approx(0.2, abs=0.05)
    assert len(first.real) == len(first.fake) == EACH


def test_lost_modes_are_those_of_the_partition_that_the_finding_names() -> None:
    """Also where the tests that found them, such as those of neighbourhoods, have no partition in their names."""
    which = RNG(4).integers(0, 2, (2, 200))
    sides = [Rows.from_array(np.stack([9.0 * own, RNG(5 + i).normal(size=200)], 1)) for i, own in enumerate(which)]
    names = tuple([f"class {k}" for k in own] for own in 1 - which)
    judged = judge(*sides, Question(0.02), classes=names)
    assert judged.tested is not None
    fault = Found("thinned_modes", 0.01, 0.1, "", "", ("avoided_16",), 3.0, modes=("class 1",), partition="classes")
    (found,) = galleries_of([fault], judged.tested, PooledRows.of(*sides), 0)
    assert found.rows[0].title.startswith("class 1: ")
    assert {names[0][shown.place] for shown in found.rows[0].real} == {"class 1"}


def test_findings_about_modes_name_their_partition() -> None:
    centres = 8 * np.eye(4)
    real, fake = (centres[RNG(0).integers(0, kept, 300)] + RNG(kept).normal(size=(300, 4)) for kept in (4, 3))
    (fault, *_) = judge(Rows.from_array(real), Rows.from_array(fake), Question(0.02)).found
    assert (fault.kind, fault.partition) == ("dropped_modes", "clusters")


def test_invented_and_far_samples_are_shown_with_the_nearest_real_one() -> None:
    real, fake = RNG(0).normal(size=(300, 4)), RNG(1).normal(size=(300, 4))
    fake[:60] += 9
    found = galleries(real, fake)
    row = found["invented_modes"].rows[0]
    assert all(300 <= shown.place < 360 for shown in row.fake)
    for original, shown in zip(row.real, row.fake, strict=True):
        assert original.place == np.linalg.norm(real - fake[shown.place - 300], axis=1).argmin()
    assert set(found["invented_modes"].members) == set(range(300, 360))


def test_neighbours_are_exact_in_any_unit_and_never_the_sample_itself() -> None:
    real, fake = 1e20 * RNG(0).normal(size=(30, 3)), 1e20 * RNG(1).normal(size=(20, 3))
    rows = PooledRows.of(Rows.from_array(real), Rows.from_array(fake))
    apart, places = rows.nearest([3, 7], "real", 4)
    for at, place in enumerate((3, 7)):
        own = np.linalg.norm(real - real[place], axis=1)
        assert places[at].tolist() == np.argsort(own)[1:5].tolist()
    assert (apart[:, :-1] <= apart[:, 1:]).all()
    assert rows.nearest([0], "fake", 50)[1].shape == (1, 20)
    assert PooledRows.of(Rows.from_array(real[:1]), Rows.from_array(fake)).nearest([0], "real")[1].shape == (1, 0)


def test_what_is_avoided_is_shown_by_the_direction_or_by_the_neighbours() -> None:
    """A fifth of the real samples lie where no fake ones do."""
    real, fake = RNG(0).normal(size=(300, 3)), RNG(1).normal(size=(300, 3))
    real[:60, 0] += 3
    sides = [Rows.from_array(rows) for rows in (real, fake)]
    tested = judge(*sides, Question(0.02)).tested
    assert tested is not None
    for tests, title in ((("avoided_16", "missing_direction"), "Most typical"), (("avoided_16",), "Fewest fake")):
        fault = Found("narrow", 0.01, 0.1, "share", "", tests, 3.0)
        (row,) = gallery_of(fault, tested, PooledRows.of(*sides), 0).rows
        assert row.title.startswith(title)
        assert np.mean([shown.place < 60 for shown in row.real]) > 0.9
