"""What comes out: `Result`, `Report`, `Signature`. Frozen, plain, JSON in and out (schema `divmetrics.report/1`).

This module imports neither torch nor numpy, so that a gate or a page is made in a blink, on any machine.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.files import write_text

SCHEMA = "divmetrics.report/1"


@dataclass(frozen=True)
class Signature:
    """What must agree before two numbers may be compared. `str(signature)` is its one-line form.

    `recall|efficientnet-lite0#57934424|pooled|bicubic-aa-224|k:5|n:5000/5000|seed:0|divmetrics:0.1.0`
    """

    metric: str
    extractor: str
    """Name and digest, `efficientnet-lite0#57934424`; `features` or `labels` where no network was run."""
    layer: str
    preprocessing: str
    params: str
    n: str
    seed: str
    version: str

    def __str__(self) -> str:
        parts = [self.metric, self.extractor, self.layer, self.preprocessing, *filter(None, [self.params])]
        return "|".join([*parts, f"n:{self.n}", f"seed:{self.seed}", f"divmetrics:{self.version}"])

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `str`. Raises UsageError where `text` is not a signature."""
        parts = text.split("|")
        tail = [part.partition(":") for part in parts[-3:]]
        if len(parts) < 7 or [name for name, _, _ in tail] != ["n", "seed", "divmetrics"]:
            raise UsageError(f"not a signature of divmetrics: {text!r}.")
        metric, extractor, layer, preprocessing, *params = parts[:-3]
        n, seed, version = (value for _, _, value in tail)
        return cls(metric, extractor, layer, preprocessing, "|".join(params), n, seed, version)

    def differences(self, other: Signature) -> dict[str, tuple[str, str]]:
        """Fields in which the two differ, the version of divmetrics left out: name -> (mine, theirs)."""
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.name != "version"}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


R = TypeVar("R")


def _known(record: type[R], entry: Mapping[str, Any]) -> R:
    """`record` from JSON; keys that a later version added are passed over."""
    names = {f.name for f in fields(record)}  # type: ignore[arg-type]
    return record(**{name: value for name, value in entry.items() if name in names})


def params_text(params: Mapping[str, Any]) -> str:
    """Options as they stand in a signature: `k:5|ties:open`."""
    return "|".join(f"{name}:{value}" for name, value in sorted(params.items()))


@dataclass(frozen=True)
class NullBand:
    """What two sets of these sizes would score if both came from one distribution."""

    mean: float | None
    low: float | None
    high: float | None
    """Ends of the band; None is unbounded."""
    sd: float | None = None
    p: float | None = None
    """Chance of a value at least as bad as the one found; None where a report does not say."""
    draws: int | None = None
    """Re-splits behind the band; None for a closed form."""
    method: str | None = None


@dataclass(frozen=True)
class Result:
    """One number with all that is needed to read and compare it. `value` is None where it could not be computed."""

    metric: str
    extractor: str
    value: float | None
    better: str
    range: tuple[float | None, float | None]
    """Ends of the range; None is unbounded."""
    params: Mapping[str, Any]
    n_real: int | None
    n_fake: int | None
    """Samples of each side; None where a file of statistics does not say."""
    signature: Signature
    literature: bool = False
    """True only where extractor, weights, preprocessing and parameters are those of the published protocol."""
    ci: tuple[float, float] | None = None
    ci_level: float | None = None
    ci_method: str | None = None
    null: NullBand | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The entry of this result under `metrics` in a report."""
        return {
            "value": self.value,
            "ci": list(self.ci) if self.ci else None,
            "ci_level": self.ci_level,
            "ci_method": self.ci_method,
            "null": vars(self.null) if self.null else None,
            "better": self.better,
            "range": list(self.range),
            "metric": self.metric,
            "extractor": self.extractor,
            "params": dict(self.params),
            "n_real": self.n_real,
            "n_fake": self.n_fake,
            "signature": str(self.signature),
            "literature": self.literature,
            "extras": dict(self.extras),
            "warnings": list(self.warnings),
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; keys that a later version added are passed over."""
        known = {f.name: entry[f.name] for f in fields(cls) if f.name in entry}
        known["signature"] = Signature.parse(entry["signature"])
        known["range"] = tuple(entry["range"])
        known["ci"] = tuple(entry["ci"]) if entry.get("ci") else None
        known["null"] = _known(NullBand, entry["null"]) if entry.get("null") else None
        known["warnings"] = tuple(entry.get("warnings", ()))
        return cls(**known)


@dataclass(frozen=True)
class Skipped:
    """A sample that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Side:
    """One of the two sample sets: where it came from, how many samples counted, what was skipped."""

    source: str
    n: int | None
    digest: str | None
    labels: Mapping[str, int] | None = None
    """Class name -> samples, where the layout gives classes."""
    skipped: tuple[Skipped, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The entry `real` or `fake` of a report."""
        labels = dict(self.labels) if self.labels is not None else None
        skipped = [vars(sample) for sample in self.skipped]
        return {"source": self.source, "n": self.n, "digest": self.digest, "labels": labels, "skipped": skipped}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        skipped = tuple(Skipped(**sample) for sample in entry.get("skipped", ()))
        return cls(entry["source"], entry["n"], entry["digest"], entry.get("labels"), skipped)


@dataclass(frozen=True)
class Mode:
    """One mode (class or cluster) of the reals and its share among the fakes."""

    id: int
    name: str
    real_share: float
    fake_share: float
    p: float | None
    """Chance of so few fakes in this mode if the fakes had the reals' shares; None where it was not tested."""
    state: str
    """`present`; `thinned`, `missing`: too few fakes, none, beyond chance; `unseen`: none, which may be chance."""
    exemplars: tuple[str, ...] = ()
    """Paths of reals that show what the mode is."""
    corrected: bool = False
    """Whether the shares are corrected for the errors of the classifier that counted them."""

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """The inverse of `vars`; keys that a later version added are passed over."""
        mode = _known(cls, entry)
        return replace(mode, exemplars=tuple(mode.exemplars))


@dataclass(frozen=True)
class Verdict:
    """What the numbers amount to, at a known false-alarm rate `alpha`."""

    state: str
    alpha: float
    findings: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Report:
    """All results of one comparison. `report["recall"]` finds a result by metric where one extractor was used."""

    version: str
    created: str
    real: Side
    fake: Side
    metrics: Mapping[str, Result]
    """Key `NAME@EXTRACTOR` -> result."""
    modes: tuple[Mode, ...] = ()
    verdict: Verdict | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    samples: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict, compare=False, repr=False)
    """Side -> column -> one value a sample, with a column `path`; not part of the JSON."""
    held_out: Side | None = None
    """Real samples that the generator was not trained on, where they were given."""
    replicates: Any = field(default=None, compare=False, repr=False)
    """`divmetrics.inference.replicates.Replicates`: values of the metrics on the half-samples and permutations that
    intervals and null bands rest on. `report.replicates.rows[key].permutations` are those of one metric,
    `report.replicates.matrix("permutations", keys)` those of several on the same permutations. None where neither
    intervals nor nulls were asked for, and in a report read from a file: they are not part of the JSON."""

    def __getitem__(self, name: str) -> Result:
        return self.metrics[self.resolve(name)]

    def resolve(self, name: str) -> str:
        """The key that `name` means: a key itself, or a metric that the report holds exactly once."""
        if name in self.metrics:
            return name
        keys = [key for key in self.metrics if key.partition("@")[0] == name]
        if len(keys) > 1:
            raise UsageError(f"{name!r} is in the report {len(keys)} times: name one of {', '.join(keys)}.")
        if not keys:
            raise UnknownName.of(
                "metric in the report", name, [*self.metrics, *{k.partition("@")[0] for k in self.metrics}]
            )
        return keys[0]

    def to_json(self) -> str:
        """The report as JSON text, schema `divmetrics.report/1`; no NaN and no Infinity anywhere."""
        whole = {
            "schema": SCHEMA,
            "divmetrics": self.version,
            "created": self.created,
            "real": self.real.to_json(),
            "fake": self.fake.to_json(),
            **({} if self.held_out is None else {"held_out": self.held_out.to_json()}),
            "metrics": {key: result.to_json() for key, result in self.metrics.items()},
            "verdict": None
            if self.verdict is None
            else {**vars(self.verdict), "findings": list(self.verdict.findings)},
            "modes": [vars(mode) for mode in self.modes],
            "meta": dict(self.meta),
        }
        return json.dumps(whole, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, name: str = "report") -> Self:
        """Read a report back; `name` is what messages call it. Raises UsageError where `text` is not a report."""
        try:
            whole = json.loads(text)
        except ValueError as error:
            raise UsageError(f"{name} is not JSON ({error}); make it with divmetrics score --json.") from None
        if not isinstance(whole, dict) or whole.get("schema") != SCHEMA:
            found = whole.get("schema") if isinstance(whole, dict) else None
            raise UsageError(f"{name} has schema {found!r}, wanted {SCHEMA!r}; make it with divmetrics score --json.")
        try:
            verdict = whole.get("verdict")
            return cls(
                version=whole["divmetrics"],
                created=whole["created"],
                real=Side.from_json(whole["real"]),
                fake=Side.from_json(whole["fake"]),
                held_out=Side.from_json(whole["held_out"]) if whole.get("held_out") else None,
                metrics={key: Result.from_json(entry) for key, entry in whole["metrics"].items()},
                modes=tuple(Mode.from_json(mode) for mode in whole.get("modes", ())),
                verdict=Verdict(verdict["state"], verdict["alpha"], tuple(verdict["findings"])) if verdict else None,
                meta=whole.get("meta", {}),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{name} is damaged: {error!r}; make it again with divmetrics score --json.") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a report file. Raises UsageError where it is missing or not a report."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not text"
            raise UsageError(f"cannot read the report {path}: {reason}.") from None
        return cls.from_json(text, str(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON to `path`, whole or not at all."""
        write_text(path, self.to_json())

    def with_meta(self, **meta: Any) -> Self:
        """The same report with entries added to `meta`."""
        return replace(self, meta={**self.meta, **meta})


def finite_or_none(value: float) -> float | None:
    """`value` as JSON can hold it: None for NaN and the infinities."""
    return float(value) if math.isfinite(value) else None
