"""The exhibits of a report: what its page shows besides numbers, made from samples and verdict of one measurement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

import numpy as np
import torch

from divmetrics.arrays import dist
from divmetrics.arrays.overflow import explained
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import DivmetricsError
from divmetrics.inference.exhibits.galleries import fakes_and_nearest, galleries_of
from divmetrics.inference.exhibits.placed import Placed, PlacedGallery, PlacedRow, PooledRows
from divmetrics.inference.verdict import Judged, drawn_positions
from divmetrics.records.exhibits import Exhibits, Gallery, GalleryRow, Shown, ShownSide
from divmetrics.records.foreign import internal_error
from divmetrics.records.metric import METRICS
from divmetrics.scoring.per_sample import pooled_extractor
from divmetrics.scoring.plan import Plan
from divmetrics.scoring.progress import Step, silent
from divmetrics.scoring.task_inputs import TaskInputs

BOTH: tuple[ShownSide, ShownSide] = ("real", "fake")
GRID = 36
"""Samples of each side in the grid."""
EXTREMES = 12
"""Best and worst fake samples shown."""


def exhibits_on(judged: Judged | None, sides: TaskInputs, plan: Plan, step: Step = silent) -> Exhibits | None:
    """The exhibits of a measurement; None where none are asked for. In a distributed run rank 0 alone makes them.

    What cannot be made is left out, and `notes` say why.

    Args:
        judged: The verdict and what it was found from.
        sides: The samples.
        plan: What was asked for.
        step: Told what is being made.
    """
    if not plan.questions.exhibits or dist.world()[0] != 0:
        return None
    return _Making(judged, sides, plan, step).all()


@dataclass(eq=False)
class _Making:
    """The making of the exhibits of one measurement."""

    judged: Judged | None
    sides: TaskInputs
    plan: Plan
    step: Step

    def __post_init__(self) -> None:
        self.notes: list[str] = []

    def all(self) -> Exhibits:
        """Everything that can be made."""
        galleries = [*self._part("galleries of the findings", self._findings), *self._part("the grid", self._grid)]
        if self.extractor is None:
            self.notes.append(
                "Features of single samples are not there on both sides (files of statistics, labels alone): no "
                "galleries of findings, no maps, no curves."
            )
        else:
            galleries += self._part("the best and the worst samples", self._extremes)
        return self._with_contents(Exhibits(tuple(galleries), notes=tuple(self.notes)))

    def _part(self, what: str, make: Callable[[], Iterator[Gallery]]) -> list[Gallery]:
        """What `make` yields; where it fails, a note says so: the numbers of the report do not depend on it."""
        self.step(f"the page: {what}")
        try:
            return list(make())
        except DivmetricsError as error:
            self.notes.append(f"{what} could not be made: {error}")
        except (ArithmeticError, ValueError, RuntimeError, LookupError) as error:
            rows = () if self.extractor is None else (self.real, self.fake)
            self.notes.append(f"{what} could not be made: {explained(internal_error(what, error), *rows)}")
        return []

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
        for gallery in galleries_of(self.judged.found, self.judged.tested, self.pooled, self.plan.seed):
            yield self._named(gallery)

    def _grid(self) -> Iterator[Gallery]:
        """Samples of both sides, drawn by the seed."""
        drawn = {}
        for side in BOTH:
            n = self.sides[side].n or 0
            order = np.random.default_rng(self.plan.seed).permutation(n)[:GRID]
            drawn[side] = tuple(self._shown(side, position) for position in sorted(order.tolist()))
        if not any(drawn.values()):
            return
        text = f"Up to {GRID} samples of each side, drawn by the seed {self.plan.seed}: nobody chose them."
        yield Gallery("grid", "Samples of both sides", text, (GalleryRow("", drawn["real"], drawn["fake"]),))

    def _extremes(self) -> Iterator[Gallery]:
        """The fake samples of highest and of lowest realism."""
        scores = METRICS["realism"].measure(self.real, self.fake).fake["realism"]
        known = [(float(score), place) for place, score in enumerate(scores) if score is not None and isfinite(score)]
        known.sort(key=lambda entry: entry[0])
        copies = len(scores) - len(known)
        rarity = METRICS["rarity"].measure(self.real, self.fake).fake["rarity"]
        for kind, title, chosen in (("best", "Best fake samples", known[::-1]), ("worst", "Worst fake samples", known)):
            few = chosen[:EXTREMES]
            near = fakes_and_nearest(self.pooled, [place + self.real.n for _, place in few], "")
            fakes = [Placed(place + self.real.n, score, _caption(score, rarity[place])) for score, place in few]
            text = (
                f"The fake samples of {'highest' if kind == 'best' else 'lowest'} realism (Kynkaanniemi 2019), which "
                "is 1 or more inside the manifold of the real samples, and the real one nearest to each. Rarity (Han "
                "2022) is the size of the smallest ball of a real sample that holds it."
            )
            text += f" {copies} copies of real samples are left out." if copies else ""
            if few:
                yield self._named(PlacedGallery(kind, title, text, (PlacedRow("", near.real, tuple(fakes)),)))

    def _named(self, gallery: PlacedGallery) -> Gallery:
        """A gallery of places with the samples that lie there."""
        rows = tuple(
            GalleryRow(row.title, tuple(map(self._at, row.real)), tuple(map(self._at, row.fake)))
            for row in gallery.rows
        )
        return Gallery(gallery.kind, gallery.title, gallery.text, rows)

    def _at(self, placed: Placed) -> Shown:
        """The sample at a place of the pool."""
        side: ShownSide = "real" if placed.place < self.real.n else "fake"
        position = int(self.drawn[side][placed.place - (0 if side == "real" else self.real.n)])
        return self._shown(side, position, placed.value, placed.caption)

    def _shown(self, side: ShownSide, position: int, value: float | None = None, caption: str = "") -> Shown:
        finite = value if value is not None and isfinite(value) else None
        return Shown(side, position, self._name(side, position), finite, caption)

    def _name(self, side: ShownSide, position: int) -> str:
        paths = self.sides.collected[side].paths
        return paths[position] if position < len(paths) else f"#{position}"

    def _with_contents(self, exhibits: Exhibits) -> Exhibits:
        """The same with the digest of each sample shown."""
        found: dict[str, dict[str, str]] = {}
        for side, numbers in exhibits.shown().items():
            contents = self.sides.collected[side].traits.contents
            found[side] = {str(number): contents[number].hex() for number in numbers if number < len(contents)}
        return Exhibits(exhibits.galleries, exhibits.maps, exhibits.curves, exhibits.modes, exhibits.notes, found)


def _caption(realism: float, rarity: float | None) -> str:
    """Realism and rarity of a fake sample, in words."""
    rare = "outside of all balls" if rarity is None else f"rarity {rarity:.3g}"
    return f"realism {realism:.3g}, {rare}"
