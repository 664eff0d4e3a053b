"""A type checker knows every metric by name, and no other name."""

from pathlib import Path

import pytest

from divmetrics.metrics import _stub
from divmetrics.records.metric import METRICS


def test_the_stub_lists_every_metric() -> None:
    assert _stub.STUB.read_text() == _stub.stub(), f"remake the stub: {_stub.COMMAND}"
    assert all(f"\n{metric.name}: Metric\n" in _stub.stub() for metric in METRICS)


@pytest.mark.slow
def test_mypy_refuses_a_metric_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mypy import api

    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        "import divmetrics as dm\n"
        "reveal_type(dm.metrics.recall)\n"
        "dm.metrics.recal\n"
        "dm.scored\n"
        "value: float = dm.metrics.fid([[0.0], [1.0]], [[0.0], [2.0]])\n"
        "dm.score('real/', 'fake/', seed='one')\n"
    )
    home = Path(_stub.__file__).parents[2]
    if home.name != "site-packages":  # there mypy finds the package by itself, and refuses the path
        monkeypatch.setenv("MYPYPATH", str(home))
    monkeypatch.chdir(tmp_path)
    out, err, _ = api.run(["--follow-imports=silent", "--cache-dir", str(tmp_path / "cache"), str(snippet)])
    assert not err
    assert 'Revealed type is "divmetrics.records.metric.Metric"' in out
    assert 'error: Module has no attribute "recal"' in out
    assert 'error: Module has no attribute "scored"' in out
    assert 'error: Argument "seed" to "score" has incompatible type "str"' in out
    assert "snippet.py:5" not in out
