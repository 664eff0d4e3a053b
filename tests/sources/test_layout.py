"""Which classes names of files give: folders that are classes, folders that are not, `dataset.json`."""

import json

import pytest

from divmetrics.errors import SourceError
from divmetrics.sources import open_source


@pytest.mark.parametrize("kind", ["set", "set.zip", "set.tar"])
@pytest.mark.parametrize(
    ("files", "labels"),
    [
        (("train/cat/1.png", "train/dog/1.png"), ("cat", "dog")),
        (("data/v1/cat/1.png", "data/v1/dog/2/1.png"), ("cat", "dog")),
        (("train/cat/1.png", "test/dog/1.png"), ("dog", "cat")),
        (("data/train/cat/1.png", "data/val/dog/1.png"), ("cat", "dog")),
        (("train/1.png", "test/1.png"), ("test", "train")),  # nothing else to go by; the other side will tell
        (("data/cat/1.png", "data/1.png"), None),
        (("000000/000000.png", "000000/000999.png", "001000/001000.png"), None),
        (("00000/img00000000.png", "00001/img00001000.png"), None),
        (("out/00000/00000.png", "out/01000/01000.png"), None),
        (("000000/seed000012.png", "001000/seed001999.png"), None),
        (("00000/img00000000.png", "00007/img00001000.png"), ("00000", "00007")),  # numbers that count nothing
        (("0/00000.png", "1/01000.png"), ("0", "1")),
        (("n01440764/n01440764_10026.JPEG", "n01443537/n01443537_1.JPEG"), ("n01440764", "n01443537")),
    ],
)
def test_folders_that_are_classes_and_folders_that_are_not(build, gray, files, labels, kind):
    assert open_source(build(dict.fromkeys(files, gray(1)), kind)).labels == labels


def manifest(labels):
    return json.dumps({"labels": labels}).encode()


@pytest.mark.parametrize("top", ["", "celeba/"])
@pytest.mark.parametrize("kind", ["set", "set.zip", "set.tar"])
@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ([["00000/img00000000.png", 6], ["00000/img00000001.png", 9]], ("6", "9")),
        ([["00000\\img00000000.png", 6], ["./00000/img00000001.png", 6], ["gone.png", 1]], ("6", "6")),
        ({"00000/img00000000.png": "cat", "00000/img00000001.png": "dog"}, ("cat", "dog")),
        ([["00000/img00000000.png", [0, 1, 0]], ["00000/img00000001.png", [1.0, 0.0, 0.0]]], ("1", "0")),
        ([["00000/img00000000.png", [0.5, 1.5]], ["00000/img00000001.png", [0.1, 0.2]]], None),
        (None, None),
        ([], None),
    ],
)
def test_dataset_json_decides(build, gray, labels, wanted, kind, top):
    files = {"00000/img00000000.png": gray(1), "00000/img00000001.png": gray(2), "dataset.json": manifest(labels)}
    assert open_source(build({top + name: data for name, data in files.items()}, kind)).labels == wanted


def test_no_labels_in_dataset_json_beat_folders(build, gray):
    files = {"a/1.png": gray(1), "b/1.png": gray(2)}
    assert open_source(build({**files, "dataset.json": manifest(None)}, "one.zip")).labels is None
    assert open_source(build({**files, "dataset.json": b'{"name": "x"}'}, "two.zip")).labels == ("a", "b")
    assert open_source(build({**files, "a/dataset.json": manifest(None)}, "three.zip")).labels == ("a", "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"labels": [', r"set.zip: dataset.json is not JSON"),
        (b'{"labels": ' + b"[" * 100_000, r"set.zip: dataset.json is not JSON"),
        (b'{"labels": 3}', r'"labels" is no list of pairs \[path, class\]'),
        (b'{"labels": [["1.png"]]}', r'"labels" is no list of pairs'),
        (manifest([["1.png", 3]]), r"gives no class for 1 image\(s\), '2.png' for one"),
    ],
)
def test_a_damaged_dataset_json_is_one_sentence(build, gray, content, message):
    with pytest.raises(SourceError, match=message):
        open_source(build({"1.png": gray(1), "2.png": gray(2), "dataset.json": content}, "set.zip"))
