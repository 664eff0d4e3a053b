"""`Exhibits`: what a report shows besides numbers, as records of the report: galleries, maps, curves, modes in detail.

Samples are named and numbered here, never pictured: pictures are made from the sources when a page is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ShownSide = Literal["real", "fake"]
MapMethod = Literal["pca", "tsne", "columns"]


@dataclass(frozen=True)
class Shown:
    """One sample that is shown."""

    side: ShownSide
    """Which set it is of."""
    index: int
    """Its number in that set, from 0."""
    name: str
    """What reports call it: the path of its file relative to the source, or `#17`."""
    value: float | None = None
    """The number that it was chosen by, where there is one; the caption says what it is."""
    caption: str = ""
    """What is to be said of it, a few words."""


@dataclass(frozen=True)
class GalleryRow:
    """Real and fake samples that are looked at together."""

    title: str
    """What the row shows: a mode, a group of duplicates, a pair."""
    real: tuple[Shown, ...] = ()
    """Its real samples."""
    fake: tuple[Shown, ...] = ()
    """Its fake samples."""


@dataclass(frozen=True)
class Gallery:
    """Rows of samples that show one thing."""

    kind: str
    """Kind of the finding that it shows; or `best`, `worst`, or `grid`, samples of both sides drawn by the seed."""
    title: str
    """Its heading."""
    text: str
    """How the samples were chosen, a sentence or two."""
    rows: tuple[GalleryRow, ...] = ()
    """What it shows, the most telling first."""


@dataclass(frozen=True)
class Points:
    """The points of a map, as columns of one length."""

    x: tuple[float, ...] = ()
    """Horizontal place."""
    y: tuple[float, ...] = ()
    """Vertical place."""
    side: tuple[ShownSide, ...] = ()
    """Which set the sample is of."""
    index: tuple[int, ...] = ()
    """Its number in that set."""
    name: tuple[str, ...] = ()
    """Its name."""
    mode: tuple[str | None, ...] = ()
    """Name of the class or cluster that it lies in; None where there is none."""
    finding: tuple[str | None, ...] = ()
    """Kind of the first finding that it shows; None where it shows none."""

    def __post_init__(self) -> None:
        """Raise ValueError where the columns differ in length."""
        _check_lengths(self)

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Map:
    """Both sides in two dimensions."""

    method: MapMethod
    """`pca`, `tsne`, or `columns`: features of two columns, as they are."""
    x_label: str
    """What the horizontal axis is."""
    y_label: str
    """What the vertical axis is."""
    text: str
    """How it was made, of how many samples, and what it does not say."""
    points: Points = field(default_factory=Points)
    """The samples."""


@dataclass(frozen=True)
class Series:
    """One line of a curve, its points in the order of `x`."""

    name: str
    """What it is."""
    x: tuple[float, ...]
    """Places."""
    y: tuple[float | None, ...]
    """Values; None where there is none."""
    low: tuple[float | None, ...] = ()
    """Lower ends of the intervals; empty where it has none."""
    high: tuple[float | None, ...] = ()
    """Upper ends, likewise."""

    def __post_init__(self) -> None:
        """Raise ValueError where the columns differ in length."""
        _check_lengths(self)


@dataclass(frozen=True)
class Curve:
    """A diagram of lines."""

    name: str
    """`prd`, or `convergence:KEY`, with the key of a result of the report."""
    title: str
    """Its heading."""
    x_label: str
    """What the horizontal axis is."""
    y_label: str
    """What the vertical axis is."""
    log_x: bool = False
    """Whether the horizontal axis is logarithmic."""
    series: tuple[Series, ...] = ()
    """Its lines."""
    text: str = ""
    """What it says, a sentence or two."""


@dataclass(frozen=True)
class ModeDetail:
    """One class or cluster, measured by itself; None is what cannot be, for lack of samples or of features."""

    name: str
    """Name of the class or cluster."""
    n_real: int
    """Its real samples."""
    n_fake: int
    """Its fake samples."""
    recall: float | None = None
    """Share of its real samples that lie in the manifold of its fake ones, at equal sizes."""
    spread: float | None = None
    """Standard deviation of its fake samples relative to that of its real ones."""
    fid: float | None = None
    """Frechet distance of its fake samples to its real ones."""
    spacing_ratio: float | None = None
    """How far its fake samples lie apart, relative to its real ones, at equal sizes."""
    state: str = ""
    """As in the table of modes: `present`, `thinned`, `missing`, `unseen`; `invented` where it has no real samples."""
    p: float | None = None
    """As in the table of modes."""


@dataclass(frozen=True)
class Exhibits:
    """All that a report shows besides its numbers."""

    galleries: tuple[Gallery, ...] = ()
    """Samples of both sides, those of the findings first, in their order."""
    maps: tuple[Map, ...] = ()
    """Both sides in two dimensions."""
    curves: tuple[Curve, ...] = ()
    """The curve of precision and recall, and the main metrics by the number of samples."""
    modes: tuple[ModeDetail, ...] = ()
    """Classes or clusters by themselves, in the order of the table of modes."""
    notes: tuple[str, ...] = ()
    """What could not be made, and why; what was left out."""
    contents: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Side -> number of a sample -> digest of the sample as it was measured, so that one that changed is noticed."""

    def to_json(self) -> dict[str, Any]:
        """The entry `exhibits` of a report, plain JSON."""
        return {name: _plain(value) for name, value in vars(self).items()}

    def shown(self) -> dict[ShownSide, list[int]]:
        """The numbers of all samples that galleries and maps show, by side: those of galleries first, each once.

        Example:
            >>> row = GalleryRow("one", (Shown("real", 3, "#3"),), (Shown("fake", 1, "#1"), Shown("fake", 1, "#1")))
            >>> Exhibits((Gallery("grid", "A grid", "", (row,)),)).shown()
            {'real': [3], 'fake': [1]}
        """
        rows = [row for gallery in self.galleries for row in gallery.rows]
        found: dict[ShownSide, dict[int, None]] = {"real": {}, "fake": {}}
        for sample in (sample for row in rows for sample in (*row.real, *row.fake)):
            found[sample.side][sample.index] = None
        for drawn in self.maps:
            for side, index in zip(drawn.points.side, drawn.points.index, strict=True):
                found[side][index] = None
        return {side: list(numbers) for side, numbers in found.items()}


@dataclass(frozen=True)
class Pictures:
    """Pictures of samples that exhibits show; not part of a report's JSON."""

    uris: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """(side, number of the sample) -> `data:` URI."""
    notes: tuple[str, ...] = ()
    """What could not be drawn, and how to keep it."""


def _check_lengths(columns: Points | Series) -> None:
    """Raise ValueError where columns differ in length; those that are left out are empty."""
    lengths = {name: len(column) for name, column in vars(columns).items() if isinstance(column, tuple)}
    optional = {"low", "high"} & {name for name, length in lengths.items() if length == 0}
    if len({length for name, length in lengths.items() if name not in optional}) > 1:
        raise ValueError(f"columns of different lengths: {lengths}")


def _plain(value: Any) -> Any:
    """A record as dicts, lists, text and numbers."""
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(entry) for name, entry in vars(value).items()}
    return value
