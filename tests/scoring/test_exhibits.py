"""The exhibits of a report: what is shown of which samples, and what is said where something cannot be."""

from collections.abc import Iterator

import numpy as np
import pytest

import divmetrics as dm
from divmetrics.records.exhibits import Exhibits, Gallery
from divmetrics.records.metric import METRICS
from divmetrics.records.results import Report

CENTRES = np.random.default_rng(7).normal(size=(6, 8)) * 3


def modes(n: int, seed: int, kinds: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Samples `[n, 8]` of the first `kinds` of six modes, and their modes."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, kinds, n)
    return CENTRES[which] + rng.normal(size=(n, 8)), which


def scored(real: object, fake: object, **options: object) -> Report:
    """A report with exhibits, and with few permutations."""
    given: dict[str, object] = {"metrics": "fid,recall", "ci_level": 0, "exhibits": True}
    return dm.score(real, fake, **{**given, **options})  # type: ignore[arg-type]


def gallery(report: Report, kind: str) -> Gallery:
    assert report.exhibits is not None
    return next(found for found in report.exhibits.galleries if found.kind == kind)


@pytest.fixture(autouse=True, scope="module")
def _fewer_permutations() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("divmetrics.inference.verdict.judging.PERMUTATIONS", 99)
        yield


@pytest.fixture(scope="module")
def dropped() -> Report:
    return scored(modes(200, 0)[0], modes(200, 1, 5)[0], alpha=0.02)


def test_exhibits_are_absent_unless_asked_for() -> None:
    rows = modes(60, 0)[0]
    assert scored(rows, rows, exhibits=False, metrics="fid", null=False).exhibits is None


def test_real_samples_of_a_missing_mode_are_shown_beside_the_nearest_fakes(dropped: Report) -> None:
    rows, which = modes(200, 0)
    fakes, _ = modes(200, 1, 5)
    (row,) = gallery(dropped, "dropped_modes").rows
    assert len(row.real) == 6
    assert {which[shown.index] for shown in row.real} == {5}
    assert [shown.name for shown in row.real] == [f"#{shown.index}" for shown in row.real]
    first = row.real[0].index
    apart = np.linalg.norm(fakes - rows[first], axis=1)
    assert row.fake[0].index == apart.argmin()
    own = np.sort(np.linalg.norm(rows - rows[first], axis=1))[1]
    assert row.real[0].value == pytest.approx(apart.min() / own, rel=1e-4)


def test_grids_are_drawn_by_the_seed(dropped: Report) -> None:
    (row,) = gallery(dropped, "grid").rows
    assert (len(row.real), len(row.fake)) == (36, 36)
    other = scored(modes(60, 0)[0], modes(60, 1)[0], seed=1, metrics="fid", null=False)
    again = scored(modes(60, 0)[0], modes(60, 1)[0], seed=1, metrics="fid", null=False)
    assert gallery(other, "grid") == gallery(again, "grid")
    third = scored(modes(60, 0)[0], modes(60, 1)[0], seed=2, metrics="fid", null=False)
    assert gallery(other, "grid") != gallery(third, "grid")


def test_best_and_worst_fakes_are_those_of_highest_and_lowest_realism(dropped: Report) -> None:
    real, fake = modes(200, 0)[0], modes(200, 1, 5)[0]
    scores = METRICS["realism"].measure(real, fake).fake["realism"]
    for kind, sign in (("best", -1), ("worst", 1)):
        (row,) = gallery(dropped, kind).rows
        assert [shown.index for shown in row.fake] == np.argsort(sign * np.array(scores), kind="stable")[:12].tolist()
        apart = np.linalg.norm(real - fake[row.fake[3].index], axis=1)
        assert row.real[3].index == apart.argmin()
        assert f"realism {row.fake[3].value:.3g}" in row.fake[3].caption


def test_exhibits_come_back_from_json(dropped: Report) -> None:
    assert Report.from_json(dropped.to_json()) == dropped
    assert dropped.exhibits != Exhibits()
