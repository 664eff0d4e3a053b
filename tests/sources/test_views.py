"""Subsets by seed and labels from a csv."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from divmetrics.errors import SourceError, TooFewSamples, UsageError
from divmetrics.sources import labels_from_csv, open_source, subset, with_labels

ROWS = np.arange(40, dtype=np.float32).reshape(20, 2)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.integers(1, 20), st.integers(0, 2**32))
def test_a_subset_is_sorted_without_repeats_and_fixed_by_its_seed(num, seed):
    source = open_source(ROWS)
    drawn = subset(source, num, seed)
    paths = [int(drawn.path(i)[1:]) for i in range(len(drawn))]
    assert len(paths) == num
    assert paths == sorted(set(paths))
    np.testing.assert_array_equal(drawn.read(range(num)), ROWS[paths])
    assert subset(source, num, seed).digest() == drawn.digest()


def test_the_seed_and_the_number_change_the_draw():
    source = open_source(ROWS)
    assert len({subset(source, num, seed).digest() for num in (9, 10) for seed in range(5)}) == 10


def test_the_draw_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    subset(open_source(ROWS), 5, 0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_known_draw():
    """numpy 2.4.6: sorted(default_rng(0).choice(20, 5, replace=False)). Another draw would change published numbers."""
    drawn = subset(open_source(ROWS), 5, 0)
    assert [drawn.path(i) for i in range(5)] == ["#5", "#6", "#9", "#10", "#13"]


def test_a_subset_keeps_labels_name_and_kind(build, gray):
    source = open_source(build({f"{value % 2}/{value}.png": gray(value) for value in range(10)}))
    drawn = subset(source, 4, 0)
    assert (drawn.name, drawn.kind) == (source.name, source.kind)
    assert [drawn.path(i)[0] for i in range(4)] == list(drawn.labels)
    copy = pickle.loads(pickle.dumps(drawn))  # noqa: S301
    np.testing.assert_array_equal(copy.read([3, 0]), drawn.read([3, 0]))


def test_too_many_and_too_few_are_clear_errors():
    with pytest.raises(TooFewSamples, match=r"ndarray\[20, 2\] has 20 samples, 21 were wanted; lower --num"):
        subset(open_source(ROWS), 21, 0)
    with pytest.raises(UsageError, match="cannot draw 0 samples"):
        subset(open_source(ROWS), 0, 0)


@pytest.mark.parametrize("convert", [np.array, torch.tensor, list, lambda labels: list(torch.tensor(labels))])
def test_numbers_in_arrays_and_tensors_are_class_names(convert):
    assert with_labels(open_source(ROWS[:3]), convert([0, 7, 0])).labels == ("0", "7", "0")


@pytest.mark.parametrize("convert", [np.array, torch.tensor, list, lambda labels: list(torch.tensor(labels))])
def test_labels_in_a_column_are_refused(convert):
    with pytest.raises(SourceError, match=r"labels have shape \[3, 1\]; wanted one a sample, \[n\]"):
        with_labels(open_source(ROWS[:3]), convert([[0], [7], [0]]))


def test_what_has_no_digest_has_none_as_a_view():
    assert subset(open_source(list(ROWS)), 5, 0).digest() is None


@pytest.fixture
def folder(build, gray):
    return open_source(build({"a/1.png": gray(1), "a/2.png": gray(2), "3.png": gray(3)}))


@pytest.fixture
def csv(tmp_path):
    def csv(text):
        (tmp_path / "labels.csv").write_bytes(text.encode())
        return tmp_path / "labels.csv"

    return csv


@pytest.mark.parametrize(
    "text",
    [
        "path,label\n3.png,dog\na/1.png,cat\na/2.png,dog\n",
        "\ufefflabel,note,path\r\ndog,x,./3.png\r\ncat,y,a/1.png\r\ndog,z,a/2.png\r\n",
    ],
)
def test_labels_from_a_csv(folder, csv, values, text):
    assert folder.labels is None
    (labelled,) = labels_from_csv([folder], csv(text))
    assert labelled.labels == ("dog", "cat", "dog")
    assert values(labelled) == values(folder)
    assert [labelled.path(i) for i in range(3)] == [folder.path(i) for i in range(3)]
    assert labelled.name == folder.name


def test_labels_of_a_list_and_their_digest(folder):
    cats, dogs = with_labels(folder, ["cat"] * 3), with_labels(folder, [1, 2, 3])
    assert cats.labels == ("cat",) * 3
    assert dogs.labels == ("1", "2", "3")
    assert len({folder.digest(), cats.digest(), dogs.digest()}) == 3
    assert subset(dogs, 2, 0).labels == tuple(dogs.labels[i] for i in subset(dogs, 2, 0).indices)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with nothing; wanted a first line with the columns path,label"),
        ("file,class\na,b\n", "begins with file, class; wanted"),
        (
            "path,label\n3.png,x\na/1.png,x\na/2.png,x\nb/9.png,x\n",
            r"1 path\(s\) match no sample of .*, 'b/9.png' for one",
        ),
        ("path,label\n3.png,x\na/1.png,x\n", r"1 sample\(s\) of .* have no label, 'a/2.png' for one"),
        ("path,label\n3.png,x\na/1.png,x\na/2.png\n", "have no label, 'a/2.png'"),
        ("path,label\n3.png,x\na/1.png,x\na/2.png,x\n3.png,y\n", "'3.png' has two labels, 'x' and 'y'"),
    ],
)
def test_wrong_csv_files_are_clear_errors(folder, csv, text, message):
    with pytest.raises(SourceError, match=message):
        labels_from_csv([folder], csv(text))


def test_unreadable_csv_files_and_wrong_numbers_are_clear_errors(folder, tmp_path):
    with pytest.raises(SourceError, match=r"cannot read the labels .*gone\.csv: No such file"):
        labels_from_csv([folder], tmp_path / "gone.csv")
    (tmp_path / "binary.csv").write_bytes(b"path,label\n\xff\xfe")
    with pytest.raises(SourceError, match=r"binary\.csv: 1 path\(s\) match no sample"):
        labels_from_csv([folder], tmp_path / "binary.csv")
    with pytest.raises(SourceError, match="2 labels for the 3 samples"):
        with_labels(folder, ["cat", "dog"])


def test_one_csv_labels_both_sides_or_only_the_one_it_speaks_of(folder, csv, tmp_path):
    other = open_source(np.zeros((2, 4, 4, 3), np.uint8))
    one = labels_from_csv([folder, other], csv("path,label\n#0,x\n#1,y\n"))
    assert one[0] is folder
    assert one[1].labels == ("x", "y")


def arrays(n, m):
    return [open_source(np.eye(n, 3)), open_source(np.eye(m, 3))]


def lines(n, start="", column=""):
    return "\n".join([f"{start}#{i},{'ab'[i % 2]}{column}" for i in range(n)]) + "\n"


@pytest.mark.parametrize(("n", "m"), [(4, 6), (6, 4)])
def test_numbers_of_samples_label_the_array_that_has_exactly_these(csv, n, m):
    real, fake = arrays(n, m)
    found = labels_from_csv([real, fake], csv("path,label\n" + lines(n)))
    assert (found[0].labels, found[1]) == (tuple("abab"[:n] if n == 4 else "ababab"), fake)


def test_numbers_that_fit_both_arrays_need_a_side(csv):
    sides = ["real", "fake"]
    with pytest.raises(SourceError, match=r"'#0' may be a sample of ndarray.* or of ndarray.*; add a column side"):
        labels_from_csv(arrays(4, 4), csv("path,label\n" + lines(4)), sides)
    found = labels_from_csv(arrays(4, 4), csv("path,label,side\n" + lines(4, column=",real")), sides)
    assert [source.labels for source in found] == [tuple("abab"), None]
    both = "path,label,side\n" + lines(4, column=",real") + "#0,x,fake\n#1,x,fake\n#2,x,fake\n#3,x,fake\n"
    found = labels_from_csv(arrays(4, 4), csv(both), sides)
    assert [source.labels for source in found] == [tuple("abab"), tuple("xxxx")]
    with pytest.raises(SourceError, match="there is no side 'reals' here; write real, fake"):
        labels_from_csv(arrays(4, 4), csv("path,label,side\n" + lines(4, column=",reals")), sides)


def test_a_path_may_begin_with_its_source(build, gray, csv):
    real, fake = (open_source(build({"1.png": gray(1), "2.png": gray(2)}, name)) for name in ("real", "fake"))
    found = labels_from_csv([real, fake], csv(f"path,label\n{real.name}/1.png,cat\n{real.name}/./2.png,dog\n"))
    assert (found[0].labels, found[1]) == (("cat", "dog"), fake)
    found = labels_from_csv([real, fake], csv("path,label\n1.png,cat\n2.png,dog\n"))
    assert [source.labels for source in found] == [("cat", "dog")] * 2, "one list of names for both"


def test_labels_from_tables_are_names_and_what_is_missing_there_is_none():
    rows = open_source(np.eye(3, 3))
    assert with_labels(rows, np.array([0.0, 7.0, 0.0])).labels == ("0", "7", "0")
    assert with_labels(rows, [np.str_("cat"), "dog", np.int64(3)]).labels == ("cat", "dog", "3")
    for missing in (None, float("nan"), np.float64("nan")):
        with pytest.raises(SourceError, match=r"a label is (None|nan); give every sample a class, or none"):
            with_labels(rows, ["cat", missing, "dog"])


def test_a_csv_that_labels_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\n")
    with pytest.raises(SourceError, match="labels no sample"):
        labels_from_csv([open_source(np.zeros((3, 2)))], tmp_path / "labels.csv")
