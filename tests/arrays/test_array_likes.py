"""Whatever users hold numbers in: the right number, or one sentence that says what to give instead."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

import divmetrics as dm
from divmetrics.arrays.array_likes import as_array
from divmetrics.errors import FeatureError, ForeignError, UnknownName, UsageError
from divmetrics.records.metric import METRICS
from divmetrics.scoring.meter import Meter

X, Y = np.random.default_rng(0).normal(size=(2, 30, 4)).astype(np.float32)


class Array:
    """As arrays of jax look from outside."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values


class OnGpu:
    """As arrays of cupy look: they refuse to be numpy arrays, but can be exchanged."""

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("implicit conversion is not allowed")

    def __dlpack__(self, **_: Any) -> Any:
        return torch.from_numpy(Y).__dlpack__()

    def __dlpack_device__(self) -> Any:
        return torch.from_numpy(Y).__dlpack_device__()


class Frame:
    """As data frames look from outside."""

    def __init__(self, **columns: Any) -> None:
        self.values = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> Any:
        return np.asarray(self.values[name])

    def to_numpy(self) -> np.ndarray:
        return np.stack([self[name] for name in self.columns], 1)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.to_numpy()

    def __len__(self) -> int:
        return len(self[self.columns[0]])


class Broken:
    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise KeyError("no")


def read_only() -> np.ndarray:
    rows = Y.copy()
    rows.flags.writeable = False
    return rows


SAME = {
    "big-endian": Y.astype(">f4"),
    "masked nowhere": np.ma.masked_array(Y),
    "objects": Y.astype(object),
    "arrays as objects": np.array([*Y, None], dtype=object)[:-1],
    "longdouble": Y.astype(np.longdouble),
    "float64": Y.astype(np.float64),
    "Fortran order": np.asfortranarray(Y),
    "steps back": Y[::-1].copy()[::-1],
    "every other": np.repeat(Y, 2, axis=0)[::2],
    "read-only": read_only(),
    "lists": Y.tolist(),
    "tuples": tuple(map(tuple, Y.tolist())),
    "list of arrays": list(Y),
    "list of tensors": list(torch.from_numpy(Y)),
    "tensors that want gradients": list(torch.from_numpy(Y).requires_grad_()),
    "parameter": torch.nn.Parameter(torch.from_numpy(Y)),
    "transposed tensor": torch.from_numpy(Y.T.copy()).T,
    "__array__": Array(Y),
    "__array__ of big-endian": Array(Y.astype(">f4")),
    "__dlpack__": OnGpu(),
    "data frame": Frame(a=Y[:, 0], b=Y[:, 1], c=Y[:, 2], d=Y[:, 3]),
}
REFUSED = {
    "masked": (np.ma.masked_greater(Y, 1), "values are masked; fill them"),
    "structured": (np.zeros(30, dtype=[("a", float), ("b", float)]), "structured array with the fields a, b; give"),
    "complex": (Y + 1j, "complex numbers"),
    "complex tensor": (torch.from_numpy(Y) + 1j, "complex numbers"),
    "sparse": (sparse.csr_matrix(Y), r"sparse csr_matrix; give x\.toarray\(\)"),
    "sparse tensor": (torch.from_numpy(Y).to_sparse(), r"give x\.to_dense\(\)"),
    "no device": (torch.zeros(30, 4, device="meta"), "device meta"),
    "one axis": (Y[:, 0], r"\[n, d\]"),
    "no rows": (Y[:0], "shape"),
    "no columns": (Y[:, :0], "shape"),
    "ragged": ([[1.0, 2.0], [3.0]], "the rows differ in length"),
    "huge": ([[10**400, 1.0], [2.0, 3.0]], r"beyond 1\.8e308"),
    "huge longdouble": (np.full((30, 4), np.longdouble("1e4000")), r"beyond 1\.8e308"),
    "text": (np.array([["1.5", "2"]] * 30), "must be numbers"),
    "dates": (np.array([["2020-01-01"]] * 30, "M8[D]"), "must be numbers"),
    "None inside": ([[None, 1.0]] * 30, "objects, such as NoneType"),
    "frame with text": (Frame(a=Y[:, 0], name=["x"] * 30), "column 'name' of the Frame"),
    "NaN": (np.where(np.arange(30)[:, None] == 7, np.nan, Y), "row 7"),
}


@pytest.mark.parametrize("value", SAME.values(), ids=list(SAME))
def test_the_same_numbers_in_any_form_give_the_same_metric_everywhere(value: Any) -> None:
    expected = dm.metrics.fid(X, Y)
    assert dm.metrics.fid(X, value) == pytest.approx(expected, rel=1e-5)
    assert dm.metrics.recall(X, value) == dm.metrics.recall(X, Y)
    meter = Meter("fid", ci_level=0, null=False)
    meter.add("real", X)
    meter.add("fake", value)
    assert meter.results()["fid"].value == pytest.approx(expected, rel=1e-5)
    report = dm.score(X, value, metrics="fid", ci_level=0, null=False)
    assert report["fid"].value == pytest.approx(expected, rel=1e-5)
    assert report.fake.n == 30


@pytest.mark.parametrize(
    "cast", [np.float16, lambda x: torch.from_numpy(x).bfloat16(), lambda x: torch.from_numpy(x).half()]
)
def test_low_precision_is_read_as_it_is(cast: Any) -> None:
    assert dm.metrics.fid(X, cast(Y)) == pytest.approx(dm.metrics.fid(X, Y), rel=0.02)
    assert dm.score(X, cast(Y), metrics="fid", ci_level=0, null=False)["fid"].value == pytest.approx(
        dm.metrics.fid(X, cast(Y)), rel=1e-5
    )


@pytest.mark.parametrize(("value", "message"), REFUSED.values(), ids=list(REFUSED))
def test_what_holds_no_features_is_refused_everywhere_with_the_way_out(value: Any, message: str) -> None:
    with pytest.raises(FeatureError, match=rf"fid: fake: .*{message}"):
        dm.metrics.fid(X, value)
    with pytest.raises(dm.MeasureError, match="fake: "):
        dm.score(X, value, metrics="fid", ci_level=0, null=False)
    with pytest.raises(dm.MeasureError, match="fake: "):
        Meter("fid").add("fake", value)


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint16, np.uint32, np.int64, np.uint64])
def test_whole_numbers_are_features_of_a_function_and_ambiguous_in_a_source(kind: Any) -> None:
    rows = np.arange(120).reshape(30, 4).astype(kind)
    assert dm.metrics.fid(X, rows) == pytest.approx(dm.metrics.fid(X, rows.astype(float)))
    with pytest.raises(dm.SourceError, match="may be features or flattened images"):
        dm.score(X, rows, metrics="fid")


def test_what_is_no_array_is_refused_by_functions() -> None:
    wrong = {"real/": "the text 'real/'.*dm.score opens", 3.0: "shape", None: "got None"}
    for value, message in wrong.items():
        with pytest.raises(FeatureError, match=message):
            dm.metrics.fid(X, value)
    with pytest.raises(FeatureError, match="an iterator"):
        dm.metrics.fid(X, (row for row in Y))
    with pytest.raises(FeatureError, match=r"a dict with \['a'\]"):
        dm.metrics.fid(X, {"a": Y})
    with pytest.raises(ForeignError, match=r"the Broken raised KeyError: 'no' at .*test_array_likes\.py"):
        as_array(Broken())


def test_a_read_only_array_is_not_written_to_and_gives_no_warning() -> None:
    rows = read_only()
    dm.metrics.vendi(rows)
    np.testing.assert_array_equal(rows, Y)


def test_sides_may_be_named_in_every_metric() -> None:
    assert dm.metrics.fid(real=X, fake=Y) == dm.metrics.fid(fake=Y, real=X) == dm.metrics.fid(X, fake=Y)
    assert dm.metrics.recall(fake=Y, real=X, k=3) == dm.metrics.recall(X, Y, k=3)
    assert dm.metrics.vendi(fake=Y) == dm.metrics.vendi(Y)
    assert dm.metrics.c_t(held_out=X, real=Y, fake=X, cells=1) == dm.metrics.c_t(Y, X, X, cells=1)
    assert all(not {"real", "fake", "held_out"} & metric.options.keys() for metric in METRICS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dm.metrics.fid(X), "fid takes real and fake, got 1 argument"),
        (lambda: dm.metrics.fid(X, Y, X), "got 3 arguments"),
        (lambda: dm.metrics.fid(X, Y, real=X), "got real twice"),
        (lambda: dm.metrics.vendi(real=X), "vendi"),
    ],
)
def test_sides_that_are_missing_or_given_twice(call: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()


def test_a_side_with_a_typing_error_is_named() -> None:
    with pytest.raises(UnknownName, match=r"unknown argument of fid 'fak'. Did you mean 'fake'"):
        dm.metrics.fid(X, fak=Y)
