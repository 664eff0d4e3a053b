"""The command line in this process, and a stand-in for `score` that only notes what it was asked for."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from divmetrics.cli._main import run
from divmetrics.records.results import Report, Result, Side
from divmetrics.records.run_options import ScoreRequest
from divmetrics.records.signature import Signature


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def call(*arguments: object) -> Done:
        code = run([str(argument) for argument in arguments])
        return Done(code, *capsys.readouterr())

    return call


@pytest.fixture
def make_report() -> Callable[..., Report]:
    def make(recall: float | None = 0.41, fid: float | None = 9.0, **changes: Any) -> Report:
        def result(metric: str, value: float | None, better: str) -> Result:
            signature = Signature(metric, "pixels#12345678", "pooled", "none", "k:5", "9/9", "0", "0.1.0")
            return Result(metric, "pixels", value, better, (0.0, None), {"k": 5}, 9, 9, signature)

        metrics = {"recall@pixels": result("recall", recall, "higher"), "fid@pixels": result("fid", fid, "lower")}
        sides = {"real": Side("real/", 9, "sha256:1"), "fake": Side("fake/", 9, None)}
        given = {
            "version": "0.1.0",
            "created": "2026-01-31T12:00:00Z",
            **sides,
            "metrics": metrics,
            "meta": {"seed": 0},
        }
        return Report(**{**given, **changes})

    return make


@dataclass
class Engine:
    """Stands in for `divmetrics.scoring.score`: notes each request, answers with `report` or raises `error`."""

    report: Report
    asked: list[tuple[tuple[Any, ...], dict[str, Any]]]
    error: BaseException | None = None

    def score(self, *sources: str, **keywords: Any) -> Report:
        self.asked.append((sources, keywords))
        if self.error is not None:
            raise self.error
        return self.report

    def score_as_many(self, request: ScoreRequest, _wanted: object) -> Report:
        return self.score(request.real, request.fake, **vars(request))

    def extract(self, *sources: str, **keywords: Any) -> Side:
        self.asked.append((sources, keywords))
        return self.report.fake


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, make_report: Callable[..., Report]) -> Engine:
    import divmetrics.scoring.score  # noqa: F401  so that there is a module to patch

    module = sys.modules["divmetrics.scoring.score"]
    standin = Engine(make_report(), [])
    monkeypatch.setattr(module, "score", standin.score)
    monkeypatch.setattr(module, "score_as_many", standin.score_as_many)
    monkeypatch.setattr(module, "extract", standin.extract)
    return standin


@pytest.fixture
def rules(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "rules.toml"
        path.write_text(text)
        return path

    return write
