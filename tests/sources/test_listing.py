"""Which files are samples, which are none, and which are listed as skipped: the same in folder, zip and tar."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import divmetrics as dm
from divmetrics.errors import SourceError
from divmetrics.sources import open_source
from divmetrics.sources._listing import image_suffixes

PLACES = ["set", "set.zip", "set.tar"]
BESIDE = [
    ".DS_Store", "Thumbs.db", "desktop.ini", "README.txt", "README", "LICENSE", "dataset.json", "labels.csv",
    "notes.md", "meta.jsonl", "train.parquet", "__MACOSX/x.svg", ".hidden/x.svg", "cat/@eaDir/x.svg", "cat/.x.npy",
    "cat/Thumbs.db", "cat/captions.txt",
]  # fmt: skip


@pytest.fixture
def saved():
    """A 4 x 4 image of one gray value in the format of a suffix, as bytes."""

    def saved(value, suffix):
        file = io.BytesIO()
        Image.new("RGB", (4, 4), (value, value, value)).save(file, Image.registered_extensions()[suffix])
        return file.getvalue()

    return saved


@pytest.mark.parametrize("place", PLACES)
def test_every_suffix_that_pillow_writes_is_read(build, saved, values, place):
    suffixes = [".png", ".jfif", ".jpe", ".ppm", ".pgm", ".pnm", ".avif", ".jp2", ".j2k", ".tga", ".ico", ".apng",
                ".dib", ".pcx", ".qoi", ".sgi", ".dds", ".webp", ".tif"]  # fmt: skip
    source = open_source(
        build({f"{i:02}{suffix.upper()}": saved(9, suffix) for i, suffix in enumerate(suffixes)}, place)
    )
    assert len(source) == len(suffixes)
    assert source.skipped == ()
    assert max(abs(value - 9) for value in values(source)) <= 2


def test_formats_that_run_programs_or_only_exist_by_name_are_not_read():
    assert image_suffixes().isdisjoint({".eps", ".ps", ".wmf", ".h5", ".mpg", ".pdf", ".svg", ".npy", ".txt"})
    assert {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"} <= image_suffixes()


@pytest.mark.parametrize("place", PLACES)
def test_what_data_sets_hold_beside_their_samples_is_no_sample(build, gray, place):
    source = open_source(build({"cat/1.png": gray(1), **dict.fromkeys(BESIDE, b"x")}, place))
    assert source.files == ("cat/1.png",)
    assert source.labels == ("cat",)
    assert source.skipped == ()


@pytest.mark.parametrize("place", PLACES)
def test_every_other_file_is_listed_with_the_reason(build, gray, place):
    others = {"a/2.npy": b"x", "a/3.svg": b"x", "4.heic": b"x", "a/5.png~": b"x", "a/6": b"x", "a/7.eps": b"%!PS"}
    source = open_source(build({"a/1.png": gray(1), **others}, place))
    assert source.files == ("a/1.png",)
    assert source.labels == ("a",)
    assert {sample.path: sample.reason for sample in source.skipped} == {
        "4.heic": ".heic files are not read", "a/2.npy": ".npy files are not read",
        "a/3.svg": ".svg files are not read", "a/5.png~": ".png~ files are not read",
        "a/6": "files without a suffix are not read",
        "a/7.eps": ".eps files are not read",
    }  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_files_named_after_an_image_belong_to_it(build, gray, place):
    beside = ["1.npy", "1.svg", "1.png.npy", "2.left.npy", "2.left.seg.npy", "1.txt"]
    path = build({"1.png": gray(1), "2.left.png": gray(2), **dict.fromkeys(beside, b"x"), "2.right.npy": b"x"}, place)
    with pytest.warns(UserWarning, match=r"set.*: 4 \.npy, 1 \.svg named after images are not read"):
        source = open_source(path)
    assert [sample.path for sample in source.skipped] == ["2.right.npy"]


def mixed(gray, good, bad, place, build):
    files = {f"{i:03}.png": gray(i) for i in range(good)}
    return build({**files, **{f"x{i}.svg": b"<svg/>" for i in range(bad)}}, f"{good}-{bad}{place}")


@pytest.mark.parametrize("place", ["", ".zip", ".tar"])
def test_more_than_one_percent_is_an_error_before_a_sample_is_read(build, gray, place):
    run = {"extractor": "pixels", "metrics": "fid", "ci_level": 0, "null": False, "cache": False}
    good, bad = mixed(gray, 99, 1, place, build), mixed(gray, 98, 2, place, build)
    report = dm.score(good, good, **run)
    assert (report.real.n, report.fake.n) == (99, 99)
    assert [(sample.path, sample.reason) for sample in report.real.skipped] == [("x0.svg", ".svg files are not read")]
    wanted = r"real: .*: 2 of 100 samples cannot be read: x0\.svg \(\.svg files are not read\), .* --max-skipped"
    with pytest.raises(SourceError, match=wanted):
        dm.score(bad, good, **run)
    assert len(dm.score(bad, good, **run, max_skipped=0.02).real.skipped) == 2


def test_a_subset_counts_the_files_of_the_whole_source(build, gray):
    """One bad file among 100 is one percent, also of ten that are drawn."""
    run = {"extractor": "pixels", "metrics": "fid", "ci_level": 0, "null": False, "cache": False}
    report = dm.score(mixed(gray, 99, 1, "", build), np.random.default_rng(0).random((10, 4, 4, 3)), num=10, **run)
    assert (report.real.n, len(report.real.skipped)) == (10, 1)


def test_unreadable_and_other_files_count_together(build, gray):
    run = {"extractor": "pixels", "metrics": "fid", "ci_level": 0, "null": False, "cache": False}
    files = {f"{i:03}.png": gray(i) for i in range(98)}
    path = build({**files, "bad.png": b"no image", "x.svg": b""}, "set")
    with pytest.raises(SourceError, match=r"2 of 100 samples cannot be read: bad\.png \(not an image\), x\.svg"):
        dm.score(path, path, **run)


def test_a_csv_may_label_what_is_skipped(build, gray, tmp_path):
    path = build({"1.png": gray(1), "2.svg": b"x"})
    (tmp_path / "labels.csv").write_text("path,label\n1.png,a\n2.svg,b\n")
    (source,) = dm.sources.labels_from_csv([open_source(path)], tmp_path / "labels.csv")
    assert source.labels == ("a",)


@pytest.mark.parametrize("place", PLACES)
def test_images_of_too_many_pixels_or_bytes_are_skipped_and_listed(build, gray, encode, place):
    run = {"extractor": "pixels?size=4", "metrics": "fid", "ci_level": 0, "null": False, "max_skipped": 1}
    large, heavy = encode(Image.new("RGB", (40, 50))), gray(7) + bytes(2**20 + 8 * 1000)
    path = build({"1.png": gray(1), "2.png": gray(2), "large.png": large, "x.png": heavy}, place)
    report = dm.score(path, path, **run, max_pixels=1000)
    assert {sample.path: sample.reason for sample in report.real.skipped} == {
        "large.png": "2000 pixels, more than --max-pixels allows",
        "x.png": f"a file of {len(heavy)} bytes, more than --max-pixels can need",
    }
    again = dm.score(path, path, **run)  # what was too large then is none of the cache's business now
    assert [sample.path for sample in again.real.skipped] == []


def test_a_sparse_file_is_skipped_without_being_read(build, gray):
    path = build({"1.png": gray(1), "2.png": gray(2)})
    with Path(path, "sparse.png").open("wb") as file:
        file.truncate(60 * 2**30)
    source = open_source(path)
    with pytest.raises(dm.sources.UnreadableSample, match="a file of 64424509440 bytes"):
        source.read([2])
    assert len(source.fingerprints([2])[0]) == 32
    assert source.digest().startswith("sha256:")


def test_a_bomb_in_a_zip_is_skipped_without_being_unpacked(gray, tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", gray(1))
        with archive.open("2.png", "w") as member:
            for _ in range(40):
                member.write(bytes(2**20))
    source = open_source(tmp_path / "set.zip").limited(10**6)
    with pytest.raises(dm.sources.UnreadableSample, match=r"2\.png: a file of 41943040 bytes, more than --max-pixels"):
        source.read([1])
