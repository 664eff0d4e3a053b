"""A report as table, dict, data frame and scalars."""

import json
import re
import shutil
import subprocess
import sys
from os import terminal_size
from types import ModuleType

import pytest

from divmetrics.errors import Unavailable
from divmetrics.records.null_band import NullBand
from divmetrics.records.results import Report, Result, Side
from divmetrics.records.signature import Signature
from divmetrics.report import page, table

SIGNATURE = "recall|efficientnet-lite0#57934424|pooled|bicubic-aa-224|k:5|n:10/12|seed:0|divmetrics:0.1.0"


def result(metric: str, extractor: str, value: float | None) -> Result:
    return Result(
        metric=metric,
        extractor=extractor,
        value=value,
        better="higher",
        range=(0.0, 1.0),
        params={"k": 5},
        n_real=10,
        n_fake=12,
        signature=Signature.parse(SIGNATURE),
        ci=(0.38, 0.44),
        ci_level=0.95,
        null=NullBand(0.7, 0.6, 0.8, p=0.005),
    )


RESULTS = {
    "recall@efficientnet-lite0": result("recall", "efficientnet-lite0", 0.41),
    "recall:k=3@timm:vit?seed=0": result("recall", "timm:vit?seed=0", 1),
    "kid@onnx:/a/b.onnx": result("kid", "onnx:/a/b.onnx", 0.123456),
    "vendi@pixels": result("vendi", "pixels", None),
}
REPORT = Report("0.1.0", "2026-01-31T12:00:00Z", Side("real/", 10, None), Side("fake/", 12, None), RESULTS)


@pytest.mark.parametrize("columns", [60, 100, 160])
def test_print_is_the_table_of_the_command_line(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(shutil, "get_terminal_size", lambda fallback: terminal_size((columns, 24)))
    assert str(REPORT) + "\n" == table.render(page.report_page(REPORT), columns)
    assert max(map(len, str(REPORT).splitlines())) <= columns


def test_a_saved_report_prints_without_numpy_and_torch() -> None:
    code = (
        "import sys; from divmetrics import Report; print(Report.from_json(sys.stdin.read())); "
        "assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=REPORT.to_json(), text=True, capture_output=True, check=True)  # noqa: S603
    assert "recall" in done.stdout


def test_the_short_form_is_one_short_line() -> None:
    assert repr(REPORT) == (
        "<Report real n=10 fake n=12: recall@efficientnet-lite0 0.41, recall:k=3@timm:vit?seed=0 1, "
        "kid@onnx:/a/b.onnx 0.1235 and another, 4 in all>"
    )


def test_to_dict_is_plain_json() -> None:
    assert REPORT.to_dict() == json.loads(REPORT.to_json())
    assert Report.from_json(json.dumps(REPORT.to_dict())) == REPORT


def test_scalars_are_floats_under_keys_that_loggers_take() -> None:
    found = REPORT.scalars()
    assert found == {
        "recall/efficientnet-lite0": 0.41,
        "recall_k_3/timm_vit_seed_0": 1.0,
        "kid/onnx__a_b.onnx": 0.123456,
    }
    assert all(type(value) is float for value in found.values())
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII) for name in found)


def test_scalars_lose_no_value_to_equal_keys() -> None:
    results = {key: result("fid", "x", i) for i, key in enumerate(["fid@a:b", "fid@a?b", "fid@a_b"])}
    report = Report("0.1.0", "2026", REPORT.real, REPORT.fake, results)
    assert report.scalars() == {"fid/a_b": 0.0, "fid/a_b_": 1.0, "fid/a_b__": 2.0}


def test_a_data_frame_has_one_row_a_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = ModuleType("pandas")
    pandas.DataFrame = lambda rows, index: (rows, index)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    rows, index = REPORT.to_frame()
    assert index == list(RESULTS)
    assert [row["value"] for row in rows] == [0.41, 1, 0.123456, None]
    assert (rows[0]["ci_low"], rows[0]["ci_high"], rows[0]["p"]) == (0.38, 0.44, 0.005)
    assert rows[0]["signature"] == SIGNATURE


def test_without_pandas_a_data_frame_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(Unavailable, match=r"to_frame\(\) needs pandas, .* pip install pandas"):
        REPORT.to_frame()


@pytest.mark.slow
def test_a_data_frame_of_pandas() -> None:
    pytest.importorskip("pandas")
    frame = REPORT.to_frame()
    assert list(frame.index) == list(RESULTS)
    assert frame.loc["recall@efficientnet-lite0", ["value", "ci_low", "null_high"]].tolist() == [0.41, 0.38, 0.8]
    assert frame["value"].isna().tolist() == [False, False, False, True]
