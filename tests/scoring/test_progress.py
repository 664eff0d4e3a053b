"""What a run is doing is shown on a terminal, and nowhere else."""

import os
import pty
import sys

import numpy as np
import pytest

import divmetrics as dm
from divmetrics.scoring.progress import shown_steps


def on_terminal(monkeypatch: pytest.MonkeyPatch, *, shown: bool) -> str:
    """What is written to a terminal while two metrics are measured."""
    ours, theirs = pty.openpty()
    rng = np.random.default_rng(0)
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        dm.score(*rng.normal(size=(2, 60, 3)), metrics="recall,kid", progress=shown)
        terminal.flush()
        os.set_blocking(ours, False)
        try:
            return os.read(ours, 1 << 20).decode()
        except BlockingIOError:
            return ""
        finally:
            os.close(ours)


def test_a_terminal_shows_what_is_being_done(monkeypatch: pytest.MonkeyPatch) -> None:
    text = on_terminal(monkeypatch, shown=True)
    assert "kid@features" in text
    assert "2 of 2" in text


def test_quiet_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_terminal(monkeypatch, shown=False) == ""


def test_a_pipe_gets_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with shown_steps(shown=True) as step:
        step("recall@features: value, 1 of 2")
    assert capfd.readouterr() == ("", "")
