"""Pictures of the samples that a report shows: small versions as `data:` URIs, for its page.

They are made at the end of a run, while the samples are at hand, or later from the paths in a saved report. A sample
that is not there any more, or is not the one that was measured, is named and not drawn.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, zip_longest
from time import monotonic
from typing import Any

import numpy as np

from divmetrics.errors import DivmetricsError
from divmetrics.records.exhibits import Exhibits, Pictures, ShownSide
from divmetrics.records.printing import listed
from divmetrics.records.results import Report, Side
from divmetrics.records.run_options import MAX_PIXELS
from divmetrics.sources import Source, Stream, UnreadableSample, content_of, one_large, open_source, whole_source

LARGE, SMALL = 96, 48
"""Longer side of a picture in a gallery, and of one that a map shows."""
MOST_BYTES = 7 * 2**20
"""Size of all pictures of a page together; those of maps are left out beyond."""
MOST_SECONDS = 15.0
"""Time for the pictures of maps; those of galleries are all made."""
BATCH = 64
"""Pictures that are made before time and size are looked at."""
THREADS = 4
LOSSLESS = 32
"""Longer side up to which a picture is kept as it is, pixel by pixel."""
QUALITY = 70
NAMED = 5
"""Samples that a note names."""
BOTH: tuple[ShownSide, ShownSide] = ("real", "fake")
KEEP = "a page that is written when the samples are scored (score --html) keeps them"


def thumbnails(
    source: Source, indexes: Iterable[int], side: int = LARGE, most_pixels: int = MAX_PIXELS
) -> dict[int, str]:
    """Small versions of some samples of a source.

    Args:
        source: The samples.
        indexes: Which of them.
        side: Length of the longer side of a picture at most.
        most_pixels: Pixels of an image that is decoded, at most.

    Returns:
        Index -> `data:` URI of a WebP image. Features have no pictures, and what cannot be read is left out.

    Example:
        >>> from divmetrics.sources import open_source
        >>> images = open_source(np.zeros((3, 8, 8, 3), np.uint8))
        >>> found = thumbnails(images, [2])
        >>> found[2][:23]
        'data:image/webp;base64,'
    """
    if source.kind != "image":
        return {}
    made = _made(
        source.limited(most_pixels), list(indexes), lambda limited, index: _uri(limited.thumbnail(index, side))
    )
    return {index: uri for index, uri in made if isinstance(uri, str)}


def pictures_of(report: Report, sources: Mapping[Any, Any], most_pixels: int = MAX_PIXELS) -> Pictures:
    """Pictures of what a report shows, from the samples that it was measured on.

    Args:
        report: The report with its exhibits.
        sources: Side -> the samples: a `Source`, or what is none, of which nothing can be drawn.
        most_pixels: Pixels of an image that is decoded, at most.
    """
    drawing = _Drawing(report.exhibits or Exhibits(), most_pixels)
    for side in BOTH:
        source = sources.get(side)
        if isinstance(source, Source):
            drawing.add(side, source)
        elif isinstance(source, Stream) and source.kind == "image":
            drawing.notes.append(
                f"{side}: {source.name} is read once, so that its images cannot be drawn afterwards; give a folder, an "
                "archive or an array."
            )
        elif drawing.wanted(side) and not isinstance(source, Stream) and not _are_features(report):
            drawing.notes.append(f"{side}: features that were extracted before hold no images; score the images.")
    return drawing.pictures()


def saved_pictures(report: Report) -> Pictures:
    """Pictures of what a saved report shows, from the places that it names.

    Args:
        report: The report. Images that vanished or changed since are not drawn, and notes name them.
    """
    drawing = _Drawing(report.exhibits or Exhibits(), MAX_PIXELS)
    sides: dict[ShownSide, Side] = {"real": report.real, "fake": report.fake}
    for side, entry in sides.items():
        if not drawing.wanted(side) or _are_features(report):
            continue
        if entry.source == "batches":
            drawing.notes.append(f"{side}: samples that came in batches are not kept, so that none is drawn.")
            continue
        try:
            source = open_source(entry.source, side=side)
        except DivmetricsError as error:
            drawing.notes.append(f"Pictures of the {side} samples cannot be drawn: {str(error).rstrip('.')}; {KEEP}.")
            continue
        if isinstance(source, Source):
            drawing.add(side, source, contents=(report.exhibits or Exhibits()).contents.get(side, {}))
    return drawing.pictures()


def _are_features(report: Report) -> bool:
    """Whether the samples were features, which have no pictures."""
    return {result.extractor for result in report.metrics.values()} <= {"features", "labels"}


class _Drawing:
    """The pictures of one report."""

    def __init__(self, exhibits: Exhibits, most_pixels: int) -> None:
        self.most_pixels = most_pixels
        self.notes: list[str] = []
        self._names: dict[ShownSide, dict[int, str]] = {"real": {}, "fake": {}}
        rows = [row for gallery in exhibits.galleries for row in gallery.rows]
        for shown in (shown for row in rows for shown in (*row.real, *row.fake)):
            self._names[shown.side][shown.index] = shown.name
        self._in_galleries = {side: set(names) for side, names in self._names.items()}
        for points in (drawn.points for drawn in exhibits.maps):
            for side, index, name in zip(points.side, points.index, points.name, strict=True):
                self._names[side].setdefault(index, name)
        self._sources: dict[ShownSide, tuple[Source, dict[str, int], Mapping[str, str]]] = {}

    def wanted(self, side: ShownSide) -> bool:
        """Whether samples of a side are shown at all."""
        return bool(self._names[side])

    def add(self, side: ShownSide, source: Source, contents: Mapping[str, str] | None = None) -> None:
        """Draw the samples of a side from `source`, those only whose digest is that of `contents`, if given."""
        if source.kind != "image" or not self.wanted(side):
            return
        whole = whole_source(source).limited(self.most_pixels)
        wanted = set(self._names[side].values())
        places: dict[str, int] = {}
        for index in range(len(whole)):
            if (name := whole.path(index)) in wanted:
                places.setdefault(name, index)
        self._sources[side] = (whole, places, contents or {})

    def pictures(self) -> Pictures:
        """All of them: those of galleries, then those of maps as far as size and time allow."""
        found: dict[tuple[str, int], str] = {}
        lost: dict[ShownSide, dict[str, list[str]]] = {side: {} for side in BOTH}
        left, begin, size = 0, monotonic(), 0
        for batch, longest in self._batches():
            if longest == SMALL and (size > MOST_BYTES or monotonic() - begin > MOST_SECONDS):
                left += len(batch)
                continue
            for side, index, made in self._drawn(batch, longest):
                if isinstance(made, str):
                    found[side, index] = made
                    size += len(made)
                else:
                    lost[side].setdefault(made.reason, []).append(made.path)
        notes = [*self.notes, *chain.from_iterable(_lost(side, reasons) for side, reasons in lost.items())]
        if left:
            notes.append(f"{left} points of the maps are without a picture, to keep the page small and quick to write.")
        return Pictures(found, tuple(notes))

    def _batches(self) -> Iterator[tuple[list[tuple[ShownSide, int]], int]]:
        """Samples to be drawn, some at a time, and how large: those of galleries, then the others, sides in turn."""
        first = [(side, index) for side in self._sources for index in sorted(self._in_galleries[side])]
        others = [[(side, i) for i in self._names[side] if i not in self._in_galleries[side]] for side in self._sources]
        then = [entry for entry in chain.from_iterable(zip_longest(*others)) if entry is not None]
        for samples, longest in ((first, LARGE), (then, SMALL)):
            for start in range(0, len(samples), BATCH):
                yield samples[start : start + BATCH], longest

    def _drawn(
        self, batch: Sequence[tuple[ShownSide, int]], longest: int
    ) -> Iterator[tuple[ShownSide, int, str | UnreadableSample]]:
        """The pictures of some samples, or why there are none."""
        for side, (source, places, contents) in self._sources.items():
            names = {index: self._names[side][index] for which, index in batch if which == side}
            draw = partial(_drawn_by_name, names=names, places=places, contents=contents, longest=longest)
            yield from ((side, index, made) for index, made in _made(source, list(names), draw))


def _drawn_by_name(
    source: Source,
    index: int,
    *,
    names: Mapping[int, str],
    places: Mapping[str, int],
    contents: Mapping[str, str],
    longest: int,
) -> str:
    """The picture of one sample. Raises UnreadableSample where it is not there, or another one than was measured."""
    if (place := places.get(names[index])) is None:
        raise UnreadableSample(names[index], "not there any more")
    _check_content(source, place, contents.get(str(index)))
    return _uri(source.thumbnail(place, longest))


def _check_content(source: Source, place: int, digest: str | None) -> None:
    """Raise UnreadableSample where a sample is not the one that was measured, as far as that is known."""
    if digest is None:
        return
    (sample,) = source.read([place])
    if content_of(sample).hex() == digest:
        return
    file = source.jpeg(place)  # what is decoded on a device is known by its file
    if file is None or content_of(np.frombuffer(file, np.uint8)).hex() != digest:
        raise UnreadableSample(source.path(place), "changed since it was measured")


def _made(
    source: Source, indexes: Sequence[int], draw: Callable[[Source, int], str]
) -> list[tuple[int, str | UnreadableSample]]:
    """`draw` of each index, by several threads where the source allows it; the error of those that cannot be read."""

    def one(index: int) -> tuple[int, str | UnreadableSample]:
        try:
            with one_large:
                return index, draw(source, index)
        except UnreadableSample as error:
            return index, error

    if not source.threadsafe or len(indexes) < 2:
        return [one(index) for index in indexes]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, indexes))


def _lost(side: str, reasons: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Notes on samples that cannot be drawn, by reason."""
    for reason, names in reasons.items():
        count = f"{len(names)} picture{'s' * (len(names) != 1)}"
        yield f"{count} of {side} samples cannot be drawn ({reason}): {listed(names, NAMED)}; {KEEP}."


def _uri(values: np.ndarray) -> str:
    """An image uint8 `[h, w, 3]` or `[h, w, 4]` as a `data:` URI: WebP, or JPEG and PNG where Pillow lacks that."""
    from PIL import Image, features

    image, content = Image.fromarray(values), io.BytesIO()
    if features.check("webp"):
        kind = "webp"
        image.save(content, "WEBP", lossless=max(image.size) <= LOSSLESS, quality=QUALITY, method=2)
    else:
        kind = "png" if image.mode == "RGBA" or max(image.size) <= LOSSLESS else "jpeg"
        image.save(content, kind.upper(), **({"quality": QUALITY} if kind == "jpeg" else {}))
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
