"""Reports in TensorBoard and Weights & Biases: what their writers are called with."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import divmetrics as dm
from divmetrics.integrations import log_to_tensorboard, log_to_wandb
from divmetrics.records.verdict import Finding, Verdict


@pytest.fixture(scope="module")
def report() -> dm.Report:
    rows = np.random.default_rng(0).normal(size=(2, 20, 2))
    finding = Finding("narrow", 0.001, 0.5, "factor", "half as wide.")
    found = dm.score(*rows, metrics="recall:k=3", ci_level=0, null=False)
    return replace(found, verdict=Verdict("collapsed", 0.01, (finding,), text="collapsed, since"))


class Recorder:
    """What a SummaryWriter, or a run of Weights & Biases, is called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def add_scalar(self, *given: Any) -> None:
        self.calls.append(given)

    add_text = add_scalar

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        self.calls.append((values, step))


def test_numbers_are_curves_and_the_verdict_is_text(report: dm.Report) -> None:
    value = report["recall"].value
    writer, run = Recorder(), Recorder()
    log_to_tensorboard(writer, report, 7, prefix="div/")
    assert writer.calls[0] == ("div/recall/features", value, 7)
    name, text, step = writer.calls[1]
    assert (name, step) == ("div/verdict", 7)
    assert text.startswith("### verdict: collapsed\n")
    assert "| `recall` |" in text
    log_to_wandb(run, report)
    texts = {"verdict": "collapsed", "verdict/text": "collapsed, since. half as wide."}
    assert run.calls == [({"recall/features": value, **texts}, None)]
    log_to_wandb(run, replace(report, verdict=None), 3)
    assert run.calls[1] == ({"recall/features": value}, 3)
