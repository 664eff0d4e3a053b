"""Users without a home folder, as a bare user id in a container is."""

import pwd
from pathlib import Path

import numpy as np
import pytest

import divmetrics as dm
from divmetrics.encoders import weights
from divmetrics.errors import Unavailable, UsageError
from divmetrics.extraction.store import Cache
from divmetrics.records.folders import user_cache


@pytest.fixture(autouse=True)
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "XDG_CACHE_HOME", "DIVMETRICS_CACHE", "DIVMETRICS_HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_goes_on_without_a_cache_and_leaves_nothing_behind(homeless: Path) -> None:
    assert user_cache() is None
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8)
    with pytest.warns(UserWarning, match="features are not kept: this user has no home folder; name one with --cache"):
        report = dm.score(images, images[::-1], metrics="fid", extractor="pixels", ci_level=0, null=False)
    assert report["fid"].value == pytest.approx(0, abs=1e-9)
    assert list(homeless.iterdir()) == []


def test_what_needs_a_folder_says_which_variable_names_one(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="DIVMETRICS_CACHE"):
        Cache.at()
    with pytest.raises(Unavailable, match="DIVMETRICS_HOME"):
        weights.folder()
    assert Cache.at(homeless / "here").root == homeless / "here"
    monkeypatch.setenv("DIVMETRICS_HOME", str(homeless))
    assert weights.folder() == homeless / "weights"
