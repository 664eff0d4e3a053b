"""Curves and maps: records of exhibits turned into places in a drawing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from divmetrics.records.exhibits import Curve, Exhibits, Map, Series
from divmetrics.report.html.axes import Axis
from divmetrics.report.page import number

WIDE, HIGH = 420.0, 250.0
"""Size of the area of a curve, in the units of its drawing."""
SQUARE = 480.0
"""Size of a map."""
HUES = 8
"""Number of colours that tell modes apart; further ones share the last."""
ROOM = 45.0
"""Least distance between labels of an axis."""
MOST_SERIES_ROWS = 60
"""Most points of a curve in the table beside it."""
Point = tuple[float, float, float | None, float | None]
"""x, y, and the ends of the interval."""


@dataclass(frozen=True)
class Line:
    """One series."""

    name: str
    path: str
    """The line, as the data of an SVG path."""
    band: str
    """The area between its ends; empty where it has none."""
    dots: tuple[tuple[float, float], ...]
    """Places of the points, where they are few."""


@dataclass(frozen=True)
class Chart:
    """A diagram of lines, ready to be drawn; coordinates grow to the right and downwards."""

    title: str
    text: str
    x_label: str
    y_label: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]
    rows: tuple[tuple[str, ...], ...]
    """The numbers: series, x, y, and the interval."""
    marks: tuple[tuple[float, str], ...] = ()
    """Places along x that are marked, each with a word."""
    width: float = WIDE
    height: float = HIGH


def chart_of(curve: Curve, marks: Sequence[tuple[float, str]] = ()) -> Chart:
    """A curve with its axes; `marks` are values of x with a word each."""
    points = [point for series in curve.series for point in _points(series)]
    x_axis = Axis.around([x for x, *_ in points], log=curve.log_x)
    unit = _in_unit([value for _, *ys in points for value in ys])
    bounds = (0.0, 1.0) if unit and curve.name == "prd" else (0.0, None) if unit else (None, None)
    y_axis = Axis.around([value for _, *values in points for value in values], bounds=bounds)
    if curve.name == "prd":
        x_axis = Axis(0.0, 1.0)
    rows = [
        (series.name, number(x), number(y), "" if low is None else f"[{number(low, 3)}, {number(high, 3)}]")
        for series in curve.series
        for x, y, low, high in _thinned(_points(series))
    ]
    return Chart(
        title=curve.title,
        text=curve.text,
        x_label=curve.x_label,
        y_label=curve.y_label,
        x_ticks=tuple(_sizes(points, x_axis) or x_axis.ticks(WIDE, 5)),
        y_ticks=tuple((round(HIGH - place, 1), text) for place, text in y_axis.ticks(HIGH, 5)),
        lines=tuple(_line(series, x_axis, y_axis) for series in curve.series),
        rows=tuple(rows),
        marks=tuple((x_axis.place(x, WIDE), word) for x, word in marks),
    )


def _sizes(points: Sequence[Point], axis: Axis) -> list[tuple[float, str]]:
    """Places of the numbers themselves, where they are few on a logarithmic axis and their labels have room."""
    if not axis.log:
        return []
    ticks: list[tuple[float, str]] = []
    for x in sorted({point[0] for point in points}, reverse=True):
        place = axis.place(x, WIDE)
        if not ticks or ticks[-1][0] - place >= ROOM:
            ticks.append((place, f"{x:,.6g}"))
    return ticks


def _in_unit(values: Sequence[float | None]) -> bool:
    """Whether all are shares."""
    known = [value for value in values if value is not None]
    return bool(known) and all(0 <= value <= 1 for value in known)


def _points(series: Series) -> list[Point]:
    """x, y and the ends of the interval; places without a value are left out."""
    none: tuple[float | None, ...] = (None,) * len(series.x)
    zipped = zip(series.x, series.y, series.low or none, series.high or none, strict=True)
    return [(x, y, low, high) for x, y, low, high in zipped if y is not None and math.isfinite(x)]


def _thinned(points: list[Point]) -> list[Point]:
    """Evenly spaced points, few enough for a table."""
    return points[:: max(1, math.ceil(len(points) / MOST_SERIES_ROWS))]


def _line(series: Series, x_axis: Axis, y_axis: Axis) -> Line:
    points = _points(series)
    spots = [(x_axis.place(x, WIDE), round(HIGH - y_axis.place(y, HIGH), 1)) for x, y, _, _ in points]
    ends = [
        (x_axis.place(x, WIDE), round(HIGH - y_axis.place(low, HIGH), 1), round(HIGH - y_axis.place(high, HIGH), 1))
        for x, _, low, high in points
        if low is not None and high is not None
    ]
    around = [(x, high) for x, _, high in ends] + [(x, low) for x, low, _ in reversed(ends)]
    return Line(series.name, _path(spots), _path(around) + "Z" if len(ends) > 1 else "", _few(spots))


def _few(spots: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    return tuple(spots) if len(spots) <= 24 else ()


def _path(spots: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in spots) if spots else ""


@dataclass(frozen=True)
class Spot:
    """One sample on a map."""

    row: int
    """Number of its row in the table of samples."""
    x: float
    y: float
    side: str
    hue: int
    """Number of the colour of its mode; -1 for none."""
    found: bool
    """Whether it shows a finding."""


@dataclass(frozen=True)
class Plot:
    """A map, ready to be drawn."""

    id: str
    title: str
    text: str
    x_label: str
    y_label: str
    spots: tuple[Spot, ...]
    size: float = SQUARE


@dataclass(frozen=True)
class Place:
    """One sample in the table beside the maps."""

    side: str
    index: int
    name: str
    mode: str
    finding: str
    at: tuple[str, ...]
    """Its place on each map."""


@dataclass(frozen=True)
class Atlas:
    """All maps, with the samples on them."""

    plots: tuple[Plot, ...]
    places: tuple[Place, ...]
    hues: tuple[tuple[str, int], ...]
    """Modes that have a colour."""
    others: int
    """Modes that share one."""
    findings: tuple[str, ...]
    """Kinds of findings that samples show."""


TITLES = {"pca": "Principal components", "tsne": "t-SNE", "columns": "The features as they are"}


def atlas_of(exhibits: Exhibits) -> Atlas:
    """The maps of a report, each sample with one row in one table."""
    samples: dict[tuple[str, int], dict[str, object]] = {}
    counts: dict[str, int] = {}
    for drawn in exhibits.maps:
        points = drawn.points
        for place in range(len(points)):
            key = (points.side[place], points.index[place])
            if key not in samples:
                mode = points.mode[place]
                samples[key] = {"name": points.name[place], "mode": mode or "", "finding": points.finding[place] or ""}
                if mode is not None:
                    counts[mode] = counts.get(mode, 0) + 1
    named = sorted(counts, key=lambda mode: (-counts[mode], mode))
    shown = named[: HUES if len(named) == HUES else HUES - 1] if len(named) > HUES else named
    hues = {mode: hue for hue, mode in enumerate(sorted(shown))}
    order = {key: row for row, key in enumerate(sorted(samples, key=lambda key: (key[0], key[1])))}
    plots = tuple(_plot(f"map-{n}", drawn, order, hues) for n, drawn in enumerate(exhibits.maps, start=1))
    where: dict[int, list[str]] = {}
    for drawn in exhibits.maps:
        here = {
            order[side, index]: f"{number(x, 3)}, {number(y, 3)}"
            for side, index, x, y in zip(
                drawn.points.side, drawn.points.index, drawn.points.x, drawn.points.y, strict=True
            )
        }
        for row in order.values():
            where.setdefault(row, []).append(here.get(row, ""))
    places = tuple(
        Place(
            side, index, str(about["name"]), str(about["mode"]), str(about["finding"]), tuple(where[order[side, index]])
        )
        for (side, index), about in sorted(samples.items(), key=lambda item: order[item[0]])
    )
    findings = tuple(dict.fromkeys(place.finding for place in places if place.finding))
    return Atlas(plots, places, tuple(hues.items()), len(named) - len(hues), findings)


def _plot(plot_id: str, drawn: Map, order: Mapping[tuple[str, int], int], hues: Mapping[str, int]) -> Plot:
    points = drawn.points
    wide, high = Axis.around(points.x), Axis.around(points.y)
    spots = []
    for place in _interleaved(points.side):
        mode = points.mode[place]
        hue = -1 if mode is None else hues.get(mode, HUES - 1)
        spots.append(
            Spot(
                order[points.side[place], points.index[place]],
                wide.place(points.x[place], SQUARE),
                round(SQUARE - high.place(points.y[place], SQUARE), 1),
                points.side[place],
                hue,
                points.finding[place] is not None,
            )
        )
    title = TITLES.get(drawn.method, drawn.method)
    return Plot(plot_id, title, drawn.text, drawn.x_label, drawn.y_label, tuple(spots))


def _interleaved(sides: Sequence[str]) -> list[int]:
    """Numbers of the points, those of the two sides in turn, so that neither covers the other."""
    by_side = [[i for i, side in enumerate(sides) if side == wanted] for wanted in ("real", "fake")]
    shares = [(rank / len(group), place) for group in by_side for rank, place in enumerate(group)]
    return [place for _, place in sorted(shares)]
