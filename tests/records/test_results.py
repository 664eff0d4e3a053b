import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.null_band import NullBand
from divmetrics.records.results import Mode, Report, Result, Side, Skipped
from divmetrics.records.signature import Signature, params_text
from divmetrics.records.verdict import Finding, Verdict

SIGNATURE = "recall|efficientnet-lite0#57934424|pooled|bicubic-aa-224|k:5|n:5000/5000|seed:0|divmetrics:0.1.0"
FINDING = Finding(
    "dropped_modes",
    0.005,
    0.1,
    "share of the real samples",
    "Cats are gone.",
    ("recall@pixels",),
    ("emptiest_of_classes",),
    ("cat.png",),
    ("cat",),
    "Look.",
)


def result(**changes: object) -> Result:
    given = {
        "metric": "recall",
        "extractor": "pixels",
        "value": 0.41,
        "better": "higher",
        "range": (0.0, 1.0),
        "params": {"k": 5},
        "n_real": 10,
        "n_fake": 12,
        "signature": Signature.parse(SIGNATURE),
    }
    return Result(**{**given, **changes})  # type: ignore[arg-type]


def report(**results: Result) -> Report:
    return Report(
        version="0.1.0",
        created="2026-01-31T12:00:00Z",
        real=Side("real/", 10, "sha256:1", {"cat": 10}, (Skipped("x.png", "truncated"),)),
        fake=Side("fake/", 12, None),
        metrics={name.replace("__", "@"): value for name, value in results.items()},
        modes=(Mode(3, "cat", 0.1, 0.0, 1e-9, "missing"),),
        verdict=Verdict("collapsed", 0.01, (FINDING,), 0.1, "collapsed: modes are missing."),
        meta={"seed": 0},
    )


def test_signature_is_its_line() -> None:
    signature = Signature.parse(SIGNATURE)
    assert str(signature) == SIGNATURE
    assert (signature.extractor, signature.params, signature.n) == ("efficientnet-lite0#57934424", "k:5", "5000/5000")


words = st.text(st.characters(categories=["L", "N"], include_characters="-#@:/. "), min_size=1).filter(
    lambda w: "|" not in w
)


@settings(deadline=None, derandomize=True)
@given(words, words, st.dictionaries(st.text("abc", min_size=1), st.integers(), max_size=3), words)
def test_signature_round_trip(metric: str, extractor: str, params: dict[str, int], n: str) -> None:
    signature = Signature(metric, extractor, "pooled", "none", params_text(params), n, "0", "0.1.0")
    assert Signature.parse(str(signature)) == signature


def test_versions_may_differ_and_nothing_else() -> None:
    mine = Signature.parse(SIGNATURE)
    newer = Signature.parse(SIGNATURE.replace("0.1.0", "0.2.0"))
    other = Signature.parse(SIGNATURE.replace("k:5", "k:3"))
    assert mine.differences(newer) == {}
    assert mine.differences(other) == {"params": ("k:5", "k:3")}


@pytest.mark.parametrize(
    "text", ["", "recall", SIGNATURE.replace("seed:", "sown:"), SIGNATURE[: SIGNATURE.index("|n:")]]
)
def test_not_a_signature(text: str) -> None:
    with pytest.raises(UsageError, match="not a signature"):
        Signature.parse(text)


def test_report_round_trip() -> None:
    whole = report(
        recall__pixels=result(
            ci=(0.3, 0.5), ci_level=0.95, ci_method="m", null=NullBand(0.7, 0.6, 0.8), warnings=("w",)
        ),
        fid__pixels=result(metric="fid", value=None, range=(0.0, None)),
    )
    assert Report.from_json(whole.to_json()) == whole


def test_report_json_has_the_promised_keys() -> None:
    entry = json.loads(report(recall__pixels=result()).to_json())
    assert entry["schema"] == "divmetrics.report/1"
    assert {"divmetrics", "created", "real", "fake", "metrics", "verdict", "modes", "meta"} < set(entry)
    assert set(entry["real"]) == {"source", "n", "digest", "labels", "skipped"}
    assert list(entry["metrics"]["recall@pixels"]) == [
        "value", "ci", "ci_level", "ci_method", "null", "better", "range", "metric", "extractor", "params", "n_real",
        "n_fake", "signature", "literature", "extras", "warnings", "seconds",
    ]  # fmt: skip


def test_report_refuses_to_write_nan() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        report(recall__pixels=result(extras={"x": float("nan")})).to_json()


def test_lookup_by_metric() -> None:
    one = report(recall__pixels=result())
    assert one["recall"] is one["recall@pixels"]
    two = report(recall__pixels=result(), recall__features=result())
    with pytest.raises(UsageError, match="2 times"):
        two["recall"]
    with pytest.raises(UnknownName, match="Did you mean 'recall'"):
        one["recal"]
    for name in (3, None):
        with pytest.raises(UnknownName, match=f"unknown metric in the report {name}"):
            one[name]  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "schema None"),
        ('{"schema": "divmetrics.report/2"}', "divmetrics.report/2"),
        ('{"schema": "divmetrics.report/1"}', "damaged"),
    ],
)
def test_not_a_report(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Report.from_json(text, "r.json")


def test_save_and_load(tmp_path) -> None:
    whole = report(recall__pixels=result())
    whole.save(tmp_path / "r.json")
    assert Report.load(tmp_path / "r.json") == whole
    with pytest.raises(UsageError, match="cannot read the report"):
        Report.load(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not text"):
        Report.load(tmp_path / "binary.json")
