"""What notebooks and matplotlib show of a report; a saved report becomes a page without torch and numpy."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from divmetrics.errors import Unavailable, UnknownName, UsageError
from divmetrics.records.results import Report


def test_a_notebook_shows_verdict_and_numbers_escaped(shown_report: Report) -> None:
    text = replace(shown_report, real=replace(shown_report.real, source="<b>"))._repr_html_()
    for part in ("Collapsed", "Modes with 50.0% are missing", "0.4100", "[0.380, 0.440]", "&lt;b&gt;"):
        assert part in text
    assert "<b>" not in text
    assert "<script" not in text
    assert "<style" not in text


@pytest.mark.slow
def test_a_figure_has_a_panel_for_each_value(shown_report: Report) -> None:
    pytest.importorskip("matplotlib")
    figure = shown_report.figure()
    recall, fid = figure.axes
    assert recall.get_xlim()[0] <= 0 < 1 <= recall.get_xlim()[1]
    assert [line.get_xdata()[0] for line in recall.lines] == [0.71, 0.38, 0.41]
    assert fid.get_ylabel() == "fid@efficientnet-lite0"
    assert len(shown_report.figure("fid").axes) == 1
    with pytest.raises(UnknownName, match="recal"):
        shown_report.figure(["recal"])


def test_a_figure_needs_values_and_matplotlib(
    make_report: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(Unavailable, match=r"pip install 'divmetrics\[plot\]'"):
        make_report().figure()
    monkeypatch.undo()
    pytest.importorskip("matplotlib")
    with pytest.raises(UsageError, match="nothing to draw"):
        make_report().figure()


def test_a_page_needs_neither_torch_nor_numpy(shown_report: Report) -> None:
    code = (
        "import sys; from divmetrics import Report; report = Report.from_json(sys.stdin.read())\n"
        "assert 'jinja2' not in sys.modules\n"
        "report.html('/dev/null'); report._repr_html_()\n"
        "assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    )
    text = replace(shown_report, exhibits=None).to_json()
    done = subprocess.run([sys.executable, "-c", code], input=text, text=True, check=False, capture_output=True)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
