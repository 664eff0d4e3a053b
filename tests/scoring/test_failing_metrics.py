"""A metric that cannot be computed: a dash with its reason in a preset, an error with name and side where named."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import divmetrics as dm
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, ForeignError, InternalError, Unavailable
from divmetrics.records.metric import METRICS, Laws, metric
from divmetrics.scoring.meter import Meter

REAL, FAKE = np.random.default_rng(0).normal(size=(2, 40, 4)).astype(np.float32)
HOLED = FAKE.copy()
HOLED[3] = 0
QUIET: dict[str, Any] = {"ci_level": 0, "null": False}


@contextmanager
def declared(function: Any, module: str, presets: tuple[str, ...] = ("quick",)) -> Iterator[None]:
    """A metric `broken` of `module` while the block runs."""
    METRICS.load()
    function.__module__ = module
    need = Rows.on("pooled")
    metric("broken", real=need, fake=need, better="lower", laws=Laws(), cite="", presets=presets)(function)
    try:
        yield
    finally:
        del METRICS._records["broken"]


@pytest.mark.parametrize(("real", "fake"), [(REAL, HOLED), (HOLED, REAL)])
def test_a_row_of_zeros_costs_the_metrics_of_directions_only(real: np.ndarray, fake: np.ndarray) -> None:
    report = dm.score(real, fake, metrics="full", **QUIET)
    lost = {key for key, result in report.metrics.items() if any("all zeros" in text for text in result.warnings)}
    assert {key.partition("@")[0] for key in lost} >= {"mifid"}
    assert all(report.metrics[key].value is None for key in lost)
    assert report["fid"].value == pytest.approx(dm.metrics.fid(real, fake))
    assert report["recall"].value is not None


def test_a_named_metric_ends_the_run_with_its_name_and_side() -> None:
    with pytest.raises(FeatureError, match=r"vendi@features: fake: row 3 is all zeros"):
        dm.score(REAL, HOLED, metrics="vendi", **QUIET)
    with pytest.raises(FeatureError, match=r"mifid@features: real row 3 is all zeros"):
        dm.score(HOLED, REAL, metrics="mifid", **QUIET)
    assert dm.score(HOLED, REAL, metrics="vendi", **QUIET)["vendi"].value is not None


def test_one_black_image_costs_no_run(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    images[5] = 0
    side = dm.extract(images, tmp_path / "a.dms", extractor="pixels")
    report = dm.score(tmp_path / "a.dms", images, metrics="full", extractor="pixels", **QUIET)
    assert (side.n, report["fid"].value) == (12, pytest.approx(0, abs=1e-9))
    assert "all zeros" in report["vendi"].warnings[0]


def test_a_meter_keeps_why_a_summary_is_missing_over_batches_merging_and_a_file(tmp_path: Path) -> None:
    first, second = Meter("vendi,fid", **QUIET), Meter("vendi,fid", **QUIET)
    for meter, rows in ((first, HOLED[:20]), (second, HOLED[20:])):
        meter.add("real", REAL)
        meter.add("fake", rows[:7])
        meter.add("fake", rows[7:])
    first.merge(second)
    first.save(tmp_path / "meter.dms")
    loaded = Meter.load(tmp_path / "meter.dms", "quick,fid", **QUIET)
    assert loaded.results()["fid"].value == pytest.approx(first.plan and dm.metrics.fid(np.vstack([REAL, REAL]), HOLED))
    with pytest.raises(FeatureError, match="vendi@features: fake: row 3 is all zeros"):
        first.results()
    with pytest.raises(FeatureError, match="vendi@features: fake: row 3 is all zeros"):
        Meter.load(tmp_path / "meter.dms", "vendi", **QUIET).results()


FAULTS = [ValueError("bad"), ZeroDivisionError(), np.linalg.LinAlgError("singular"), KeyError("k"), RuntimeError("r")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_any_exception_of_one_metric_of_a_preset_costs_that_metric(fault: Exception) -> None:
    def broken(real: Rows, fake: Rows) -> float:
        raise fault

    name = type(fault).__name__
    for module, error, text in (
        ("divmetrics.metrics.broken", InternalError, rf"this is a bug in divmetrics \({name}.*in the metric broken"),
        (
            "their_plugin",
            ForeignError,
            rf"the metric broken raised {name}.* at .*test_failing_metrics\.py:\d+ in broken",
        ),
    ):
        with declared(broken, module):
            report = dm.score(REAL, FAKE, metrics="quick", **QUIET)
            assert report["broken"].value is None
            assert "raised" in report["broken"].warnings[0] or "bug" in report["broken"].warnings[0]
            assert report["recall"].value is not None
            with pytest.raises(error, match=rf"broken@features: {text}"):
                dm.score(REAL, FAKE, metrics="broken,recall", **QUIET)


def test_exits_and_lack_of_memory_of_a_metric() -> None:
    def broken(real: Rows, fake: Rows) -> float:
        raise SystemExit(0) if real.n > 30 else MemoryError

    with declared(broken, "their_plugin"):
        assert "SystemExit: 0" in dm.score(REAL, FAKE, metrics="quick", **QUIET)["broken"].warnings[0]
    with declared(broken, "divmetrics.metrics.broken"), pytest.raises(Unavailable, match="needs more memory"):
        dm.score(REAL[:20], FAKE[:20], metrics="broken", **QUIET)


def test_an_interval_that_fails_costs_the_interval() -> None:
    def broken(real: Rows, fake: Rows) -> float:
        if real.n < 40:
            raise ValueError("half")
        return 1.0

    with declared(broken, "their_plugin"):
        result = dm.score(REAL, FAKE, metrics="broken,recall")["broken"]
    assert (result.value, result.ci) == (1.0, None)
    assert "no interval and no null: the metric broken raised" in result.warnings[0] or "raised" in result.warnings[0]


@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
def test_features_that_overflow_are_told_as_such_and_no_bug() -> None:
    with pytest.raises(
        FeatureError, match=r"w2@features: features as large as .*; scale both sides alike, x / [34]e\+18"
    ):
        dm.score(REAL * 1e18, FAKE * 1e18, metrics="w2", **QUIET)
    with pytest.warns(UserWarning, match="no table of modes: features as large as"):
        dm.score(REAL.astype(float) * 1e300, FAKE.astype(float) * 1e300, metrics="quick", **QUIET)
