"""Tables of modes and of single samples, from what was given to what a report holds."""

from pathlib import Path

import numpy as np
import pytest

import divmetrics as dm
from divmetrics.errors import UsageError

CENTRES = 10 * np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])


def mixture(modes: list[int], n: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """`n` points about each of `modes`, and the names of their modes."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(modes, n)
    return CENTRES[labels] + rng.normal(size=(len(labels), 2)), [f"mode {label}" for label in labels]


REAL, NAMES = mixture([0, 1, 2, 3], 60, 0)
FAKE, FAKE_NAMES = mixture([0, 1, 2], 80, 1)
QUIET = {"ci_level": 0, "null": False}


def test_a_missing_mode_is_found_without_labels_and_shown() -> None:
    report = dm.score(REAL, FAKE, metrics="quick", **QUIET)
    assert len(report.modes) == 4
    (missing,) = [mode for mode in report.modes if mode.state == "missing"]
    assert (missing.real_share, missing.fake_share) == (0.25, 0)
    assert missing.p < 1e-6
    assert len(missing.exemplars) == 5
    assert all(NAMES[int(path.strip("#"))] == "mode 3" for path in missing.exemplars)
    assert dm.Report.from_json(report.to_json()).modes == report.modes


def test_the_number_of_modes_may_be_given() -> None:
    assert len(dm.score(REAL, FAKE, metrics="recall", modes=7, **QUIET).modes) == 7


def test_metrics_named_one_by_one_make_no_clusters() -> None:
    assert dm.score(REAL, FAKE, metrics="recall", **QUIET).modes == ()


def labelled(metrics: str, **wanted: object) -> dm.Report:
    meter = dm.Meter(metrics, **QUIET, **wanted)
    meter.add("real", REAL, labels=NAMES)
    meter.add("fake", FAKE, labels=FAKE_NAMES)
    return meter.results()


def test_labels_go_before_clusters_and_a_number_before_labels() -> None:
    assert [mode.name for mode in labelled("default").modes] == ["mode 0", "mode 1", "mode 2", "mode 3"]
    assert [mode.name for mode in labelled("default", modes=2).modes] == ["cluster 0", "cluster 1"]


def test_a_confusion_corrects_the_shares() -> None:
    confusion = np.full((4, 4), 0.05) + 0.8 * np.eye(4)
    plain, corrected = labelled("modes_found"), labelled("modes_found", confusion=confusion)
    assert [mode.corrected for mode in (*plain.modes, *corrected.modes)] == [False] * 4 + [True] * 4
    assert [mode.fake_share for mode in plain.modes] != [mode.fake_share for mode in corrected.modes]


@pytest.mark.parametrize("name", ["c.npy", "c.csv"])
def test_a_confusion_is_read_from_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    np.save(path, np.eye(4)) if name.endswith("npy") else np.savetxt(path, np.eye(4), delimiter=",")
    report = dm.score(REAL, FAKE, metrics="recall", confusion=path, **QUIET)
    assert report["recall"].value is not None


def test_what_is_no_confusion_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("a,b\n")
    with pytest.raises(UsageError, match="is not a confusion matrix"):
        dm.score(REAL, FAKE, metrics="recall", confusion=tmp_path / "c.csv", **QUIET)


def test_single_samples_are_described() -> None:
    fake = np.concatenate([FAKE[:-2], FAKE[:2]])  # two exact copies
    report = dm.score(REAL, fake, metrics="fid", samples=True, **QUIET)
    reals, fakes = report.samples["real"], report.samples["fake"]
    assert {"path", "nearest_real", "nearest_real_distance", "inside", "realism", "rarity", "duplicate_group"} <= set(
        fakes
    )
    assert {"path", "nearest_fake", "nearest_fake_distance", "covered", "covered_by"} <= set(reals)
    distances = np.linalg.norm(REAL[:, None] - fake[None], axis=2)
    assert fakes["nearest_real"] == [f"#{i}" for i in distances.argmin(0)]
    assert fakes["nearest_real_distance"] == pytest.approx(distances.min(0))
    assert fakes["duplicate_group"][0] == fakes["duplicate_group"][-2]
    for covered, by, nearest in zip(reals["covered"], reals["covered_by"], reals["nearest_fake"], strict=True):
        assert by == (nearest if covered else "")


def test_without_the_wish_there_are_only_the_columns_of_the_metrics() -> None:
    assert dm.score(REAL, FAKE, metrics="fid", **QUIET).samples == {}
    assert set(dm.score(REAL, FAKE, metrics="recall", **QUIET).samples["real"]) == {"path", "recalled"}
