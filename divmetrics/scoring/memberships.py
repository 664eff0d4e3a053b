"""Which mode of the table of modes each single sample lies in: its class, the class that it was given, its cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from divmetrics.arrays.clustering import clusters
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import MissingLayer
from divmetrics.records.results import Mode
from divmetrics.scoring.plan import SIDES, Plan
from divmetrics.scoring.task_inputs import TaskInputs


@dataclass(frozen=True, eq=False)
class Memberships:
    """The mode of each sample of both sides."""

    names: Sequence[str]
    """Name of each mode; those without real samples are among them."""
    number: Mapping[str, np.ndarray]
    """Side -> the mode of each sample `[n]` int64, as its place in `names`; -1 where it has none."""

    def name(self, side: str, position: int) -> str | None:
        """The name of the mode of a sample."""
        number = int(self.number[side][position])
        return None if number < 0 else self.names[number]


def memberships_of(modes: Sequence[Mode], sides: TaskInputs, plan: Plan, extractor: str | None) -> Memberships | None:
    """The memberships behind a table of modes.

    Args:
        modes: The table.
        sides: The samples.
        plan: Says whether clusters were asked for.
        extractor: Whose features were clustered, or classified; None where there are none.

    Returns:
        None where only shares are known, such as those of the classes of a network.
    """
    if not modes:
        return None
    kind = sides.classes.kind if plan.questions.modes is None else "none"
    labels = {side: sides.collected[side].labels for side in SIDES}
    if kind == "labels" and all(labels.values()):
        return _numbered(sides.class_names, {side: labels[side] or () for side in SIDES})
    if extractor is None:
        return None
    real, fake = (sides.collected[side].get(extractor, "pooled", Rows) for side in SIDES)
    if kind == "real":
        try:
            found = sides.classified(extractor)
        except MissingLayer:
            pass
        else:
            given = [found.names[number] for number in found.found.fake.tolist()]
            return _numbered(
                sorted({*found.names, *(labels["real"] or ())}), {"real": labels["real"] or (), "fake": given}
            )
    if modes[0].name != f"cluster {modes[0].id}":
        return None
    fitted = clusters(real, plan.questions.modes, plan.seed)
    numbers = {"real": fitted.labels.numpy(), "fake": fitted.assign(fake.features).numpy()}
    return Memberships([f"cluster {number}" for number in range(fitted.count)], numbers)


def _numbered(names: Sequence[str], labels: Mapping[str, Sequence[str]]) -> Memberships:
    """Memberships from class names; names that are not among `names` are no mode."""
    place = {name: number for number, name in enumerate(names)}
    numbers = {side: np.array([place.get(name, -1) for name in own], np.int64) for side, own in labels.items()}
    return Memberships(list(names), numbers)
