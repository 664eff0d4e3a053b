"""Folders: what is found, in which order, with which labels and which digest."""

import io
import os
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import divmetrics as dm
from divmetrics.errors import SourceError
from divmetrics.report.samples import write_csv
from divmetrics.sources import UnreadableSample, open_source
from divmetrics.sources._files import Container, image_files
from divmetrics.sources._listing import Listing


class Memory(Container):
    """Files in a dict."""

    def __init__(self, files):
        self.files = files

    def listing(self):
        return Listing(list(self.files))

    def open(self, name):
        return io.BytesIO(self.files[name]), len(self.files[name])


def test_recursive_any_case_sorted_by_relative_path(build, gray, values):
    names = ["b/z.PNG", "a.png", "b.png", "b/c/y.Jpeg", "B.png", "b-1.png", "é.png"]
    source = open_source(build({name: gray(value) for value, name in enumerate(names)}))
    assert [source.path(i) for i in range(len(source))] == sorted(names)  # by code point: no locale has a say
    assert values(source) == [names.index(name) for name in sorted(names)]


def test_every_promised_suffix(build, gray):
    names = [f"x{suffix}" for suffix in (".png", ".JPG", ".jpeg", ".webp", ".bmp", ".tif", ".TIFF", ".gif")]
    assert len(open_source(build(dict.fromkeys(names, gray(0))))) == 8


def test_first_level_folders_are_labels(build, gray):
    source = open_source(
        build({"cat/1.png": gray(1), "cat/sub/2.png": gray(2), "dog/1.png": gray(3), "notes.txt": b"x"})
    )
    assert source.files == ("cat/1.png", "cat/sub/2.png", "dog/1.png")
    assert source.labels == ("cat", "cat", "dog")


def test_one_class_folder_is_a_label_and_an_image_at_the_top_means_none(build, gray):
    assert open_source(build({"cat/1.png": gray(1)}, "one")).labels == ("cat",)
    assert open_source(build({"cat/1.png": gray(1), "2.png": gray(2)}, "mixed")).labels is None
    assert open_source(build({"1.png": gray(1)}, "flat")).labels is None


def test_hidden_files_are_no_samples(build, gray):
    hidden = ["._1.png", ".cache/2.png", "__MACOSX/3.png", "cat/.thumbnails/4.png", "cat/__MACOSX/5.png"]
    source = open_source(build({"cat/1.png": gray(1), **dict.fromkeys(hidden, gray(9))}))
    assert source.files == ("cat/1.png",)
    assert source.labels == ("cat",)


def test_a_hidden_folder_may_be_named(build, gray):
    assert len(open_source(build({"1.png": gray(1)}, ".real"))) == 1


def test_links_are_followed_and_each_folder_is_read_once(build, gray, tmp_path):
    root = Path(build({"a/1.png": gray(1), "b/2.png": gray(2)}))
    outside = Path(build({"3.png": gray(3), "deep/4.png": gray(4)}, "outside"))
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "out").symlink_to(outside)
    (outside / "deep" / "back").symlink_to(root / "a")
    assert open_source(root).files == ("a/1.png", "a/out/3.png", "a/out/deep/4.png", "b/2.png")


def test_folders_that_link_to_each_other_are_not_walked_along_every_path(build, gray):
    """13 folders with links to all others have 13! paths."""
    root = Path(build({f"{i:02}/{i}.png": gray(i) for i in range(13)}))
    for i in range(13):
        for j in range(13):
            if i != j:
                (root / f"{i:02}" / f"to_{j:02}").symlink_to(root / f"{j:02}")
    with pytest.warns(UserWarning, match=r"156 link\(s\), such as 00/to_01, lead to folders that are read already"):
        source = open_source(root)
    assert source.files == tuple(f"{i:02}/{i}.png" for i in range(13))


def test_links_in_a_circle_are_unreadable_samples_or_listed(build, gray):
    root = Path(build({"1.png": gray(1)}))
    (root / "2.png").symlink_to(root / "3.png")
    (root / "3.png").symlink_to(root / "2.png")
    (root / "4").symlink_to(root / "4")
    source = open_source(root)
    assert source.files == ("1.png", "2.png", "3.png")
    with pytest.raises(UnreadableSample, match=r"2\.png: too many levels of symbolic links"):
        source.read([1])
    assert [sample.path for sample in source.skipped] == ["4"]


@pytest.fixture
def deep(tmp_path, gray):
    """An image in 1,200 folders below each other: deeper than calls nest, longer than paths may be."""
    (tmp_path / "deep").mkdir()
    folder = os.open(tmp_path / "deep", os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("folder", dir_fd=folder)
        inner = os.open("folder", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    with os.fdopen(os.open("1.png", os.O_WRONLY | os.O_CREAT, dir_fd=folder), "wb") as file:
        file.write(gray(7))
    os.close(folder)
    yield tmp_path / "deep"
    subprocess.run(["rm", "-rf", tmp_path / "deep"], check=True)  # noqa: S603, S607  Python's rmtree nests too deep


def test_deeply_nested_folders_are_read(deep):
    source = open_source(deep)
    assert source.files == ("folder/" * 1200 + "1.png",)
    assert source.read([0])[0][0, 0, 0] == 7
    assert source.fingerprints([0])[0] != b""


@pytest.mark.parametrize("name", ["set.npy", "set.npz", "set.zip", "set.tar", "set.tar.gz", "set.dms", "set.pt", "set"])
def test_pipes_and_devices_are_refused_without_waiting(tmp_path, gray, name):
    os.mkfifo(tmp_path / name)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / name).symlink_to("/dev/zero")
    for path in (tmp_path / name, tmp_path / "link" / name):
        with pytest.raises(SourceError, match=r"not a regular file|no file"):
            dm.score(path, np.eye(3), metrics="fid")


def test_a_pipe_as_labels_is_refused_without_waiting(build, gray, tmp_path):
    os.mkfifo(tmp_path / "labels.csv")
    with pytest.raises(SourceError, match=r"cannot read the labels .*: not a regular file"):
        dm.sources.labels_from_csv([open_source(build({"1.png": gray(1)}))], tmp_path / "labels.csv")


def test_a_link_to_nowhere_is_listed_as_unreadable(build, gray):
    root = Path(build({"1.png": gray(1)}))
    (root / "2.png").symlink_to(root / "gone.png")
    source = open_source(root)
    with pytest.raises(UnreadableSample, match=r"2\.png: no such file"):
        source.read([1])
    assert source.digest().startswith("sha256:")


def test_a_named_pipe_is_no_sample(build, gray):
    root = Path(build({"1.png": gray(1)}))
    os.mkfifo(root / "2.png")
    (root / "3.png").symlink_to(root / "2.png")
    (root / "4.png").symlink_to("/dev/zero")
    source = open_source(root)
    assert source.files == ("1.png",)
    assert [(sample.path, sample.reason) for sample in source.skipped] == [
        (f"{number}.png", "not a regular file") for number in (2, 3, 4)
    ]


def test_unreadable_permission_is_a_clear_error(build, gray, monkeypatch):
    root = build({"1.png": gray(1)})
    source = open_source(root)

    def denied(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)  # chmod would not stop root, which continuous integration often is
    with pytest.raises(UnreadableSample, match=r"1\.png: permission denied"):
        source.read([0])
    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(SourceError, match=f"real: cannot read {root}: permission denied"):
        open_source(root, side="real")


def test_the_name_is_as_given(build, gray):
    root = build({"1.png": gray(1)})
    assert open_source(root + "/").name == root + "/"
    assert open_source(Path(root)).name == root


def test_empty_folder_and_folder_without_images(build):
    with pytest.raises(SourceError, match=r"fake: .*empty is empty; wanted images: \.png"):
        open_source(build({}, "empty"), side="fake")
    with pytest.raises(SourceError, match=r"holds no images, but 3 other file\(s\): 2 \.txt, 1 no suffix"):
        open_source(build({"a.txt": b"x", "b.TXT": b"x", "README": b"x"}))


def test_digest_is_the_same_anywhere(build, gray, touch_all):
    files = {f"{value % 3}/{value}.png": gray(value) for value in range(200)}
    digest = open_source(build(files, "here")).digest()
    elsewhere = build(dict(reversed(files.items())), "elsewhere")
    touch_all(elsewhere)
    assert open_source(elsewhere).digest() == digest
    assert len(digest) == len("sha256:") + 64


@pytest.mark.parametrize("change", ["content", "name", "missing", "swapped"])
def test_digest_sees_every_change(build, gray, change):
    files = {"a/1.png": gray(1), "a/2.png": gray(2), "a/3.png": gray(3)}
    changed = {
        "content": {**files, "a/2.png": gray(9)},
        "name": {"a/1.png": gray(1), "a/2x.png": gray(2), "a/3.png": gray(3)},
        "missing": {"a/1.png": gray(1), "a/3.png": gray(3)},
        "swapped": {**files, "a/1.png": gray(2), "a/2.png": gray(1)},
    }[change]
    assert open_source(build(files, "before")).digest() != open_source(build(changed, "after")).digest()


def test_digest_is_not_touched_by_other_files(build, gray):
    files = {"1.png": gray(1)}
    noisy = {**files, "Thumbs.db": b"x", ".DS_Store": b"y"}
    assert open_source(build(files, "clean")).digest() == open_source(build(noisy, "noisy")).digest()


names = st.lists(
    st.lists(st.text("aB.é-_0", min_size=1, max_size=4).filter(lambda part: part[0] != "."), min_size=1, max_size=3)
    .map("/".join)
    .map(lambda path: path + ".png"),
    min_size=1,
    max_size=12,
    unique=True,
)


@settings(deadline=None, derandomize=True)
@given(names, st.randoms(use_true_random=False))
def test_order_and_digest_do_not_depend_on_the_order_of_listing(found, uncertainty: random.Random):
    shuffled = uncertainty.sample(found, len(found))
    first = image_files("x", Memory({name: name.encode() for name in found}))
    second = image_files("x", Memory({name: name.encode() for name in shuffled}))
    assert first.files == second.files == tuple(sorted(found))
    assert first.digest() == second.digest()


def test_names_that_are_not_utf8_are_samples_in_every_output(build, gray, tmp_path):
    """Linux allows any bytes in a name; in a csv they are as they are, so that the file can be found and labelled."""
    root = Path(build({f"{i}.png": gray(i) for i in range(12)}))
    (root / os.fsdecode(b"caf\xe9.png")).write_bytes(gray(99))
    run = {"extractor": "pixels?size=4", "metrics": "fid,precision:k=3", "ci_level": 0, "null": False, "cache": False}
    report = dm.score(root, root, samples=True, **run)
    write_csv(report, tmp_path / "samples.csv")
    assert b"caf\xe9.png,real," in (tmp_path / "samples.csv").read_bytes()
    names = [line.split(b",")[0] for line in (tmp_path / "samples.csv").read_bytes().splitlines() if b",real," in line]
    (tmp_path / "labels.csv").write_bytes(b"path,label\n" + b"".join(name + b",a\n" for name in names))
    assert dm.score(root, root, labels=tmp_path / "labels.csv", **run).real.labels == {"a": 13}
    (tmp_path / "labels.csv").write_bytes(b"path,label\n1.png,caf\xe9\n")
    with pytest.raises(SourceError, match=r"cannot read the labels"):
        dm.score(root, root, labels=tmp_path / "labels.csv", **run)
    os.truncate(tmp_path / "labels.csv", 2**34)
    with pytest.raises(SourceError, match=r"take 17179869184 bytes"):
        dm.score(root, root, labels=tmp_path / "labels.csv", **run)


@pytest.mark.parametrize(
    "option", [{"extractor": "inception?weights={}"}, {"extractor": "onnx:{}"}, {"confusion": "{}"}]
)
def test_pipes_as_weights_and_matrices_are_refused_without_waiting(build, gray, tmp_path, option):
    os.mkfifo(tmp_path / "pipe.npy")
    root = build({f"{i}.png": gray(i) for i in range(3)})
    given = {name: text.format(tmp_path / "pipe.npy") for name, text in option.items()}
    with pytest.raises((dm.errors.Unavailable, dm.errors.UsageError), match="not a regular file"):
        dm.score(root, root, **{"metrics": "fid", "extractor": "pixels", **given})
