"""What a trial found: `Validation` and its rows, as JSON in and out (schema `divmetrics.validation/1`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from divmetrics.errors import UsageError

SCHEMA = "divmetrics.validation/1"


@dataclass(frozen=True)
class SanityRow:
    """One metric in one role on one check."""

    check: str
    metric: str
    role: str
    """`fidelity` or `diversity`: what it was judged as; a distance is judged as both."""
    bounds: bool | None
    """Whether it is 0 and 1 where it should be; None where it has no such values, or the check asks for none."""
    property: str | None
    """`pass`, `fail`, and of the tail of diversity `high` or `low`; None where it could not be judged."""


@dataclass(frozen=True)
class Rung:
    """One level of a ladder, or one trained model."""

    severity: float
    value: float
    """Mean over the repeats."""
    alarms: float
    """Share of the repeats that are worse than healthy samples are in 99 of 100 cases."""
    praise: float
    """Share that are better than healthy samples are in 99 of 100 cases."""


@dataclass(frozen=True)
class LadderRow:
    """One metric on one ladder. Severity is the oracle's; on controls and copies, where nothing is lost, the level."""

    ladder: str
    metric: str
    column: str | None
    """Row of the matrix of expected responses: A to H; None for ladders that are in none, as for trained models."""
    kendall_tau: float | None
    """Of mean value against severity over the levels, 1 where each worse level looks worse."""
    linearity: float | None
    """Share of the variance of the means that a straight line explains."""
    smallest_detectable: float | None
    """Least severity from which on most samples alarm, at 1 % false alarms."""
    false_reaction: float | None
    """Share of samples of the same target's fidelity-only controls (invent, contaminate, noise, shift) that alarm."""
    reaction: str
    """`sees`, `blind`, or `misled`: takes the worse for the better."""
    rungs: tuple[Rung, ...]
    trained: bool = False
    """Whether the rungs are trained models, in the order of their severity, and not levels of one knob."""


@dataclass(frozen=True)
class CalibrationRow:
    """How often a null, or a verdict, raised a false alarm over healthy pairs."""

    metric: str
    case: str
    draws: int
    at_1: float
    at_5: float
    """Share of draws with p at most .01 and .05."""
    holds: bool
    """Whether both are within the binomial error (99 %) of their level."""


@dataclass(frozen=True)
class Card:
    """What the numbers say of one metric."""

    metric: str
    role: str
    sees: tuple[str, ...]
    partly: tuple[str, ...]
    blind_to: tuple[str, ...]
    misled_by: tuple[str, ...]
    flags: tuple[str, ...]
    """What is wrong with it, given what it is for."""
    sanity: tuple[int, int] | None
    """Checks passed, and judged."""
    text: str


@dataclass(frozen=True)
class Validation:
    """All that was found, and on how many samples it stands."""

    sanity: tuple[SanityRow, ...] = ()
    ladders: tuple[LadderRow, ...] = ()
    calibration: tuple[CalibrationRow, ...] = ()
    cards: tuple[Card, ...] = ()
    recommended: tuple[str, ...] = ()
    """The smallest set that sees every column; empty where the ladders were not run."""
    meta: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """As text; `from_json` reads it again."""
        suites = {name: [_plain(row) for row in getattr(self, name)] for name in ("sanity", "ladders", "calibration")}
        whole = {
            "schema": SCHEMA,
            "suites": suites,
            "cards": [_plain(card) for card in self.cards],
            "recommended": list(self.recommended),
            "meta": dict(self.meta),
        }
        return json.dumps(whole, indent=None, separators=(",", ":"), allow_nan=False).replace("},{", "},\n{") + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`. Raises UsageError for another schema."""
        whole = json.loads(text)
        if whole.get("schema") != SCHEMA:
            raise UsageError(f"schema {whole.get('schema')!r} is not {SCHEMA!r}; run divmetrics validate again.")
        suites = whole["suites"]
        return cls(
            sanity=tuple(SanityRow(**row) for row in suites["sanity"]),
            ladders=tuple(
                LadderRow(**{**row, "rungs": tuple(Rung(*rung) for rung in row["rungs"])}) for row in suites["ladders"]
            ),
            calibration=tuple(CalibrationRow(**row) for row in suites["calibration"]),
            cards=tuple(Card(**{n: _frozen(v) for n, v in row.items()}) for row in whole["cards"]),
            recommended=tuple(whole["recommended"]),
            meta=whole["meta"],
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that `validate --json` wrote."""
        return cls.from_json(path.read_text(encoding="utf-8"))


def _plain(row: Any) -> dict[str, Any]:
    found = {name: _rounded(value) for name, value in asdict(row).items()}
    if "rungs" in found:
        found["rungs"] = [[_rounded(value) for value in rung.values()] for rung in asdict(row)["rungs"]]
    return found


def _rounded(value: Any) -> Any:
    """Four significant digits: more are noise here, and would make the record long."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
