"""Results, reports and judgements with little to say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from divmetrics.records.results import Mode, Report, Result, Side
from divmetrics.records.signature import Signature
from divmetrics.records.verdict import Verdict
from divmetrics.report.gate.judge import judge
from divmetrics.report.gate.outcomes import GateResult
from divmetrics.report.gate.rules import Rule, Rules

BETTER = {"recall": "higher", "coverage": "higher", "fid": "lower"}


@pytest.fixture
def number() -> Callable[..., Result]:
    """One number with its interval of 95 %."""

    def make(metric: str, value: float | None, half_width: float | None = None, **changes: Any) -> Result:
        signature = Signature(metric, "pixels#12345678", "pooled", "none", "k:5", "9/9", "0", "0.1.0")
        given = {"better": BETTER[metric], "range": (0, None), "params": {"k": 5}, "n_real": 9, "n_fake": 9}
        if half_width is not None and value is not None:
            given |= {"ci": (value - half_width, value + half_width), "ci_level": 0.95}
        return Result(metric, "pixels", value, **{**given, "signature": signature, **changes})

    return make


@pytest.fixture
def report_of() -> Callable[..., Report]:
    def make(*results: Result, modes: tuple[Mode, ...] = (), state: str | None = None, text: str = "") -> Report:
        verdict = None if state is None else Verdict(state, 0.01, text=text)
        sides = (Side("real/", 9, "sha256:1"), Side("fake/", 9, None))
        metrics = {f"{r.metric}@{r.extractor}": r for r in results}
        return Report("0.1.0", "2026-01-31T12:00:00Z", *sides, metrics, verdict=verdict, modes=modes)

    return make


@pytest.fixture
def gated() -> Callable[..., GateResult]:
    def judged(now: Report, *rules: Rule, share: float = 1.0, **more: Any) -> GateResult:
        return judge(now, Rules(Path("divmetrics.toml"), rules, **more), share=share)

    return judged
