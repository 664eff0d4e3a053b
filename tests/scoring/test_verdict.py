"""The verdict of a report: on which features, with which names, in JSON and on the page."""

from pathlib import Path

import numpy as np
import pytest

import divmetrics as dm
from divmetrics.records.results import Report
from divmetrics.report.page import report_page
from divmetrics.sources import open_source, with_labels

CENTRES = np.random.default_rng(7).normal(size=(6, 8)) * 3


def modes(n: int, seed: int, kinds: int = 6) -> tuple[np.ndarray, list[str]]:
    """Samples `[n, 8]` of the first `kinds` of six modes, and their classes."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, kinds, n)
    return CENTRES[which] + rng.normal(size=(n, 8)), [f"class {k}" for k in which]


@pytest.fixture(autouse=True)
def _fewer_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("divmetrics.inference.verdict.judging.PERMUTATIONS", 199)


@pytest.fixture(scope="module")
def collapsed() -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("divmetrics.inference.verdict.judging.PERMUTATIONS", 199)
        return dm.score(modes(200, 0)[0], modes(200, 1, kinds=5)[0], metrics="fid,recall,coverage", ci_level=0)


def test_a_report_begins_with_its_verdict(collapsed: Report) -> None:
    assert collapsed.verdict is not None
    assert (collapsed.verdict.state, collapsed.verdict.extractor) == ("collapsed", "features")
    finding = collapsed.verdict.findings[0]
    assert finding.kind == "dropped_modes"
    assert finding.evidence == ("recall@features", "coverage@features")
    facts = report_page(collapsed).facts
    assert facts[0] == ("verdict", collapsed.verdict.text)
    assert facts[1][0] == "finding"
    assert str(collapsed).splitlines()[1].startswith("verdict")
    assert list(collapsed.to_dict())[:4] == ["schema", "divmetrics", "created", "verdict"]


def test_the_verdict_survives_json(collapsed: Report) -> None:
    assert Report.from_json(collapsed.to_json()) == collapsed
    entry = collapsed.to_dict()["verdict"]
    assert entry.keys() >= {"state", "alpha", "tolerance", "text", "n_needed", "findings"}
    assert entry["findings"][0].keys() >= {"kind", "p", "effect", "unit", "evidence", "text", "samples"}


def test_samples_are_called_by_their_names(collapsed: Report) -> None:
    assert collapsed.verdict is not None
    _, names = modes(200, 0)
    shown = collapsed.verdict.findings[0].samples
    assert shown
    assert {names[int(name.removeprefix("#"))] for name in shown} == {"class 5"}


def test_classes_of_both_sides_are_named() -> None:
    sides = [with_labels(open_source(rows), names) for rows, names in (modes(200, 0), modes(200, 1, kinds=5))]
    verdict = dm.score(*sides, metrics="fid", ci_level=0).verdict
    assert verdict is not None
    assert verdict.findings[0].modes == ("class 5",)


def strays(n: int) -> tuple[tuple[np.ndarray, list[str]], tuple[np.ndarray, list[str]]]:
    """Samples of six modes, and of five with three samples of the sixth."""
    (fake, names), (more, sixth) = modes(n, 1, kinds=5), modes(200, 2)
    few = [i for i, name in enumerate(sixth) if name == "class 5"][:3]
    return modes(n, 0), (np.concatenate([fake, more[few]]), [*names, *(["class 5"] * 3)])


def test_a_class_with_few_samples_is_thinned_in_the_verdict_and_in_the_table() -> None:
    report = dm.score(*(with_labels(open_source(rows), names) for rows, names in strays(200)), metrics="modes_found")
    assert {mode.name: mode.state for mode in report.modes}["class 5"] == "thinned"
    assert report.verdict is not None
    finding = report.verdict.findings[0]
    assert (report.verdict.state, finding.kind, finding.modes) == ("collapsed", "thinned_modes", ("class 5",))
    assert "are thinned" in report.verdict.text
    assert [f for f in report.verdict.findings if f.kind == "dropped_modes"] == []


def test_a_cluster_with_few_samples_is_missing_in_the_verdict_and_in_the_table() -> None:
    report = dm.score(*(rows for rows, _ in strays(200)), metrics="fid", ci_level=0, modes=6)
    (missing,) = (mode for mode in report.modes if mode.state == "missing")
    assert missing.fake_share > 0
    assert report.verdict is not None
    finding = report.verdict.findings[0]
    assert (finding.kind, finding.modes) == ("dropped_modes", (missing.name,))


def test_held_out_samples_without_rows_are_mentioned(tmp_path: Path) -> None:
    real, fake = np.random.default_rng(0).integers(0, 255, (2, 60, 4, 4, 3), dtype=np.uint8)
    held_out = tmp_path / "stats.npz"
    np.savez(held_out, mu=np.zeros(48), sigma=np.eye(48))
    options = {"metrics": "recall", "ci_level": 0, "extractor": "pixels?size=4"}
    told = "the verdict is given without the held-out samples: .*stats.npz holds a mean and a covariance"
    with pytest.warns(UserWarning, match=told), pytest.warns(UserWarning, match="taken to be pixels"):
        assert dm.score(real, fake, held_out=held_out, **options).verdict is not None


def test_no_verdict_without_null_distributions_or_rows(tmp_path: Path) -> None:
    rows = modes(120, 0)[0]
    assert dm.score(rows, rows, metrics="fid", null=False).verdict is None
    images = np.random.default_rng(0).integers(0, 255, (60, 4, 4, 3), dtype=np.uint8)
    np.savez(tmp_path / "stats.npz", mu=np.zeros(48), sigma=np.eye(48))
    with pytest.warns(UserWarning, match="taken to be pixels"):
        report = dm.score(tmp_path / "stats.npz", images, metrics="fid", extractor="pixels?size=4")
    assert report.verdict is None


def test_held_out_samples_find_copies() -> None:
    train, held_out = modes(200, 0)[0], modes(200, 1)[0]
    fake = np.concatenate([train[:100] + 1e-3, modes(100, 2)[0]])
    verdict = dm.score(train, fake, held_out=held_out, metrics="recall", ci_level=0).verdict
    assert verdict is not None
    assert verdict.state == "collapsed"
    assert "copies" in [finding.kind for finding in verdict.findings]


def test_a_meter_has_the_same_verdict(collapsed: Report) -> None:
    meter = dm.Meter(metrics="fid,recall,coverage", ci_level=0)
    meter.add("real", modes(200, 0)[0])
    meter.add("fake", modes(200, 1, kinds=5)[0])
    assert meter.results().verdict == collapsed.verdict


def test_alpha_and_tolerance_are_options() -> None:
    real, fake = modes(300, 0)[0], modes(300, 1)[0]
    strict, lenient = (dm.score(real, fake, metrics="fid", ci_level=0, tolerance=t).verdict for t in (0.01, 0.4))
    assert strict is not None
    assert lenient is not None
    assert (strict.state, lenient.state) == ("inconclusive", "healthy")
    assert (strict.tolerance, strict.alpha) == (0.01, 0.01)
    with pytest.raises(dm.UsageError, match="alpha"):
        dm.score(real, fake, metrics="fid", alpha=0.7)
