"""Statistics of other tools as a side."""

from pathlib import Path

import numpy as np
import pytest
import torch
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
    assert "holds a mean and a covariance, which serve fid only" in report["recall"].warnings[0]
    with pytest.raises(MissingLayer, match=r"recall@pixels: .*holds a mean and a covariance, which serve fid only"):
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


@pytest.mark.filterwarnings("ignore:.*does not say which network")
def test_torch_fidelity_statistics_are_pt_files(folder: Path, statistics: Path, tmp_path: Path) -> None:
    with np.load(statistics) as loaded:
        saved = dict(loaded)
    torch.save(saved, tmp_path / "arrays.pt")
    torch.save({name: torch.from_numpy(value) for name, value in saved.items()}, tmp_path / "tensors.pth")
    torch.save(saved, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    wanted = dm.score(statistics, folder, extractor="pixels", metrics="fid")["fid"].value
    for name in ("arrays.pt", "tensors.pth", "old.pt"):
        assert dm.score(tmp_path / name, folder, extractor="pixels", metrics="fid")["fid"].value == wanted


def test_a_pt_file_runs_no_code(folder: Path, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "hacked",))

    torch.save({"mu": np.zeros(12), "sigma": Hostile()}, tmp_path / "hostile.pt")
    (tmp_path / "damaged.pt").write_bytes(b"PK\x03\x04 no file")
    for name, reason in (("hostile.pt", "run code when they are read"), ("damaged.pt", "is damaged")):
        with pytest.raises(SourceError, match=reason):
            dm.score(tmp_path / name, folder, extractor="pixels", metrics="fid")
    assert not (tmp_path / "hacked").exists()


def test_a_dict_in_a_npy_file_is_refused_with_the_way_out(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "stats.npy", {"mu": np.zeros(12), "sigma": np.eye(12)})  # type: ignore[arg-type]
    with pytest.raises(SourceError, match=r"Python objects, such as a dict, are pickles, .* numpy\.savez"):
        dm.score(tmp_path / "stats.npy", folder, extractor="pixels", metrics="fid")


@pytest.mark.parametrize(
    ("mu", "sigma", "reason"),
    [
        (np.full(12, np.nan), np.eye(12), "NaN or Inf"),
        (np.zeros(12), np.diag(np.full(12, np.inf)), "NaN or Inf"),
        (np.zeros((1, 12)), np.eye(12), r"shapes \[1, 12\] and \[12, 12\]"),
        (np.zeros(12), np.ones(12), r"shapes \[12\] and \[12\]"),
        (np.zeros(0), np.zeros((0, 0)), "shapes"),
        (np.zeros(12), np.eye(12) + np.eye(12, k=1), "not symmetric"),
        (np.zeros(12), -np.eye(12), "negative variance"),
        (np.zeros(12), np.eye(12, dtype=complex), "real numbers"),
        (np.zeros(12), np.full((12, 12), "x"), "real numbers"),
    ],
)
@pytest.mark.parametrize("suffix", [".npz", ".pt"])
def test_statistics_that_no_samples_have(
    folder: Path, tmp_path: Path, mu: np.ndarray, sigma: np.ndarray, reason: str, suffix: str
) -> None:
    if suffix == ".npz":
        np.savez(tmp_path / "odd.npz", mu=mu, sigma=sigma)
    elif not sigma.size or sigma.dtype.kind in "Uc":
        pytest.skip("torch reads no such arrays without running code")
    else:
        torch.save({"mu": mu, "sigma": sigma}, tmp_path / "odd.pt")
    with pytest.raises(SourceError, match=reason):
        dm.score(tmp_path / f"odd{suffix}", folder, extractor="pixels", metrics="fid")


def adm_file(path: Path, shift: float = 0.0, width: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """A reference file as ADM writes it: some of the images, and the mean and covariance of more of them."""
    more = np.random.default_rng(1).random((900, width)) + shift
    mu, sigma = more.mean(0), np.cov(more, rowvar=False)
    np.savez(path, arr_0=PIXELS, mu=mu, sigma=sigma, mu_s=np.zeros(3), sigma_s=np.eye(3))
    return mu, sigma


def test_fid_compares_the_stored_statistics_of_a_file_and_the_rest_its_images(folder: Path, tmp_path: Path) -> None:
    mu, sigma = adm_file(tmp_path / "adm.npz")
    np.savez(tmp_path / "stats.npz", mu=mu, sigma=sigma)
    np.savez(tmp_path / "images.npz", arr_0=PIXELS)
    run = {"extractor": "pixels", "metrics": "fid,recall", "num": 30}
    with pytest.warns(UserWarning, match="taken to be of pixels, and every other metric the images; mu_s and sigma_s"):
        report = dm.score(tmp_path / "adm.npz", folder, **run)
    with pytest.warns(UserWarning, match="does not say which network"):
        of_statistics = dm.score(tmp_path / "stats.npz", dm.sources.subset(dm.sources.open_source(folder), 30, 0),
                                 extractor="pixels", metrics="fid")  # fmt: skip
    of_images = dm.score(tmp_path / "images.npz", folder, **run)
    assert report["fid"].value == of_statistics["fid"].value != of_images["fid"].value
    assert (report["fid"].n_real, report["fid"].ci, report["fid"].null) == (None, None, None)
    assert "|pooled+stored-real|" in str(report["fid"].signature)
    assert "|n:?/30|" in str(report["fid"].signature)
    assert f"real: the mean and covariance stored in {tmp_path / 'adm.npz'}" in report["fid"].warnings
    assert report["recall"].value == of_images["recall"].value
    assert report["recall"].signature == of_images["recall"].signature


@pytest.mark.filterwarnings("ignore:.*fid compares the stored mu and sigma")
def test_stored_statistics_travel_in_a_dms_file_and_end_with_a_merge(folder: Path, tmp_path: Path) -> None:
    adm_file(tmp_path / "adm.npz")
    run = {"extractor": "pixels", "metrics": "fid", "ci_level": 0, "null": False}
    dm.extract(tmp_path / "adm.npz", tmp_path / "adm.dms", extractor="pixels")
    direct = dm.score(tmp_path / "adm.npz", folder, **run)
    np.savez(tmp_path / "images.npz", arr_0=PIXELS)
    dm.extract(tmp_path / "images.npz", tmp_path / "images.dms", extractor="pixels")
    assert dm.score(tmp_path / "adm.dms", folder, **run)["fid"].value == direct["fid"].value
    assert "stored-real" in str(dm.score(tmp_path / "adm.dms", folder, num=30, **run)["fid"].signature)
    both = dm.score(f"{tmp_path / 'adm.dms'}+{tmp_path / 'images.dms'}", folder, **run)
    assert "stored" not in str(both["fid"].signature)
    assert both.real.n == 80


@pytest.mark.parametrize(("shift", "width"), [(0.0, 7), (5.0, 12)])
def test_stored_statistics_of_another_network_are_not_used(
    folder: Path, tmp_path: Path, shift: float, width: int
) -> None:
    adm_file(tmp_path / "adm.npz", shift, width)
    with pytest.warns(UserWarning, match=f"mu and sigma of {width} columns are not used with pixels"):
        report = dm.score(tmp_path / "adm.npz", folder, extractor="pixels", metrics="fid")
    assert "|pooled|" in str(report["fid"].signature)
    assert report["fid"].n_real == 40


def test_a_dms_file_may_have_a_plus_in_its_name(folder: Path, tmp_path: Path) -> None:
    for name in ("model+ema.dms", "b.DMS"):
        dm.extract(folder, tmp_path / name, extractor="pixels")
    run = {"extractor": "pixels", "metrics": "fid", "ci_level": 0, "null": False}
    assert dm.score(tmp_path / "model+ema.dms", folder, **run).real.n == 40
    assert dm.score(f"{tmp_path}/model+ema.dms+{tmp_path}/b.DMS+{tmp_path}/model+ema.dms", folder, **run).real.n == 120
    (tmp_path / "a.dms+b.dms").write_bytes((tmp_path / "b.DMS").read_bytes())
    assert dm.score(tmp_path / "a.dms+b.dms", folder, **run).real.n == 40
    with pytest.raises(SourceError, match=r"there is no file .*gone\+ema\.dms"):
        dm.score(tmp_path / "gone+ema.dms", folder, **run)


@pytest.mark.filterwarnings("ignore:.*does not say which network")
def test_num_draws_the_side_that_has_samples(folder: Path, statistics: Path) -> None:
    with pytest.warns(UserWarning, match=r"real: .*real\.npz is a mean and covariance, of which --num draws nothing"):
        report = dm.score(statistics, folder, extractor="pixels", metrics="fid", num=30)
    assert (report.real.n, report.fake.n) == (None, 30)
