"""The exhibits of a report: what its page shows besides numbers, made from samples and verdict of one measurement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from typing import Any, TypeVar

import numpy as np
import torch

from divmetrics.arrays import dist
from divmetrics.arrays.overflow import explained
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import DivmetricsError
from divmetrics.inference.exhibits.galleries import ROWS, fakes_and_nearest, galleries_of
from divmetrics.inference.exhibits.maps import Plane
from divmetrics.inference.exhibits.placed import Placed, PlacedGallery, PlacedRow, PooledRows
from divmetrics.inference.verdict import Judged, drawn_positions
from divmetrics.records.exhibits import Curve, Exhibits, Gallery, GalleryRow, Map, ModeDetail, Points, Shown, ShownSide
from divmetrics.records.foreign import guarded
from divmetrics.records.metric import METRICS
from divmetrics.records.results import Mode, Result
from divmetrics.scoring.exhibit_curves import convergence_curves, mode_details, prd_curve
from divmetrics.scoring.exhibit_maps import chosen_points, maps_of
from divmetrics.scoring.memberships import Memberships, memberships_of
from divmetrics.scoring.per_sample import pooled_extractor
from divmetrics.scoring.plan import Plan, Task
from divmetrics.scoring.progress import Step, silent
from divmetrics.scoring.task_inputs import TaskInputs

BOTH: tuple[ShownSide, ShownSide] = ("real", "fake")
GRID = 36
"""Samples of each side in the grid."""
EXTREMES = 12
"""Best and worst fake samples shown."""
RANKED_BY = ("realism", "rarity")
"""Metrics of single samples by which they are found."""
BRIEF_ROWS, BRIEF_GRID = 4, 12
"""Rows of a gallery, and samples of each side in the grid, where several generators share a page."""


T = TypeVar("T")
SharedRead = tuple[Callable[..., None], Mapping[str, Any]]
"""A pass that several metrics share, and options of one that reads of it."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """What exhibits are made from: the samples of a run and what was found of them."""

    sides: TaskInputs
    plan: Plan
    tasks: Sequence[Task]
    results: Mapping[str, Result]
    """Key in the report -> result."""
    modes: Sequence[Mode]
    judged: Judged | None
    """The verdict and what it was found from."""


def exhibits_of(measurement: Measurement, step: Step = silent) -> Exhibits | None:
    """The exhibits of a measurement; None where none are asked for. In a distributed run rank 0 alone makes them.

    What cannot be made is left out, and `notes` say why: the numbers of the report do not depend on it.

    Args:
        measurement: What they are made from.
        step: Told what is being made.
    """
    if not measurement.plan.questions.exhibits or dist.world()[0] != 0:
        return None
    with dist.alone():  # the other ranks do not take part
        return _Making(measurement, step).all()


def read_by_exhibits(sides: TaskInputs, plan: Plan) -> Mapping[tuple[str, str, int | None], list[SharedRead]]:
    """What the exhibits read of passes that several metrics share, so that it is computed with what these read.

    Args:
        sides: The samples.
        plan: Says whether there are exhibits.

    Returns:
        Extractor, layer and equal size of the samples, which is None for all of them -> the passes with the options.
        Empty where the exhibits show a part of the samples.
    """
    if not plan.questions.exhibits or plan.brief or (extractor := pooled_extractor(sides)) is None:
        return {}
    rows = [sides.collected[side].get(extractor, "pooled", Rows) for side in BOTH]
    metrics = [METRICS[name] for name in RANKED_BY]
    if any(len(drawn_positions(side, plan.seed)) < side.n for side in rows):
        return {}
    if any(min(side.n for side in rows) < metric.minimum(metric.resolve({})) for metric in metrics):
        return {}
    shared: list[SharedRead] = [
        (metric.shared_pass, metric.resolve({})) for metric in metrics if metric.shared_pass is not None
    ]
    return {(extractor, "pooled", None): shared}


class _Making:
    """The making of the exhibits of one measurement."""

    def __init__(self, measurement: Measurement, step: Step) -> None:
        self.measurement, self.step = measurement, step
        self.sides, self.plan, self.judged = measurement.sides, measurement.plan, measurement.judged
        self.notes: list[str] = []
        self.finding_at: dict[int, str] = {}
        """Place in the pool -> kind of the first finding that the sample shows."""

    def all(self) -> Exhibits:
        """Everything that can be made, or that is wanted."""
        galleries = self._part("the galleries of the findings", self._findings)
        if self.plan.brief:
            galleries += self._part("the grid", self._grid)
            made = Exhibits(tuple(galleries), notes=tuple(self.notes))
            return replace(made, contents=self._contents(made))
        maps: list[Map] = []
        curves: list[Curve] = []
        if self.extractor is None:
            self.notes.append(
                "Features of single samples are not there on both sides (files of statistics, labels alone): there "
                "are no galleries of findings, no maps and no curves."
            )
        else:
            galleries += self._part("the best and worst samples", self._extremes)
            maps = self._part("the maps", self._maps)
            curves = [*self._part("the curve of precision and recall", self._prd), *self._part("curves", self._curves)]
        galleries += self._part("the grid", self._grid)
        modes = self._part("the modes by themselves", self._modes)
        made = Exhibits(tuple(galleries), tuple(maps), tuple(curves), tuple(modes), tuple(self.notes))
        return replace(made, contents=self._contents(made))

    def _part(self, what: str, make: Callable[[], Iterator[T]]) -> list[T]:
        """What `make` yields; a note where it fails, with what came before that."""
        self.step(f"the page: {what}")
        made: list[T] = []
        try:
            with guarded(what, exhibits_of):
                made.extend(make())
        except DivmetricsError as error:
            rows = () if self.extractor is None else (self.real, self.fake)
            self.notes.append(f"{what[:1].upper()}{what[1:]} could not be made: {explained(error, *rows)}")
        return made

    @cached_property
    def extractor(self) -> str | None:
        """Whose features the exhibits show: the first of which both sides keep rows, as the verdict does."""
        return pooled_extractor(self.sides)

    @cached_property
    def drawn(self) -> dict[ShownSide, torch.Tensor]:
        """Side -> positions of the samples that are looked at, those of the verdict."""
        if self.judged is not None and self.judged.drawn is not None:
            return {"real": self.judged.drawn[0], "fake": self.judged.drawn[1]}
        return {side: drawn_positions(self._whole(side), self.plan.seed) for side in BOTH}

    def _whole(self, side: ShownSide) -> Rows:
        assert self.extractor is not None  # noqa: S101  asked for where there is one
        return self.sides.collected[side].get(self.extractor, "pooled", Rows)

    def _rows(self, side: ShownSide) -> Rows:
        """The samples that are looked at; where these are all, the set itself, for which much is computed already."""
        whole, drawn = self._whole(side), self.drawn[side]
        return whole if len(drawn) == whole.n else whole.take(drawn)

    @cached_property
    def real(self) -> Rows:
        """The real samples that are looked at."""
        return self._rows("real")

    @cached_property
    def fake(self) -> Rows:
        """The fake samples that are looked at."""
        return self._rows("fake")

    @cached_property
    def pooled(self) -> PooledRows:
        """Both of them, for distances."""
        return PooledRows.of(self.real, self.fake)

    def _findings(self) -> Iterator[Gallery]:
        """A gallery of each finding of the verdict."""
        if self.judged is None or self.judged.tested is None:
            return
        most = BRIEF_ROWS if self.plan.brief else ROWS
        for gallery in galleries_of(self.judged.found, self.judged.tested, self.pooled, self.plan.seed, most):
            shown = [sample.place for row in gallery.rows for sample in (*row.real, *row.fake)]
            for place in gallery.members or shown:
                self.finding_at.setdefault(place, gallery.kind)
            yield self._named(gallery)

    def _grid(self) -> Iterator[Gallery]:
        """Samples of both sides, drawn by the seed."""
        drawn = {}
        most = BRIEF_GRID if self.plan.brief else GRID
        for side in BOTH:
            n = self.sides[side].n or 0
            order = np.random.default_rng(self.plan.seed).permutation(n)[:most]
            drawn[side] = tuple(self._shown(side, position) for position in sorted(order.tolist()))
        if not any(drawn.values()):
            return
        text = f"Up to {most} samples of each side, drawn by the seed {self.plan.seed}: nobody chose them."
        yield Gallery("grid", "Samples of both sides", text, (GalleryRow("", drawn["real"], drawn["fake"]),))

    def _extremes(self) -> Iterator[Gallery]:
        """The fake samples of highest and of lowest realism."""
        scores, rarity = (METRICS[name].measure(self.real, self.fake).fake[name] for name in RANKED_BY)
        known = [(float(score), place) for place, score in enumerate(scores) if score is not None and isfinite(score)]
        known.sort(key=lambda entry: entry[0])
        copies = len(scores) - len(known)
        for kind, title, chosen in (("best", "Best fake samples", known[::-1]), ("worst", "Worst fake samples", known)):
            few = chosen[:EXTREMES]
            near = fakes_and_nearest(self.pooled, [place + self.real.n for _, place in few], "")
            fakes = [Placed(place + self.real.n, score, _caption(score, rarity[place])) for score, place in few]
            text = (
                f"The fake samples of {'highest' if kind == 'best' else 'lowest'} realism (Kynkaanniemi 2019), which "
                "is 1 or more inside the manifold of the real samples, and the real one nearest to each. Rarity (Han "
                "2022) is the radius of the smallest nearest-neighbour ball of a real sample that holds the fake one."
            )
            text += f" {copies} copies of real samples are left out." if copies else ""
            if few:
                yield self._named(PlacedGallery(kind, title, text, (PlacedRow("", near.real, tuple(fakes)),)))

    @cached_property
    def memberships(self) -> Memberships | None:
        """The mode of each sample, where it is known."""
        return memberships_of(self.measurement.modes, self.sides, self.plan, self.extractor)

    def _maps(self) -> Iterator[Map]:
        """Both sides in two dimensions."""
        n, seed = self.real.n, self.plan.seed
        places = chosen_points(self.real, [place for place in self.finding_at if place < n], seed)
        fakes = chosen_points(self.fake, [place - n for place in self.finding_at if place >= n], seed)
        counts: dict[ShownSide, tuple[int, int]] = {
            "real": (len(places), self.sides["real"].n or n),
            "fake": (len(fakes), self.sides["fake"].n or self.fake.n),
        }
        rows = torch.cat([self.real.features.cpu()[places], self.fake.features.cpu()[fakes]])
        places += [place + n for place in fakes]
        yield from maps_of(rows, lambda plane: self._points(plane, places), counts, seed)

    def _points(self, plane: Plane, places: Sequence[int]) -> Points:
        """The points of a map: what is known of the samples at these places of the pool."""
        at = [self._position(place) for place in places]
        known = self.memberships
        return Points(
            plane.x,
            plane.y,
            tuple(side for side, _ in at),
            tuple(position for _, position in at),
            tuple(self._name(side, position) for side, position in at),
            tuple(None if known is None else known.name(side, position) for side, position in at),
            tuple(self.finding_at.get(place) for place in places),
        )

    def _prd(self) -> Iterator[Curve]:
        yield prd_curve(self.real, self.fake)

    def _curves(self) -> Iterator[Curve]:
        """The main metrics by the number of samples."""
        assert self.extractor is not None  # noqa: S101
        given = self.measurement
        curves = list(convergence_curves(given.tasks, given.results, self.sides, self.extractor, self.plan.seed))
        if not curves:
            self.notes.append(
                "No curves by the number of samples: the report has none of the metrics that are shown so, or fewer "
                "than 50 samples of a side."
            )
        yield from curves

    def _modes(self) -> Iterator[ModeDetail]:
        """The modes of the table by themselves."""
        sizes = self.sides["real"].n or 0, self.sides["fake"].n or 0
        rows = None if self.extractor is None else (self._whole("real"), self._whole("fake"))
        details, notes = mode_details(self.measurement.modes, self.memberships, rows, sizes, self.plan.seed)
        self.notes += notes
        yield from details

    def _named(self, gallery: PlacedGallery) -> Gallery:
        """A gallery of places with the samples that lie there."""
        rows = tuple(
            GalleryRow(row.title, tuple(map(self._at, row.real)), tuple(map(self._at, row.fake)))
            for row in gallery.rows
        )
        return Gallery(gallery.kind, gallery.title, gallery.text, rows)

    def _position(self, place: int) -> tuple[ShownSide, int]:
        """Side and position in the whole set of the sample at a place of the pool."""
        if place < self.real.n:
            return "real", int(self.drawn["real"][place])
        return "fake", int(self.drawn["fake"][place - self.real.n])

    def _at(self, placed: Placed) -> Shown:
        """The sample at a place of the pool."""
        return self._shown(*self._position(placed.place), placed.value, placed.caption)

    def _shown(self, side: ShownSide, position: int, value: float | None = None, caption: str = "") -> Shown:
        finite = value if value is not None and isfinite(value) else None
        return Shown(side, position, self._name(side, position), finite, caption)

    def _name(self, side: ShownSide, position: int) -> str:
        paths = self.sides.collected[side].paths
        return paths[position] if position < len(paths) else f"#{position}"

    def _contents(self, exhibits: Exhibits) -> dict[str, dict[str, str]]:
        """The digest of each sample shown."""
        found: dict[str, dict[str, str]] = {}
        for side, numbers in exhibits.shown().items():
            contents = self.sides.collected[side].traits.contents
            found[side] = {str(number): contents[number].hex() for number in numbers if number < len(contents)}
        return found


def _caption(realism: float, rarity: float | None) -> str:
    """Realism and rarity of a fake sample, in words."""
    rare = "in no ball of a real sample" if rarity is None else f"rarity {rarity:.3g}"
    return f"realism {realism:.3g}, {rare}"
