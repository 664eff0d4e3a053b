"""Lists of paths, iterators of them and patterns: the same samples as the folder that holds them."""

from pathlib import Path

import numpy as np
import pytest

import divmetrics as dm
from divmetrics.errors import SourceError
from divmetrics.sources import Stream, open_source


@pytest.fixture
def root(build, gray):
    return Path(build({f"{'abc'[i % 3]}/{i}.png": gray(i) for i in range(9)}))


@pytest.mark.parametrize("kind", [list, tuple, iter, set, lambda paths: np.array([str(p) for p in paths]),
                                  lambda paths: [str(p) for p in paths], lambda paths: (p for p in paths)])  # fmt: skip
def test_all_paths_of_a_folder_are_the_folder(root, kind):
    source, folder = open_source(kind(sorted(root.rglob("*.png")))), open_source(root)
    assert source.files == folder.files
    assert source.labels == folder.labels
    assert source.digest() == folder.digest()
    np.testing.assert_array_equal(source.read([4]), folder.read([4]))
    assert open_source(root.rglob("*.png")).files  # what pathlib itself gives


@pytest.mark.parametrize("pattern", ["*/*.png", "**/*.png", "*", "[abc]/?.png"])
def test_a_pattern_matches_files_and_folders(root, pattern, monkeypatch):
    source, folder = open_source(f"{root}/{pattern}"), open_source(root)
    assert (source.files, source.labels, source.digest()) == (folder.files, folder.labels, folder.digest())
    monkeypatch.chdir(root)
    assert open_source(pattern).files == open_source(Path(pattern)).files == folder.files
    assert open_source("b/*.png").files == ("1.png", "4.png", "7.png")


def test_patterns_that_match_nothing_archives_or_a_real_name(root, gray, build, monkeypatch):
    with pytest.raises(SourceError, match=r"fake: no file matches '.*/\*\.jpg'"):
        open_source(f"{root}/*.jpg", side="fake")
    path = Path(build({"1.png": gray(1)}, "x.zip"))
    assert open_source(str(path.parent / "*.zip")).files == ("1.png",)
    build({"1.png": gray(1)}, "y.zip")
    with pytest.raises(SourceError, match=r"x\.zip is no image file; give archives and arrays one at a time"):
        open_source(str(path.parent / "*.zip"))
    real = Path(build({"1.png": gray(1)}, "set[1]"))
    assert len(open_source(real)) == len(open_source(str(real))) == 1


def test_a_list_keeps_its_order_and_its_labels(root, values):
    files = [root / "c/8.png", root / "a/0.png", root / "b/4.png"]
    source = open_source(files)
    assert source.files == ("c/8.png", "a/0.png", "b/4.png")
    assert values(source) == [8, 0, 4]
    assert source.labels == ("c", "a", "b")
    assert open_source(list(zip(files, ["x", "y", "x"], strict=True))).labels == ("x", "y", "x")
    assert open_source(list(zip(files, [1, 0, 1], strict=True))).labels == ("1", "0", "1")
    assert open_source((files, ["x", "y", "x"])).labels == ("x", "y", "x")
    meter = dm.Meter("fid", extractor="pixels")
    meter.add("real", files, labels=["x", "y", "x"])
    assert meter.collected("real").labels == ("x", "y", "x")
    with pytest.raises(SourceError, match="3 paths come with 2 labels"):
        open_source((files, ["x", "y"]))


def test_missing_and_other_files_of_a_list_are_listed(root):
    (root / "note.svg").write_text("x")
    source = open_source([*sorted(root.rglob("*.png")), root / "gone.png", root / "note.svg"])
    assert len(source) == 9
    assert {sample.path: sample.reason for sample in source.skipped} == {
        "gone.png": "no such file or directory",
        "note.svg": ".svg files are not read",
    }


def test_an_iterator_of_other_things_is_a_stream_with_its_own_name():
    source = open_source(row for row in np.eye(3))
    assert isinstance(source, Stream)
    assert source.name == "generator"
    assert len(list(source)) == 3
    with pytest.raises(SourceError, match="the generator gives no samples"):
        open_source(row for row in ())
