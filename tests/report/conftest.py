"""A report with every kind of content."""

from collections.abc import Callable
from typing import Any

import pytest

from divmetrics.records.comparison import Comparison, Difference, Place, Ranking
from divmetrics.records.null_band import NullBand
from divmetrics.records.results import Mode, Report, Result, Side, Skipped
from divmetrics.records.signature import Signature
from divmetrics.records.verdict import Finding, Verdict

LITE0 = "efficientnet-lite0"


def _result(metric: str, value: float | None, layer: str = "pooled", **changes: Any) -> Result:
    signature = Signature(metric, f"{LITE0}#57934424", layer, "bicubic-aa-224", "k:5", "90/80", "0", "0.1.0")
    given = {"better": "higher", "range": (0.0, 1.0), "params": {"k": 5}, "n_real": 90, "n_fake": 80}
    return Result(metric, LITE0, value, **{**given, "signature": signature, **changes})


@pytest.fixture
def make_result() -> Callable[..., Result]:
    return _result


@pytest.fixture
def make_report() -> Callable[..., Report]:
    def make(*results: Result, **changes: Any) -> Report:
        given = {
            "version": "0.1.0",
            "created": "2026-01-31T12:00:00Z",
            "real": Side("real/", 90, "sha256:1"),
            "fake": Side("out/fake", 80, "sha256:2"),
            "metrics": {f"{result.metric}@{result.extractor}": result for result in results},
            "meta": {"seed": 0, "device": "cpu", "engine": "torch", "seconds": {"extract": 12.14, "measure": 0.8}},
        }
        return Report(**{**given, **changes})

    return make


@pytest.fixture
def rich_report(make_result: Callable[..., Result], make_report: Callable[..., Report]) -> Report:
    """Everything that a table can show, at once."""
    features = Signature("kid", "features", "pooled", "none", "degree:3", "90/80", "7", "0.1.0")
    return make_report(
        make_result("fid", 123.456, better="lower", range=(0.0, None), params={}),
        make_result("recall", 0.41, ci=(0.38, 0.44), ci_level=0.95, null=NullBand(0.71, 0.68, 0.74)),
        make_result("vendi", 4.5, params={"order": 1.0}, extras={"real": 9.25}),
        make_result("modes_found", 7.0, "logits", params={"min_count": 1}, extras={"modes_total": 10}),
        make_result(
            "inception_score", None, "none", params={}, warnings=("inception_score reads logits, and there are none",)
        ),
        Result("kid", "features", 1e-5, "lower", (None, None), {"degree": 3}, 90, 80, features),
        real=Side("real/", 90, "sha256:1", {"cat": 45, "dog": 45}),
        fake=Side("out/fake", 80, None, None, tuple(Skipped(f"{i}.png", "truncated") for i in range(5))),
        modes=(Mode(0, "cat", 0.5, 0.0, 1e-9, "missing"), Mode(1, "dog", 0.5, 1.0, 1.0, "present")),
    )


KEY = "recall@efficientnet-lite0"
FINDING = Finding(
    "dropped_modes", 0.001, 0.2, "share of the real samples", "Modes with 20.0% are missing: cat.", (KEY,)
)


@pytest.fixture
def compared(make_result: Callable[..., Result], make_report: Callable[..., Report]) -> Callable[..., Comparison]:
    def make(**changes: object) -> Comparison:
        values = {"worse": 0.4123, "best": 0.9012, "also": 0.8912}
        states = {"worse": "collapsed", "best": "healthy", "also": "inconclusive"}
        reports = tuple(
            make_report(
                make_result("recall", value, ci=(value - 0.05, value + 0.05), ci_level=0.95),
                fake=Side(f"runs/of/{name}", 80, None),
                verdict=Verdict(
                    states[name],
                    0.01,
                    (FINDING,) if name == "worse" else (),
                    text=f"{states[name]}: a sentence with a reason why.",
                ),
            )
            for name, value in values.items()
        )
        ranks = {"best": (1, (1, 2), ("a",)), "also": (1, (1, 2), ("a",)), "worse": (3, (3, 3), ("b",))}
        places = tuple(
            Place(name, values[name], (values[name] - 0.05, values[name] + 0.05), *ranks[name]) for name in ranks
        )
        differences = (
            Difference("worse", "best", -0.4889, (-0.6, -0.3789), 1e-7, 3e-7, told_apart=True, draws=100),
            Difference("worse", "also", -0.4789, (-0.6, -0.3789), 1e-7, 3e-7, told_apart=True, draws=100),
            Difference("best", "also", 0.01, (-0.02, 0.04), 0.4, 0.42, told_apart=False, draws=100),
        )
        ranking = (Ranking(KEY, "recall", "higher", "diversity", places, differences),)
        given = {"ranking": ranking, "notes": ("A note.",), "meta": {"seed": 0, "seconds": {"total": 3.21}}}
        given |= {"version": "0.1.0", "created": "2026-01-31T12:00:00Z", "names": tuple(values), "alpha": 0.01}
        return Comparison(**{**given, "reports": reports, **changes})

    return make
