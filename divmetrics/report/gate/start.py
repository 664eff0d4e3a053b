"""What `gate --init` has measured and chosen, as the text of a rule file and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from divmetrics.records.printing import printable
from divmetrics.records.results import Report

SCHEMA = "divmetrics.start/1"
BASELINE = "baseline.json"
"""Name of the baseline, which is written beside the rules."""
RULES_RATE = 0.002
"""Probability that any of the rules on a change is broken by chance: one gate in 500."""


@dataclass(frozen=True)
class Threshold:
    """A rule that was chosen."""

    rule: str
    """Name of the rule."""
    key: str
    """`max_regression` or `max`."""
    bound: float
    """The threshold."""
    level: str
    """`error` or `warn`."""
    now: float
    """The number on these samples."""
    noise: float | None
    """Standard deviation of the difference of two draws of the generator; None for a number of modes."""
    why: str
    """How the threshold was chosen, one sentence."""


@dataclass(frozen=True)
class Start:
    """A rule file with its baseline, before they are written."""

    config: Path
    baseline: Path
    report: Report
    """The baseline."""
    verdict: str
    """Level of the rule on the verdict."""
    verdict_why: str
    thresholds: tuple[Threshold, ...]
    keys: Mapping[str, Any]
    """Further keys of `[gate]`: the options that were given."""
    left_out: tuple[str, ...]
    """Metrics that have no rule, and why, one sentence each."""
    commands: tuple[str, str]
    """The command that judges new samples, and the one that measures how often it is red."""

    def to_json(self) -> str:
        """JSON text, schema `divmetrics.start/1`."""
        whole = {
            "schema": SCHEMA,
            "divmetrics": self.report.version,
            "config": str(self.config),
            "baseline": str(self.baseline),
            "verdict": {"level": self.verdict, "why": self.verdict_why},
            "rules": [asdict(threshold) for threshold in self.thresholds],
            "left_out": self.left_out,
            "next": list(self.commands),
        }
        return json.dumps(whole, indent=1, allow_nan=False) + "\n"

    def to_toml(self) -> str:
        """The rule file."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        real, fake = self.report.real, self.report.fake
        yield f"# Rules of a gate, by divmetrics {self.report.version}. What another draw of the same generator may do"
        yield "# was measured on these samples, and a rule is broken beyond that only. All keys: docs/gate.md there."
        yield f"#   {printable(self.commands[0])}"
        yield "#       judges new samples: exit code 0 passed, 1 failed, 2 wrong rules, 3 could not be measured"
        yield f"#   {printable(self.commands[1])}"
        yield "#       measures how often it fails for unchanged samples"
        yield ""
        yield "[gate]"
        yield f"# {real.n} real and {fake.n} generated samples. Of more, as many are drawn; fewer are refused."
        yield f"baseline = {quoted(self.baseline.name)}"
        yield from (f"{name} = {_value(value)}" for name, value in self.keys.items())
        yield f"# {printable(self.verdict_why)}"
        yield f"verdict = {quoted(self.verdict)}"
        if self.verdict != "off":
            yield 'inconclusive = "warn"  # "fail": it also fails where the verdict cannot be told'
        yield "# quarantine = true     # where it fails, measure once more on another seed, and fail if both do"
        for threshold in self.thresholds:
            yield ""
            yield f"# {printable(threshold.why)}"
            yield f"[gate.rules.{_key(threshold.rule)}]"
            yield f"{threshold.key} = {_value(threshold.bound)}"
            if threshold.level != "error":
                yield f"level = {quoted(threshold.level)}"
        for text in self.left_out:
            yield ""
            yield f"# {printable(text)}"


def rounded_up(number: float) -> float:
    """A positive number in two significant digits, never smaller.

    Example:
        >>> rounded_up(0.03412), rounded_up(12.0), rounded_up(0.099999)
        (0.035, 12.0, 0.1)
    """
    size = 10 ** (math.floor(math.log10(number)) - 1)
    return float(f"{math.ceil(number / size - 1e-9) * size:.2g}")


def quoted(text: str) -> str:
    """A text as TOML: a basic string.

    Example:
        >>> print(quoted('a "b"'))
        "a \\"b\\""
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float):
        return f"{value:.0f}" if value == round(value) and abs(value) < 1e9 else repr(value)
    return str(value)


def _key(name: str) -> str:
    """A key of a TOML table."""
    return name if name.isascii() and name.replace("_", "").isalnum() else quoted(name)
