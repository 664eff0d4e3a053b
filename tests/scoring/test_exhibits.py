"""The exhibits of a report: what is shown of which samples, and what is said where something cannot be."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.linalg import LinAlgError

import divmetrics as dm
from divmetrics.arrays import dist
from divmetrics.arrays.pairs import _neighbour_pass
from divmetrics.arrays.summaries import Rows
from divmetrics.records.exhibits import Exhibits, Gallery
from divmetrics.records.metric import METRICS
from divmetrics.records.results import Report
from divmetrics.scoring.exhibits import Measurement, exhibits_of
from divmetrics.scoring.plan import Plan
from divmetrics.sources import open_source, with_labels

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
    line = np.arange(40.0)[:, None]
    first, again, other = (scored(line, line + 0.5, seed=s, metrics="emd", null=False) for s in (1, 1, 2))
    assert gallery(first, "grid") == gallery(again, "grid")
    assert gallery(first, "grid") != gallery(other, "grid")
    assert first.exhibits is not None
    assert [drawn.method for drawn in first.exhibits.maps] == ["columns"]


def test_best_and_worst_fakes_are_those_of_highest_and_lowest_realism(dropped: Report) -> None:
    real, fake = modes(200, 0)[0], modes(200, 1, 5)[0]
    scores = METRICS["realism"].measure(real, fake).fake["realism"]
    for kind, sign in (("best", -1), ("worst", 1)):
        (row,) = gallery(dropped, kind).rows
        assert [shown.index for shown in row.fake] == np.argsort(sign * np.array(scores), kind="stable")[:12].tolist()
        apart = np.linalg.norm(real - fake[row.fake[3].index], axis=1)
        assert row.real[3].index == apart.argmin()
        assert f"realism {row.fake[3].value:.3g}" in row.fake[3].caption


def test_the_best_and_worst_come_from_the_pass_over_all_pairs_that_the_metrics_make(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passes = []
    once = _neighbour_pass._pass

    def counted(real: Rows, *given: object) -> None:
        passes.append(real.n)
        once(real, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(_neighbour_pass, "_pass", counted)
    plain(modes(60, 0)[0], modes(60, 1)[0])
    assert passes.count(60) == 1


def test_exhibits_come_back_from_json(dropped: Report) -> None:
    assert Report.from_json(dropped.to_json()) == dropped
    assert dropped.exhibits != Exhibits()


def test_maps_show_both_sides_with_their_modes_and_findings(dropped: Report) -> None:
    assert dropped.exhibits is not None
    assert dropped.exhibits.notes == ()
    pca, tsne = dropped.exhibits.maps
    assert (pca.method, tsne.method) == ("pca", "tsne")
    assert "seed 0" in tsne.text
    assert "no evidence" in tsne.text
    pooled = np.concatenate([modes(200, 0)[0], modes(200, 1, 5)[0]])
    centred = pooled - pooled.mean(0)
    singular = np.linalg.svd(centred)[1]
    assert f"({singular[0] ** 2 / (singular**2).sum():.1%} of the variance)" in pca.x_label
    expected = centred @ np.linalg.svd(centred)[2][0] / np.abs(centred).max()
    assert np.abs(pca.points.x) == pytest.approx(np.abs(expected), abs=1e-4)
    for drawn in (pca, tsne):
        points = drawn.points
        assert list(zip(points.side, points.index, strict=True)) == [
            (side, i) for side in ("real", "fake") for i in range(200)
        ]
        which = np.concatenate([modes(200, 0)[1], modes(200, 1, 5)[1]])
        pure = [np.bincount(which[[own == name for own in points.mode]]).max() for name in set(points.mode)]
        assert len(pure) == 6
        assert sum(pure) >= 398
        shown = [i for i in range(400) if points.finding[i] == "dropped_modes"]
        assert {points.side[i] for i in shown} == {"real"}
        assert (which[shown] == 5).sum() >= len(shown) - 1 >= 25
    near = np.square(
        np.array([tsne.points.x, tsne.points.y]).T[:, None] - np.array([tsne.points.x, tsne.points.y]).T
    ).sum(2)
    np.fill_diagonal(near, np.inf)
    assert (which[near.argmin(1)] == which).mean() > 0.95  # neighbours stay neighbours


def test_modes_are_measured_by_themselves(dropped: Report) -> None:
    assert dropped.exhibits is not None
    details = dropped.exhibits.modes
    assert [(mode.name, mode.state, mode.p) for mode in details] == [(m.name, m.state, m.p) for m in dropped.modes]
    assert sum(mode.n_real for mode in details) == sum(mode.n_fake for mode in details) == 200
    for mode in details:
        if mode.state == "missing":
            assert (mode.n_fake, mode.recall, mode.fid, mode.spacing_ratio) == (0, None, None, None)
        else:
            assert mode.recall > 0.6
            assert mode.spread == pytest.approx(1, abs=0.2)
            assert mode.spacing_ratio == pytest.approx(1, abs=0.3)
            assert 0 < mode.fid < 8


def test_curves_end_at_the_values_of_the_report(dropped: Report) -> None:
    assert dropped.exhibits is not None
    prd, *others = dropped.exhibits.curves
    assert prd.name == "prd"
    assert max(prd.series[0].x) < 0.9  # a sixth of the real samples is out of reach
    assert [curve.name for curve in others] == ["convergence:fid@features", "convergence:recall@features"]
    for curve in others:
        (series,) = curve.series
        assert series.x == (25, 50, 100, 200)
        assert series.y[-1] == dropped[curve.name.partition(":")[2]].value
        assert all(low <= value <= high for low, value, high in zip(series.low, series.y, series.high, strict=True))
    fid = others[0].series[0].y
    assert fid[0] > fid[1] > fid[-1]  # its bias falls as samples are added


def plain(real: object, fake: object, **options: object) -> Exhibits:
    """Exhibits without intervals, nulls and verdict."""
    found = scored(real, fake, **{"metrics": "recall", "null": False, **options}).exhibits
    assert found is not None
    return found


def test_two_samples_and_samples_that_are_all_the_same_say_what_cannot_be_shown() -> None:
    two = plain(np.eye(2, 3), np.eye(2, 3) + 1, metrics="emd")
    assert [found.kind for found in two.galleries] == ["grid"]
    assert [drawn.method for drawn in two.maps] == ["pca"]
    assert any("t-SNE needs 5 samples" in note for note in two.notes)
    assert any("best and worst samples could not be made" in note for note in two.notes)
    same = plain(np.ones((9, 3)), np.ones((9, 3)))
    assert same.maps == ()
    assert any("nothing to map" in note for note in same.notes)
    assert not any("bug" in note for note in (*two.notes, *same.notes))


def test_a_curve_of_one_point_is_none() -> None:
    """Halves of sixty samples are too few for 40 neighbours."""
    found = plain(modes(60, 0)[0], modes(60, 1)[0], metrics="recall:k=40")
    assert [curve.name for curve in found.curves] == ["prd"]


def test_of_many_samples_those_that_are_tested_are_shown_in_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("divmetrics.inference.verdict.judging.LARGEST", 25)
    real, fake = np.random.default_rng(0).normal(size=80).reshape(2, 40, 1)
    (drawn,) = plain(real, fake, metrics="emd").maps
    rows = {"real": real, "fake": fake}
    shown = [rows[side][index, 0] for side, index in zip(drawn.points.side, drawn.points.index, strict=True)]
    assert [drawn.points.side.count(side) for side in rows] == [25, 25]
    assert np.corrcoef(shown, drawn.points.x)[0, 1] == pytest.approx(1)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # what scikit-learn says before it refuses them
def test_features_that_overflow_have_a_verdict_and_exhibits_all_the_same() -> None:
    rows = 1e200 * modes(60, 0)[0]
    with pytest.warns(UserWarning, match="no table of modes: .* overflow"):
        report = scored(rows, rows[::-1], metrics="recall")
    assert report.verdict is not None
    assert report.verdict.state == "inconclusive"
    assert [finding.kind for finding in report.verdict.findings] == ["copies"]  # the same rows in another order
    assert report.exhibits is not None
    assert [drawn.method for drawn in report.exhibits.maps] == ["pca", "tsne"]
    assert not any("bug" in note for note in report.exhibits.notes)


def test_classes_of_one_side_alone_and_many_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = modes(130, 0)[0]
    real = with_labels(open_source(rows), ["<b>", "cat"] * 65)
    fake = with_labels(open_source(rows + 0.1), ["<b>"] * 100 + ["dog"] * 30)
    details = {mode.name: mode for mode in plain(real, fake).modes}
    assert (details["dog"].state, details["dog"].n_real, details["dog"].n_fake) == ("invented", 0, 30)
    assert (details["cat"].n_real, details["cat"].n_fake) == (65, 0)
    assert details["<b>"].spread == pytest.approx(1, abs=0.2)
    monkeypatch.setattr("divmetrics.scoring.exhibit_curves.MOST_MODES", 5)
    names = [f"c{number % 9}" for number in range(30)]
    most = with_labels(open_source(rows[:30]), names), with_labels(open_source(rows[:29]), ["c1", *names[1:29]])
    many = plain(*most, metrics="mode_tv")
    assert [mode.name for mode in many.modes] == ["c0", "c1", "c2", "c3", "c4"]
    assert any(note.startswith("Of 9 modes the 5") for note in many.notes)


def test_statistics_have_no_samples_to_show(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (9, 2, 2, 3), dtype=np.uint8)
    np.savez(tmp_path / "stats.npz", mu=np.zeros(12), sigma=np.eye(12))
    with pytest.warns(UserWarning, match="taken to be pixels"):
        found = plain(tmp_path / "stats.npz", images, metrics="fid", extractor="pixels?size=2")
    (grid,) = found.galleries
    assert (len(grid.rows[0].real), len(grid.rows[0].fake)) == (0, 9)
    assert any("files of statistics" in note for note in found.notes)


def test_a_part_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise LinAlgError("it does not converge")

    monkeypatch.setattr("divmetrics.scoring.exhibit_maps.tsne_plane", fail)
    rows = modes(40, 0)[0]
    found = plain(rows, rows[::-1])
    assert [drawn.method for drawn in found.maps] == ["pca"]
    assert len(found.curves) == 1
    assert any(note.startswith("The maps could not be made") and "does not converge" in note for note in found.notes)


def test_only_the_first_rank_makes_exhibits_and_does_not_wait_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    measurement = Measurement(None, Plan.of("fid", exhibits=True), (), {}, (), None)  # type: ignore[arg-type]
    monkeypatch.setattr("divmetrics.scoring.exhibits._Making.all", lambda _: dist.world())
    for rank, wanted in ((0, (0, 1)), (1, None)):
        monkeypatch.setattr("divmetrics.arrays.dist.td.is_initialized", lambda: True)
        monkeypatch.setattr("divmetrics.arrays.dist.td.get_rank", lambda rank=rank: rank)
        monkeypatch.setattr("divmetrics.arrays.dist.td.get_world_size", lambda: 2)
        with dist.collective():
            assert dist.world() == (rank, 2)
            assert exhibits_of(measurement) == wanted
