"""The verdict of a measurement: on which features, with which classes and names."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence

from divmetrics.arrays.overflow import explained
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import DivmetricsError, InternalError, MissingLayer
from divmetrics.inference.verdict import Judged, ModesOfSamples, Naming, Question, judge
from divmetrics.records.foreign import guarded
from divmetrics.records.results import Mode
from divmetrics.records.verdict import Verdict
from divmetrics.scoring.memberships import memberships_of
from divmetrics.scoring.per_sample import pooled_extractor
from divmetrics.scoring.plan import HELD_OUT, Plan, SideName
from divmetrics.scoring.task_inputs import TaskInputs


def judged_on(sides: TaskInputs, plan: Plan, keys: Collection[str], table: Sequence[Mode] = ()) -> Judged | None:
    """The verdict, and what it was found from, on the first extractor whose rows both sides keep.

    Args:
        sides: The samples.
        plan: Asks for a verdict where it asks for null distributions.
        keys: Keys of the results of the report, for the evidence.
        table: The table of modes of the report, whose names findings use.

    Returns:
        None where none is asked for, or where there are no rows: files of statistics, labels alone.
    """
    extractor = pooled_extractor(sides) if plan.questions.null else None
    if extractor is None:
        return None
    real, fake = (sides.collected[side].get(extractor, "pooled", Rows) for side in ("real", "fake"))
    labels = [sides.collected[side].labels for side in ("real", "fake")]
    classes = (labels[0], labels[1]) if sides.classes.kind == "labels" and labels[0] and labels[1] else None
    question = Question(plan.questions.alpha, plan.questions.tolerance, plan.seed)
    held_out = _held_out(sides, extractor)
    naming = Naming(_Names(sides), tuple(keys), extractor, lambda: _modes_of_samples(table, sides, plan, extractor))
    try:
        with guarded("the verdict", judge):
            return judge(real, fake, question, held_out=held_out, classes=classes, naming=naming)
    except DivmetricsError as raised:
        error = explained(raised, real, fake)
        if isinstance(error, InternalError):
            raise
        text = f"inconclusive: {error}"
        return Judged(Verdict("inconclusive", question.alpha, (), question.tolerance, text, None, extractor))


def _modes_of_samples(table: Sequence[Mode], sides: TaskInputs, plan: Plan, extractor: str) -> ModesOfSamples | None:
    """The mode of each real sample by the table of modes, where that is known."""
    known = memberships_of(table, sides, plan, extractor)
    states = {mode.name: mode.state for mode in table}
    return None if known is None else ModesOfSamples(known.names, known.number["real"], states)


def _held_out(sides: TaskInputs, extractor: str) -> Rows | None:
    """The rows of the held-out samples, where there are any; warns where a held-out set has none."""
    if HELD_OUT not in sides.collected:
        return None
    try:
        return sides.collected[HELD_OUT].get(extractor, "pooled", Rows)
    except MissingLayer as error:
        warnings.warn(f"the verdict is given without the held-out samples: {error}", stacklevel=2)
        return None


class _Names:
    """Names of samples by their numbers in the whole set."""

    def __init__(self, sides: TaskInputs) -> None:
        self._sides = sides
        self._by_side: dict[SideName, dict[int, str]] = {}

    def __call__(self, side: SideName, number: int) -> str:
        if side not in self._by_side:
            collected = self._sides.collected[side]
            rows = next(s for s in collected.summaries.values() if isinstance(s, Rows))
            self._by_side[side] = dict(zip(rows.index.tolist(), collected.paths, strict=False))
        return self._by_side[side].get(number, f"#{number}")
