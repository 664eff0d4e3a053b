"""`Comparison`: several generators against one reference, ranked metric by metric, to and from JSON.

The schema is `divmetrics.comparison/1`. Neither torch nor numpy is imported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from divmetrics.errors import UnknownName
from divmetrics.records.comparison_views import ComparisonViews
from divmetrics.records.json_reading import DamagedRecord, entries_of, record_from
from divmetrics.records.metric import Better
from divmetrics.records.results import Report
from divmetrics.records.saved import SavedRecord


@dataclass(frozen=True)
class Place:
    """Where one generator stands in the ranking of one metric."""

    name: str
    """Name of the generator."""
    value: float | None
    """Value of the metric; None where it could not be computed."""
    ci: tuple[float, float] | None
    """Ends of its confidence interval."""
    rank: int | None
    """1 + the number of generators that are significantly better; None where nothing was tested."""
    ranks: tuple[int, int] | None
    """Least and greatest rank that the generator may have: of K, from 1 + those that are significantly better to
    K - those that are significantly worse."""
    groups: tuple[str, ...] = ()
    """Letters: two generators that share one cannot be told apart."""

    def to_json(self) -> dict[str, Any]:
        """The place as plain JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class Difference:
    """Difference of two generators in one metric, with the uncertainty of both together."""

    first: str
    """Name of a generator."""
    second: str
    """Name of the other."""
    value: float
    """Value of the first less that of the second."""
    ci: tuple[float, float] | None
    """Confidence interval of this difference alone, not adjusted for the number of differences."""
    p: float
    """p-value of no difference, two-sided."""
    p_adjusted: float
    """p-value adjusted for all differences of the comparison, over pairs and metrics (Holm)."""
    told_apart: bool
    """Whether the adjusted p-value is at most alpha."""
    draws: int
    """Half-samples behind it, the same of the real samples for both generators."""

    def to_json(self) -> dict[str, Any]:
        """The difference as plain JSON."""
        return {**vars(self), "ci": None if self.ci is None else list(self.ci)}


@dataclass(frozen=True)
class Ranking:
    """The generators by one metric, the best first."""

    key: str
    """Key of the metric in the reports: `recall@efficientnet-lite0`."""
    metric: str
    """Name of the metric."""
    better: Better
    """`higher` or `lower`."""
    role: str
    """What the metric measures: `fidelity`, `diversity`, `distance` or `copies`."""
    places: tuple[Place, ...]
    """Each generator, by value; those without a value last."""
    differences: tuple[Difference, ...] = ()
    """Each pair of generators; empty where nothing could be tested."""
    warnings: tuple[str, ...] = ()
    """Why something is missing, a sentence each."""

    def __getitem__(self, name: str) -> Place:
        for place in self.places:
            if place.name == name:
                return place
        raise UnknownName.of("generator", name, [place.name for place in self.places])

    def difference(self, first: str, second: str) -> Difference | None:
        """The difference of two generators, whichever of them was named first; None where it was not tested."""
        for found in self.differences:
            if (found.first, found.second) == (first, second):
                return found
            if (found.second, found.first) == (first, second):
                ends = None if found.ci is None else (-found.ci[1], -found.ci[0])
                return replace(found, first=first, second=second, value=-found.value, ci=ends)
        return None

    def to_json(self) -> dict[str, Any]:
        """The ranking as plain JSON."""
        return {
            **vars(self),
            "places": [place.to_json() for place in self.places],
            "differences": [difference.to_json() for difference in self.differences],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class Fall:
    """A significant fall of one diversity metric between two checkpoints of a run."""

    key: str
    """Key of the metric."""
    step: int
    """First step that is significantly worse than the best step before it."""
    best: int
    """That best step."""
    value: float
    """Value at `step`."""
    best_value: float
    """Value at `best`."""
    p_adjusted: float
    """Adjusted p-value of the difference."""
    recovered: int | None = None
    """First later step that is significantly better than `step` and not worse than `best`; None: it stays lost."""


@dataclass(frozen=True, repr=False)
class Comparison(SavedRecord, ComparisonViews):
    """Several generators against the same real samples. `print(comparison)` shows the table of the command line.

    Example:
        >>> import numpy as np
        >>> import divmetrics as dm
        >>> rng = np.random.default_rng(0)
        >>> real, wide = rng.normal(size=(2, 100, 2))
        >>> found = dm.compare(real, {"wide": wide, "narrow": wide / 4}, metrics="recall", null=False)
        >>> [(place.name, place.rank) for place in found["recall"].places]
        [('wide', 1), ('narrow', 2)]
        >>> Comparison.from_json(found.to_json()) == found
        True
    """

    SCHEMA = "divmetrics.comparison/1"
    NOUN = "comparison"
    COMMAND = "divmetrics compare --json"

    version: str
    """Version of divmetrics that measured."""
    created: str
    """Time of the comparison, ISO 8601 in UTC."""
    names: tuple[str, ...]
    """Name of each generator."""
    reports: tuple[Report, ...]
    """The report of each generator, in the order of `names`."""
    ranking: tuple[Ranking, ...]
    """One ranking for each metric."""
    alpha: float
    """Probability that any two equal generators are told apart in any metric."""
    steps: tuple[int, ...] | None = None
    """Step of each checkpoint, where the generators are checkpoints of one run."""
    falls: tuple[Fall, ...] = ()
    """Where diversity fell from checkpoint to checkpoint, in the order of the steps."""
    notes: tuple[str, ...] = ()
    """What readers must know: samples that were left out to make sizes equal, metrics that are not ranked."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Seed, seconds, the command; plain JSON."""

    def __getitem__(self, name: str) -> Ranking:
        key = self.reports[0].resolve(name)
        for ranking in self.ranking:
            if ranking.key == key:
                return ranking
        raise UnknownName.of("ranking", name, [ranking.key for ranking in self.ranking])

    @property
    def by_name(self) -> dict[str, Report]:
        """Name of each generator -> its report."""
        return dict(zip(self.names, self.reports, strict=True))

    @property
    def collapse(self) -> Fall | None:
        """The first fall of diversity that is not made up for; None where there is none, or no steps."""
        return min((fall for fall in self.falls if fall.recovered is None), key=lambda fall: fall.step, default=None)

    def to_json(self) -> str:
        """The comparison as JSON text, schema `divmetrics.comparison/1`; no NaN and no Infinity anywhere."""
        whole = {
            "schema": self.SCHEMA,
            "divmetrics": self.version,
            "created": self.created,
            "names": list(self.names),
            "alpha": self.alpha,
            "steps": None if self.steps is None else list(self.steps),
            "ranking": [ranking.to_json() for ranking in self.ranking],
            "falls": [vars(fall) for fall in self.falls],
            "notes": list(self.notes),
            "meta": dict(self.meta),
            "reports": [report.to_dict() for report in self.reports],
        }
        return json.dumps(whole, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_object(cls, whole: Mapping[str, Any]) -> Self:
        """The comparison that a JSON object of this schema stands for. Raises DamagedRecord, which names the place."""
        entries = whole.get("reports")
        if not isinstance(entries, list):
            raise DamagedRecord("reports is no list")
        reports = tuple(_report(entry, place) for place, entry in enumerate(entries))
        own = {**whole, "version": whole.get("divmetrics"), "reports": []}
        found = replace(record_from(cls, own), reports=reports)
        found.check()
        return found

    def check(self) -> None:
        """Raise DamagedRecord where the parts do not belong together."""
        if not len(self.names) == len(self.reports) == len(set(self.names)) or len(self.names) < 2:
            raise DamagedRecord(f"{len(self.names)} names for {len(self.reports)} reports")
        if self.steps is not None and len(self.steps) != len(self.names):
            raise DamagedRecord(f"{len(self.steps)} steps for {len(self.names)} names")
        for ranking in self.ranking:
            if sorted(place.name for place in ranking.places) != sorted(self.names):
                raise DamagedRecord(f"the ranking {ranking.key!r} has other names than the comparison")
            if any(ranking.key not in report.metrics for report in self.reports):
                raise DamagedRecord(f"a report lacks the metric {ranking.key!r} of the ranking")


def _report(entry: Any, place: int) -> Report:
    """One of the reports. Raises DamagedRecord, which says which one is damaged."""
    try:
        whole = entries_of(entry, "the report")
        if whole.get("schema") != Report.SCHEMA:
            raise DamagedRecord(f"its schema is {whole.get('schema')!r}, wanted {Report.SCHEMA!r}")
        return Report.from_object(whole)
    except DamagedRecord as error:
        raise DamagedRecord(f"reports[{place}]: {error}") from None
