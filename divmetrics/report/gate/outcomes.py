"""`RuleResult` and `GateResult`: what became of each rule, and of the gate; as JSON, schema `divmetrics.gate/1`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from divmetrics._version import __version__
from divmetrics.records.lazy import late
from divmetrics.records.results import Report
from divmetrics.report.gate.rules import Rules

SCHEMA = "divmetrics.gate/1"

Status = Literal["pass", "fail", "warn", "inconclusive", "error"]


@dataclass(frozen=True)
class RuleResult:
    """Result of one rule."""

    name: str
    """Name of the rule, as in the rule file."""
    metric: str
    """Key of the number in the report; `verdict` for the verdict, `modes` for the table of modes."""
    level: str
    """`error` or `warn`."""
    expected: str
    """The rule in words."""
    found: float | str | None
    """The value in the report, or the state of the verdict."""
    interval: tuple[float, float] | None
    """Its confidence interval, where the report has one."""
    judged: tuple[tuple[str, float], ...]
    """The numbers that were held against the bounds, each with what it is: `value`, `ci_low` or `ci_high`."""
    status: Status
    """`fail` for a broken rule of level `error`, `warn` for one of level `warn`, `inconclusive` where the samples do
    not tell, `error` where there is no number to judge."""
    text: str
    """Why it did not pass; empty where it did."""
    note: str = ""
    """What limits the rule, such as a bound inside the noise; empty for nothing."""
    noise_floor: float | None = None
    """The largest change against the baseline that chance explains; None without a rule on a change, or intervals."""

    def to_json(self) -> dict[str, Any]:
        """The entry under `rules`; `note` and `noise_floor` stand there where there is one."""
        given = asdict(self)
        for name in ("note", "noise_floor"):
            if not given[name]:
                del given[name]
        return given


@dataclass(frozen=True)
class GateResult:
    """Result of a gate: a report judged by rules."""

    report: Report
    rules: Rules
    outcomes: tuple[RuleResult, ...]
    """One for each rule, the verdict's first."""
    warnings: tuple[str, ...]
    """What limits the judgement, one sentence each."""
    second: GateResult | None = field(default=None)
    """The second run of a gate in quarantine that failed at first."""

    @property
    def passed(self) -> bool:
        """Whether no rule of level `error` is broken, in this run or in the second one."""
        return self.passed_at_once or (self.second is not None and self.second.passed)

    @property
    def passed_at_once(self) -> bool:
        """Whether no rule of level `error` is broken in this run, and all could be judged."""
        return all(outcome.status not in ("fail", "error") for outcome in self.outcomes)

    @property
    def error(self) -> str | None:
        """Why a rule of level `error` could not be judged, one sentence; None where all could."""
        return next((f"{outcome.text}." for outcome in self.outcomes if outcome.status == "error"), None)

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 3 a rule could not be judged."""
        last = self if self.second is None else self.second
        return 0 if self.passed else 1 if last.error is None else 3

    def html(self, path: str | os.PathLike[str]) -> None:
        """Write the page of the judged report, which begins with the rules and their statuses.

        Args:
            path: A file, or a folder; as for `Report.html`.

        Raises:
            UsageError: `path` cannot be written.
        """
        late("report.html.writing:write_gate")(self, path)

    def to_json(self) -> str:
        """JSON text, schema `divmetrics.gate/1`."""
        return _text({**self._run(), "second": None if self.second is None else self.second._run()})

    def _run(self) -> dict[str, Any]:
        error = {} if self.error is None else {"error": self.error}
        return {
            "passed": self.passed,
            **error,
            "exit_code": self.exit_code,
            "real": self.report.real.source,
            "fake": self.report.fake.source,
            "seed": self.report.meta.get("seed"),
            "rules": [outcome.to_json() for outcome in self.outcomes],
            "warnings": self.warnings,
        }


def error_json(sentence: str, exit_code: int) -> str:
    """JSON text, schema `divmetrics.gate/1`, of a gate that could not judge: not passed, no rules, and the reason.

    Args:
        sentence: The error.
        exit_code: That of the command: 2 for a wrong request, 3 where the samples could not be measured.
    """
    whole = {"passed": False, "error": sentence, "exit_code": exit_code, "real": None, "fake": None}
    return _text({**whole, "rules": [], "warnings": []})


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps({"schema": SCHEMA, "divmetrics": __version__, **content}, indent=1, allow_nan=False) + "\n"
