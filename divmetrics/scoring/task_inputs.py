"""`TaskInputs`: what a metric reads of the collected samples: summaries, classes, equal sizes, pooled samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from divmetrics.arrays.class_counts import check_classes
from divmetrics.arrays.draws import drawn_order
from divmetrics.arrays.memo import once
from divmetrics.arrays.splits import HeldOutPool, OneSamplePool, Pool, TwoSamplePool
from divmetrics.arrays.summaries import ClassTally, Labelled, Moments, Rows, Summary
from divmetrics.errors import DivmetricsError, FeatureError, MissingLayer
from divmetrics.records.extractor import Layer
from divmetrics.records.results import Side
from divmetrics.scoring.classes import Classified, ClassSource, class_source_of
from divmetrics.scoring.collected import STORED, Collected
from divmetrics.scoring.plan import FEATURES, HELD_OUT, LABELS, SIDES, SideName, Task


@dataclass(frozen=True, eq=False)
class TaskInputs:
    """The samples of one measurement. Each summary is computed once, so that metrics share it."""

    collected: Mapping[SideName, Collected]
    seed: int

    def __getitem__(self, side: SideName) -> Side:
        return self.collected[side].side

    def inventory(self) -> dict[SideName, dict[str, Iterable[Layer]]]:
        """Side -> extractor -> its layers, the labels among them."""
        return {side: inventory(collected) for side, collected in self.collected.items()}

    def sizes(self) -> dict[SideName, int | None]:
        """Side -> number of samples; None where it is unknown (statistics of another tool)."""
        return {side: collected.side.n for side, collected in self.collected.items()}

    @cached_property
    def classes(self) -> ClassSource:
        """Where the classes of both sides come from."""
        return class_source_of(*(self.collected[side].side for side in SIDES))

    def classified(self, extractor: str) -> Classified:
        """The samples of both sides in the classes of the real ones, by the features of `extractor`.

        Raises:
            MissingLayer: The features were not kept, or do not tell the classes apart.
        """

        def make() -> Classified:
            real, fake = (self.collected[side].get(extractor, "pooled", Rows).features for side in SIDES)
            return Classified.of(real, self.collected["real"].labels or (), fake)

        return once((self,), ("classified", extractor), make)

    @cached_property
    def class_names(self) -> list[str]:
        """The classes of all sides, sorted, so that a class number means the same on each of them."""
        return sorted({name for collected in self.collected.values() for name in collected.side.labels or {}})

    def summary(self, task: Task, side: SideName) -> Summary:
        """What `task` reads on `side`, subsampled where its metric is comparable at equal sizes only.

        Raises:
            FeatureError, MissingLayer: The side has no such summary; the message names the side.
        """
        if task.layer == "classes":  # both sides go into it, so no side is to blame
            return self.classified(task.extractor).tallies[side]
        try:
            return self._summary(task, side)
        except DivmetricsError as error:
            raise error.within(side) from None

    def _summary(self, task: Task, side: SideName) -> Summary:
        need = task.request.need(side)
        assert need is not None  # noqa: S101  a task reads the sides that the plan bound it to
        kind: type[Summary] = need.summary
        if task.extractor == LABELS:
            return self.label_tally(side)
        if (stored := self._stored(task, side)) is not None:
            return stored
        if (size := self.equal_size(task)) is not None:
            rows = self._rows(task, side, size)
            return rows if isinstance(rows, kind) else kind.of(rows.features, rows.index)
        if kind.by_class:
            return self._rows(task, side, None)
        found: Summary = self.collected[side].get(task.extractor, task.layer, kind)
        if isinstance(found, ClassTally):
            check_classes(len(found.counts))
        return found

    def sides_with_stored(self, task: Task) -> list[SideName]:
        """The sides on which `task` reads the mean and covariance that came with the samples."""
        return [side for side in task.request.sides if self._stored(task, side) is not None]

    def _stored(self, task: Task, side: SideName) -> Summary | None:
        need = task.request.need(side)
        if need is None or need.summary is not Moments or task.layer != "pooled":
            return None
        return self.collected[side].stored.get((task.extractor, STORED, Moments.__name__))

    def equal_size(self, task: Task) -> int | None:
        """Number of samples that `task` reads of each side; None where it reads all of them."""
        sizes = {self.collected[side].side.n for side in task.request.sides}
        if not task.request.metric.equal_n or len(sizes) < 2 or None in sizes or task.extractor == LABELS:
            return None
        return min(size for size in sizes if size is not None)

    def pool(self, task: Task) -> Pool | None:
        """The samples of `task`, for subsamples and permutations; None where only summaries were kept."""
        kind = task.request.metric.fake.summary
        key = (
            "pool",
            task.extractor,
            task.layer,
            kind is ClassTally,
            kind.by_class,
            self.equal_size(task),
            task.request.sides,
            tuple(self.sides_with_stored(task)),
        )
        return once((self,), key, lambda: self._pool(task))

    def more_reals(self, task: Task) -> Pool | None:
        """All real and held-out samples as two sides of a pool, for a metric that reads `real` and `fake`.

        None where no held-out samples were given or only summaries were kept, and for metrics of other sides.
        """
        if tuple(task.request.sides) != SIDES or HELD_OUT not in self.collected or self.pool(task) is None:
            return None
        key = ("more reals", task.extractor, task.layer, task.request.metric.fake.summary, self.equal_size(task))
        return once((self,), key, lambda: self._more_reals(task))

    def _more_reals(self, task: Task) -> Pool | None:
        by_class = task.extractor == LABELS or task.request.metric.fake.summary.by_class
        if task.layer == "classes" or (by_class and self.collected[HELD_OUT].labels is None):
            return None
        try:
            real, held_out = self._samples(task, "real"), self._samples(task, HELD_OUT)
        except MissingLayer:
            return None
        widths = [side.features[:1].numel() for side in (real, held_out)]
        if widths[0] != widths[1]:
            raise FeatureError(
                f"held_out has {widths[1]} columns, real has {widths[0]}; give features of the same extractor."
            )
        return TwoSamplePool(real, held_out)

    def _pool(self, task: Task) -> Pool | None:
        if self.sides_with_stored(task):
            return None
        try:
            parts = {side: self._samples(task, side) for side in task.request.sides}
        except MissingLayer:
            return None
        if HELD_OUT in parts:  # under its null, held-out real samples and fakes have one distribution
            return HeldOutPool(parts[HELD_OUT], parts["fake"], parts["real"])
        if "real" in parts:
            return TwoSamplePool(parts["real"], parts["fake"])
        return OneSamplePool(parts["fake"])

    def _samples(self, task: Task, side: SideName) -> Rows:
        """The samples as rows; class numbers `[n]` for a metric that counts classes."""
        need = task.request.need(side)
        assert need is not None  # noqa: S101
        if task.extractor == LABELS:
            return once((self,), ("classes", side), lambda: _as_rows(self._classes(side)))
        if task.layer == "classes":
            return self.classified(task.extractor).rows(side)
        if need.summary is ClassTally:
            layer = (task.extractor, task.layer, side)
            return once((self,), ("argmax", *layer), lambda: _as_rows(self._rows(task, side, None).features.argmax(1)))
        if need.summary.sampled_as() is not Rows:
            return cast("Rows", self.collected[side].get(task.extractor, task.layer, need.summary))
        return self._rows(task, side, self.equal_size(task))

    def _rows(self, task: Task, side: SideName, size: int | None) -> Rows:
        """The rows of `task`, with their classes where it needs them, subsampled to `size` by the seed."""
        by_class = any(need.summary.by_class for need in task.request.metric.needs.values())

        def make() -> Rows:
            whole: Rows = self.collected[side].get(task.extractor, task.layer, Rows)
            if by_class:
                whole = Labelled(
                    whole.features, whole.index, self._classes(side), self.class_names, content=whole.content
                )
            if size is None or size == whole.n:
                return whole
            return whole.take(drawn_order(whole.features, self.seed, content=whole.content)[:size])

        return once((self,), ("rows", task.extractor, task.layer, side, size, by_class), make)

    def _classes(self, side: SideName) -> Tensor:
        """The class number of each sample `[n]` int64, in the order of the rows."""
        number = {name: place for place, name in enumerate(self.class_names)}
        return torch.tensor([number[name] for name in self.collected[side].labels or ()], dtype=torch.int64)

    def label_tally(self, side: SideName) -> ClassTally:
        """Class counts of one side by its labels."""
        return once((self,), ("tally", side), lambda: self._tally(side))

    def _tally(self, side: SideName) -> ClassTally:
        labels = self.collected[side].side.labels or {}
        return ClassTally(torch.tensor([labels.get(name, 0) for name in self.class_names]), self.class_names)


def identified(collected: Collected) -> Collected:
    """The same samples; their rows know the contents of the images behind them, by which samples are drawn."""
    digests = collected.traits.contents
    if not digests or len(digests) != collected.side.n:
        return collected
    content = torch.frombuffer(bytearray(b"".join(digest[:8] for digest in digests)), dtype=torch.int64)
    known = {
        key: replace(summary, content=content)
        for key, summary in collected.summaries.items()
        if isinstance(summary, Rows) and key[0] != FEATURES and summary.n == len(content)
    }
    return replace(collected, summaries={**collected.summaries, **known})


def inventory(collected: Collected) -> dict[str, Iterable[Layer]]:
    """Extractor -> its layers, for one side, the labels among them."""
    found: dict[str, Iterable[Layer]] = dict(collected.layers)
    return found if collected.side.labels is None else {**found, LABELS: ("labels",)}


def _as_rows(classes: Tensor) -> Rows:
    return Rows(classes, torch.arange(len(classes)))
