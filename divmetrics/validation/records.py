"""Results of a validation run, read from and written to JSON (schema `divmetrics.validation/1`)."""

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
    """`fidelity` or `diversity`: whose criteria were applied; for a distance those of both are."""
    bounds: bool | None
    """Whether it is 0 and 1 where it should be; None where its range has no 0 and 1, or the check does not ask."""
    property: str | None
    """`pass` or `fail`; where a diversity metric may end high or low, which; None where the check has no criterion."""


@dataclass(frozen=True)
class Rung:
    """One level of a ladder, or one trained model."""

    severity: float
    value: float
    """Mean over the repeats."""
    alarms: float
    """Share of the repeats that are worse than 99 % of healthy samples."""
    praise: float
    """Share of the repeats that are better than 99 % of healthy samples."""


@dataclass(frozen=True)
class LadderRow:
    """One metric on one ladder. Severity is the oracle's, or the level where no diversity is lost."""

    ladder: str
    metric: str
    column: str | None
    """Kind of fault, A to H in the matrix of expected responses; None for trained models and others of no one kind."""
    kendall_tau: float | None
    """Kendall's tau of mean value against severity, 1 where each worse level scores worse."""
    linearity: float | None
    """R² of a straight line through mean value against severity."""
    smallest_detectable: float | None
    """Least severity from which on most sample sets raise an alarm, at a false-alarm rate of 1 %."""
    false_reaction: float | None
    """Share of samples of the same target's fidelity-only controls (invent, contaminate, noise, shift) that alarm."""
    reaction: str
    """`sees`, `blind`, or `misled`: improves as the samples get worse."""
    rungs: tuple[Rung, ...]
    trained: bool = False
    """Whether the rungs are trained models in the order of their severity, rather than levels of one knob."""


@dataclass(frozen=True)
class CalibrationRow:
    """False-alarm rate of a metric's p-value, or of the verdict, on pairs of samples from one distribution."""

    metric: str
    case: str
    draws: int
    at_1: float
    at_5: float
    """Share of draws with p at most .01 and .05."""
    holds: bool
    """Whether neither is above its level by more than the binomial error (99 %)."""


@dataclass(frozen=True)
class Card:
    """Report card of one metric."""

    metric: str
    role: str
    sees: tuple[str, ...]
    partly: tuple[str, ...]
    blind_to: tuple[str, ...]
    misled_by: tuple[str, ...]
    flags: tuple[str, ...]
    """Failures at what its role demands."""
    sanity: tuple[int, int] | None
    """Sanity checks passed, and all that were decided."""
    text: str


@dataclass(frozen=True)
class Validation:
    """All results of a validation run, with the numbers of samples they rest on."""

    sanity: tuple[SanityRow, ...] = ()
    ladders: tuple[LadderRow, ...] = ()
    calibration: tuple[CalibrationRow, ...] = ()
    cards: tuple[Card, ...] = ()
    recommended: tuple[str, ...] = ()
    """The smallest set of metrics that detects every kind of fault; empty where the ladders were not run."""
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
