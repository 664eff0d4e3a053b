"""Statistics of other tools as a side."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import divmetrics as dm
from divmetrics.errors import FeatureError, MissingLayer, SourceError, UsageError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 2, 2, 3)).astype(np.uint8)
ROWS = PIXELS.transpose(0, 3, 1, 2).reshape(40, -1) / 255  # what `pixels` makes of them


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fake").mkdir()
    for i, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(tmp_path / "fake" / f"{i:02}.png")
    return tmp_path / "fake"


@pytest.fixture
def statistics(tmp_path: Path) -> Path:
    real = RNG.normal(0.4, 0.3, (90, 12))
    np.savez(tmp_path / "real.npz", mu=real.mean(0), sigma=np.cov(real, rowvar=False))
    np.save(tmp_path / "rows.npy", real)
    return tmp_path / "real.npz"


def test_fid_against_a_statistics_file(folder: Path, statistics: Path) -> None:
    with pytest.warns(UserWarning, match="does not say which network made it"):
        report = dm.score(statistics, folder, extractor="pixels", metrics="fid")
    real = np.load(statistics.parent / "rows.npy")
    assert report["fid"].value == pytest.approx(dm.metrics.fid(real, ROWS.astype(np.float32)), rel=1e-6)
    assert (report.real.n, report["fid"].n_real) == (None, None)
    assert "|n:?/40|" in str(report["fid"].signature)
    assert dm.Report.from_json(report.to_json()) is not None


@pytest.mark.filterwarnings("ignore:.*does not say which network")
def test_other_metrics_are_refused_with_the_reason(folder: Path, statistics: Path) -> None:
    report = dm.score(statistics, folder, extractor="pixels", metrics="quick")
    assert report["fid"].value is not None
    assert report["recall"].value is None
    assert "holds no Rows of pooled" in report["recall"].warnings[0]
    with pytest.raises(MissingLayer, match=r"recall@pixels: .*holds no Rows"):
        dm.score(statistics, folder, extractor="pixels", metrics="recall")


@pytest.mark.filterwarnings("ignore:.*does not say which network")
def test_statistics_that_do_not_fit(folder: Path, statistics: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "odd.npz", mu=np.zeros(3), sigma=np.eye(4))
    with pytest.raises(SourceError, match=r"shapes \[3\] and \[4, 4\]"):
        dm.score(tmp_path / "odd.npz", folder, extractor="pixels", metrics="fid")
    np.savez(tmp_path / "wide.npz", mu=np.zeros(4), sigma=np.eye(4))
    with pytest.raises(FeatureError, match="4 columns on one side and 12 on the other"):
        dm.score(tmp_path / "wide.npz", folder, extractor="pixels", metrics="fid")
    with pytest.raises(UsageError, match="name that one with --extractor"):
        dm.score(statistics, folder, extractor="pixels,pixels?size=2", metrics="fid")


def test_pickles_are_never_opened(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cifar10.pkl").write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    with pytest.raises(SourceError, match="is a pickle, which runs code when it is read"):
        dm.score(tmp_path / "cifar10.pkl", folder, extractor="pixels", metrics="fid")
