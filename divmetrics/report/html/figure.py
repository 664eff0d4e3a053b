"""`figure_of`: values and intervals of a report against the null bands, as a figure of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from divmetrics.errors import Unavailable, UsageError
from divmetrics.records.printing import printable
from divmetrics.records.results import Report, Result
from divmetrics.report.html.axes import Axis
from divmetrics.report.page import is_worse, number

ROW, WIDTH = 0.55, 7.0
"""Height of a result and width of the figure, in inches."""
INK, BAD, BAND, REAL = "#1c2128", "#b42318", "#cfe3f5", "#0b66b5"


def figure_of(report: Report, metrics: Sequence[str] | None) -> Any:
    """The figure. Raises Unavailable without matplotlib, UnknownName where a metric is not in the report."""
    try:
        figure_type = import_module("matplotlib.figure").Figure
    except ImportError:
        raise Unavailable(
            "report.figure() needs matplotlib, which is not installed; pip install 'divmetrics[plot]'."
        ) from None
    named = None if metrics is None else [metrics] if isinstance(metrics, str) else metrics
    keys = report.metrics if named is None else dict.fromkeys(map(report.resolve, named))
    results = {key: report.metrics[key] for key in keys if report.metrics[key].value is not None}
    if not results:
        raise UsageError("report.figure() has nothing to draw: no metric of the report has a value.")
    figure = figure_type(figsize=(WIDTH, ROW * len(results) + 0.7), layout="constrained")
    places = figure.subplots(len(results), 1, squeeze=False)[:, 0]
    for place, (key, result) in zip(places, results.items(), strict=True):
        _draw(place, key, result)
    state = f"{report.verdict.state.replace('_', ' ')}: " if report.verdict is not None else ""
    figure.suptitle(_plain(f"{state}{report.fake.source} against {report.real.source}"), fontsize=10)
    return figure


def _plain(text: str) -> str:
    """A text in which matplotlib sees no formula."""
    return printable(text).replace("$", r"\$")


def _draw(place: Any, key: str, result: Result) -> None:
    null, worse = result.null, is_worse(result)
    real = null.mean if null is not None else result.extras.get("real")
    ends = (null.low, null.high) if null is not None else (None, None)
    axis = Axis.around((result.value, *(result.ci or ()), *ends, real), bounds=result.range)
    colour = BAD if worse else INK
    if ends != (None, None):
        low, high = (axis.low if ends[0] is None else ends[0], axis.high if ends[1] is None else ends[1])
        place.axvspan(low, high, color=BAND, lw=0)
    if real is not None:
        place.axvline(real, color=REAL, lw=1.2)
    if result.ci is not None:
        place.plot(result.ci, (0, 0), color=colour, lw=3, alpha=0.75, solid_capstyle="round")
    place.plot([result.value], [0], "o", color=colour, ms=6)
    margin = 0.02 * (axis.high - axis.low)
    place.set(xlim=(axis.low - margin, axis.high + margin), ylim=(-1, 1), yticks=[])
    place.tick_params(axis="x", labelsize=7)
    place.set_ylabel(_plain(key), rotation=0, ha="right", va="center", fontsize=8, color=colour)
    place.text(1.01, 0.5, number(result.value), transform=place.transAxes, va="center", fontsize=8, color=colour)
    for side in ("left", "right", "top"):
        place.spines[side].set_visible(False)
