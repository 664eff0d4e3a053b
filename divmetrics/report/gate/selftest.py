"""What `gate --selftest` has found: how often a gate fails for unchanged samples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from divmetrics._version import __version__

SCHEMA = "divmetrics.selftest/1"


@dataclass(frozen=True)
class Selftest:
    """Random re-splits of unchanged samples, judged by the rules of a gate."""

    path: Path
    """The rule file."""
    real: str
    fake: str
    n_real: int
    """Samples of each side in a re-split, half of those there are."""
    n_fake: int
    resplits: int
    red: int
    """Re-splits in which the gate failed."""
    interval: tuple[float, float]
    """Of 95 %, for the rate of red."""
    alpha: float
    """The rate that is accepted."""
    by_rule: Mapping[str, int]
    """Rule -> re-splits in which it failed."""

    @property
    def rate(self) -> float:
        """Share of the re-splits in which the gate failed."""
        return self.red / self.resplits

    @property
    def exit_code(self) -> int:
        """1 where the gate fails for unchanged samples significantly more often than is accepted, else 0."""
        return int(self.interval[0] > self.alpha)

    def to_json(self) -> str:
        """JSON text, schema `divmetrics.selftest/1`."""
        whole = {
            "schema": SCHEMA,
            "divmetrics": __version__,
            "config": str(self.path),
            "real": self.real,
            "fake": self.fake,
            "n_real": self.n_real,
            "n_fake": self.n_fake,
            "resplits": self.resplits,
            "red": self.red,
            "rate": self.rate,
            "interval": self.interval,
            "alpha": self.alpha,
            "rules": [{"name": name, "red": red} for name, red in self.by_rule.items()],
            "exit_code": self.exit_code,
        }
        return json.dumps(whole, indent=1, allow_nan=False) + "\n"
