"""Damaged JSON is refused with the place of the damage, and never becomes a record of wrong types."""

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import divmetrics as dm
from divmetrics.errors import UsageError
from divmetrics.records.json_reading import DamagedRecord, parse_json, record_from
from divmetrics.records.results import Mode, Report, Result, Side


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": NaN}', "line 1, column 7"),
        ('{"a":\n  [Infinity]}', "line 2, column 4"),
        ('{"a": 1e400}', "out of range"),
        ("1" * 400, "64 bits"),
        ('{"a": [[18446744073709551616]]}', "64 bits"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": 1', "truncated"),
        ("", "truncated"),
        ('["\\udcff", NaN]', "NaN is no number"),
        ('["a\\ud800bcdefgh"]', "halves of characters"),
        ('{"a": {"\\udcff\\udd00": 1}}', "halves of characters"),
        ('["\\udcff", 1e999]', "1e999 is no number"),
        ('["\\udcff", 18446744073709551616]', "64 bits"),
        ('["\\udcff",\n x]', "line 2, column 2: expecting value"),
        ('["\\udcff", ' + "1" * 5000 + "]", "too large"),
        ('["\\udcff", ' + "[" * 100_000, "too large"),
    ],
)
def test_what_is_not_json_is_refused(text: str, reason: str) -> None:
    with pytest.raises(DamagedRecord, match=reason):
        parse_json(text)


def test_names_of_files_that_are_no_utf_8_come_back() -> None:
    """Linux allows any bytes in a name; Python holds them as lone surrogates, which JSON writes as escapes."""
    name = os.fsdecode(b"real/\xff\xfe \xc3\xa9.png")
    side = Side("real/", 2, None, labels={name: 2})
    text = json.dumps(side.to_json())
    assert Side.from_json(parse_json(text)) == side
    assert parse_json(json.dumps([name, "\U0001f389", 0.1])) == [name, "\U0001f389", 0.1]


def test_a_field_of_another_type_is_named() -> None:
    with pytest.raises(DamagedRecord, match=r"expected `int \| null`, got `str` - at `\.n`"):
        record_from(Side, {"source": "real/", "n": "9", "digest": None})
    with pytest.raises(DamagedRecord, match=r"missing required field `digest`"):
        record_from(Side, {"source": "real/", "n": 9})


def test_keys_that_a_later_version_adds_are_ignored() -> None:
    mode = {"id": 1, "name": "cat", "real_share": 0.5, "fake_share": 0, "p": None, "state": "unseen", "new": {}}
    assert Mode.from_json(mode) == Mode(1, "cat", 0.5, 0.0, None, "unseen")


@pytest.fixture(scope="module")
def report() -> Report:
    rows = np.random.default_rng(0).normal(size=(2, 20, 3))
    return dm.score(*rows, metrics="fid,recall:k=1")


def _set(whole: dict[str, Any], *way: str, value: Any) -> None:
    *steps, last = way
    for step in steps:
        whole = whole[step]
    whole[last] = value


@pytest.mark.parametrize(
    ("way", "value", "named"),
    [
        (("metrics",), [], "metrics"),
        (("metrics", "fid@features"), 3, "metrics"),
        (("metrics", "fid@features", "value"), "9", r"metrics\['fid@features'\]: .*value"),
        (("metrics", "fid@features", "value"), True, "value"),
        (("metrics", "fid@features", "ci"), [1.0], "ci"),
        (("metrics", "fid@features", "ci"), [1.0, None], "ci"),
        (("metrics", "fid@features", "null"), 3, "null"),
        (("metrics", "fid@features", "range"), {}, "range"),
        (("metrics", "fid@features", "params"), [], "params"),
        (("metrics", "fid@features", "signature"), 7, "signature"),
        (("metrics", "fid@features", "signature"), "a|b", "signature"),
        (("metrics", "fid@features", "warnings"), "none", "warnings"),
        (("metrics", "fid@features", "extras"), {"real": {}}, "real"),
        (("metrics", "fid@features", "extras"), {"missing": 3}, "missing"),
        (("real",), None, "real"),
        (("real", "labels"), {"cat": "many"}, "labels"),
        (("real", "skipped"), [{"path": 1, "reason": ""}], "skipped"),
        (("metrics", "fid@features", "better"), "Lower", "better"),
        (("modes",), [{}], "modes"),
        (
            ("modes",),
            [{"id": 0, "name": "a", "real_share": 1, "fake_share": 0, "p": 0, "state": "gone"}],
            "modes.*state",
        ),
        (("meta", "seconds"), "long", "seconds"),
        (("created",), 3, "created"),
    ],
)
def test_a_damaged_report_says_where(report: Report, way: tuple[str, ...], value: Any, named: str) -> None:
    whole = report.to_dict()
    _set(whole, *way, value=value)
    with pytest.raises(UsageError, match=f"^here.json is damaged: .*{named}"):
        Report.from_json(json.dumps(whole), "here.json")


def test_fields_that_are_not_part_of_the_json_cannot_be_smuggled_in(report: Report) -> None:
    whole = {**report.to_dict(), "samples": {"real": {"path": ["x"]}}, "replicates": 3, "version": "9"}
    read = Report.from_json(json.dumps(whole))
    assert read == report
    assert (read.samples, read.replicates, read.version) == ({}, None, report.version)


def test_a_report_with_nan_is_refused_whatever_wrote_it(report: Report, tmp_path: Any) -> None:
    path = tmp_path / "report.json"
    value = report["fid"].value
    path.write_text(report.to_json().replace(f'"value": {value}', '"value": NaN'))
    with pytest.raises(UsageError, match=r"report.json is not JSON \(line \d+, column \d+"):
        Report.load(path)


@pytest.mark.parametrize("read", [Side.from_json, Mode.from_json, Result.from_json])
@pytest.mark.parametrize("entry", [None, 3, "text", [], {}])
def test_what_is_no_record_is_refused(read: Callable[[Any], object], entry: Any) -> None:
    with pytest.raises(DamagedRecord):
        read(entry)
