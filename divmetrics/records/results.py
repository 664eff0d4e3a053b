"""`Result` and `Report`: the numbers of a run with all that is known of them, to and from JSON.

The schema is `divmetrics.report/1`. Neither torch nor numpy is imported, so that a saved report is read at once, on any
machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.exhibits import Exhibits, Pictures
from divmetrics.records.facts import Fact
from divmetrics.records.json_reading import DamagedRecord, entries_of, record_from
from divmetrics.records.metric import Better
from divmetrics.records.null_band import NullBand
from divmetrics.records.report_views import ReportViews
from divmetrics.records.saved import SavedRecord
from divmetrics.records.signature import Signature
from divmetrics.records.verdict import Verdict

ModeState = Literal["present", "thinned", "missing", "unseen", "invented"]
NOT_IN_JSON = ("samples", "replicates", "pictures", "version")
"""Fields of a report that are not keys of its JSON."""


@dataclass(frozen=True)
class _KnownExtras:
    """The keys of `Result.extras` that tables and gates read; others are free."""

    real: float | None = None
    std: float | None = None
    modes_total: int | None = None
    missing: tuple[int | str, ...] | None = None


@dataclass(frozen=True)
class _KnownMeta:
    """The keys of `Report.meta` that tables read; others are free."""

    seconds: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Result:
    """The value of one metric on one extractor, with everything needed to read and compare it.

    Example:
        >>> import numpy as np
        >>> import divmetrics as dm
        >>> rows = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 3.0]])
        >>> result = dm.score(rows, rows, metrics="fid", ci_level=0, null=False)["fid"]
        >>> result.value, result.better, result.n_fake
        (0.0, 'lower', 3)
    """

    metric: str
    """Name of the metric."""
    extractor: str
    """Extractor of the features; `features` or `labels` where no network was run."""
    value: float | None
    """The number; None where it could not be computed, and `warnings` then say why."""
    better: Better
    """`higher` or `lower`."""
    range: tuple[float | None, float | None]
    """Least and greatest possible value; None is unbounded."""
    params: Mapping[str, Any]
    """Options of the metric."""
    n_real: int | None
    """Number of real samples; None where a file of statistics does not say."""
    n_fake: int | None
    """Number of fake samples; None where a file of statistics does not say."""
    signature: Signature
    """What must agree before this number is compared with another."""
    literature: bool = False
    """True only where extractor, weights, preprocessing and parameters are those of the published protocol."""
    ci: tuple[float, float] | None = None
    """Ends of the confidence interval."""
    ci_level: float | None = None
    """Level of the confidence interval: 0.95."""
    ci_method: str | None = None
    """How the interval was found: `half-samples`, `influence function`, ..."""
    null: NullBand | None = None
    """What real samples score against real samples, and the p-value; None for a metric of one sample."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """Further numbers of the metric; for a metric of one side, `real` is its value on the real samples."""
    warnings: tuple[str, ...] = ()
    """What a reader must know before using the number, a sentence each."""
    seconds: float = 0.0
    """Time that the value took, intervals and null band included."""

    def to_json(self) -> dict[str, Any]:
        """The entry of this result under `metrics` in a report, plain JSON."""
        return {
            "value": self.value,
            "ci": list(self.ci) if self.ci else None,
            "ci_level": self.ci_level,
            "ci_method": self.ci_method,
            "null": self.null.to_json() if self.null else None,
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
        """Read a result back from `to_json`; keys that a later version of the schema added are ignored."""
        own = entries_of(entry, "the result")
        record_from(_KnownExtras, own.get("extras", {}))
        signature = own.get("signature")
        if not isinstance(signature, str):
            raise DamagedRecord("signature is no text")
        try:
            null = NullBand.as_now(own.get("null"))
            return record_from(cls, {**own, "null": null, "signature": vars(Signature.parse(signature))})
        except UsageError as error:
            raise DamagedRecord(str(error).removesuffix(".")) from None


@dataclass(frozen=True)
class Skipped:
    """A sample that could not be read."""

    path: str
    """Where it lies."""
    reason: str
    """Why it could not be read."""


@dataclass(frozen=True)
class Side:
    """One of the sample sets of a report: where it came from, how many samples counted, what was skipped."""

    source: str
    """Path or name of the source."""
    n: int | None
    """Number of samples that were measured; None where a file of statistics does not say."""
    digest: str | None
    """Digest of the samples, `sha256:...`; None where the source has none."""
    labels: Mapping[str, int] | None = None
    """Class name -> number of samples, where the layout gives classes."""
    skipped: tuple[Skipped, ...] = ()
    """Samples that could not be read."""
    labelled: int = 0
    """Samples with a class where others have none, so that `labels` is None."""

    def to_json(self) -> dict[str, Any]:
        """The entry `real` or `fake` of a report."""
        labels = dict(self.labels) if self.labels is not None else None
        skipped = [vars(sample) for sample in self.skipped]
        partly = {"labelled": self.labelled} if self.labelled else {}
        given = {"source": self.source, "n": self.n, "digest": self.digest, "labels": labels}
        return {**given, "skipped": skipped, **partly}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """Read a side back from `to_json`; keys that a later version of the schema added are ignored."""
        return record_from(cls, entry)


@dataclass(frozen=True)
class Mode:
    """One mode of the real samples, a class or a cluster, and its share among the fake samples."""

    id: int
    """Number of the mode."""
    name: str
    """Name of the class, or of the cluster."""
    real_share: float
    """Share of the real samples in this mode."""
    fake_share: float
    """Share of the fake samples in this mode."""
    p: float | None
    """p-value of so few fake samples if both sides had the same shares; None where it was not tested."""
    state: ModeState
    """`present`; `thinned`: significantly few fake samples; `missing`: none, or no more than other modes explain, which
    is a fifth of its share in a cluster, and the errors of the classifier in a predicted class; `unseen`: none, not
    significantly. `invented`, without real samples, is only a state of the page."""
    exemplars: tuple[str, ...] = ()
    """Paths of real samples that show what the mode is."""
    corrected: bool = False
    """Whether the shares are corrected for the errors of the classifier that counted them."""

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """Read a mode back from `vars`; keys that a later version of the schema added are ignored."""
        return record_from(cls, entry)


@dataclass(frozen=True, repr=False)
class Report(SavedRecord, ReportViews):
    """All results of one comparison. `report["recall"]` is a result by its metric, where one extractor was used.

    `print(report)` shows the table of the command line.

    Example:
        >>> import numpy as np
        >>> import divmetrics as dm
        >>> rows = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 3.0]])
        >>> report = dm.score(rows, rows, metrics="fid,recall:k=1", ci_level=0, null=False)
        >>> list(report.metrics), report["recall"].value
        (['fid@features', 'recall@features'], 1.0)
        >>> Report.from_json(report.to_json()) == report
        True
    """

    SCHEMA = "divmetrics.report/1"
    NOUN = "report"
    COMMAND = "divmetrics score --json"

    version: str
    """Version of divmetrics that measured."""
    created: str
    """Time of the measurement, ISO 8601 in UTC."""
    real: Side
    """The reference."""
    fake: Side
    """The samples that were judged."""
    metrics: Mapping[str, Result]
    """Key `NAME@EXTRACTOR` -> result."""
    modes: tuple[Mode, ...] = ()
    """Modes of the real samples with their shares on both sides."""
    verdict: Verdict | None = None
    """What the numbers mean together; None where no verdict was asked for."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Seed, device, versions of libraries, seconds; plain JSON."""
    samples: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict, compare=False, repr=False)
    """Side -> column -> one value for each sample, with a column `path`; not part of the JSON."""
    held_out: Side | None = None
    """Real samples that the generator was not trained on, where they were given."""
    facts: tuple[Fact, ...] = ()
    """What is exactly so of the samples and decides what the numbers mean: copies, files of another nature."""
    replicates: Any = field(default=None, compare=False, repr=False)
    """`divmetrics.inference.replicates.Replicates`: values of the metrics on the half-samples, permutations and splits
    of the real samples that intervals, p-values and bands rest on. `report.replicates.rows[key].permutations` are those
    of one metric, `report.replicates.matrix("permutations", keys)` those of several on the same permutations. None
    where neither intervals nor nulls were asked for, and in a report read from a file: they are not in the JSON."""
    exhibits: Exhibits | None = None
    """Galleries, maps, curves and modes in detail, for the page; None where they were not asked for."""
    pictures: Pictures | None = field(default=None, compare=False, repr=False)
    """Pictures of the samples that `exhibits` show; not part of the JSON. None where samples came in batches, and in a
    report read from a file: a page then draws what lies where the report says."""

    def __getitem__(self, name: str) -> Result:
        return self.metrics[self.resolve(name)]

    def resolve(self, name: str) -> str:
        """Find the key of a result.

        Args:
            name: A key, `recall@pixels`, or the name of a metric that the report holds once.

        Raises:
            UnknownName: The report holds no such metric.
            UsageError: The report holds the metric more than once.
        """
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
            "schema": self.SCHEMA,
            "divmetrics": self.version,
            "created": self.created,
            "verdict": None if self.verdict is None else self.verdict.to_json(),
            "real": self.real.to_json(),
            "fake": self.fake.to_json(),
            **({} if self.held_out is None else {"held_out": self.held_out.to_json()}),
            "metrics": {key: result.to_json() for key, result in self.metrics.items()},
            "facts": [fact.to_json() for fact in self.facts],
            "modes": [vars(mode) for mode in self.modes],
            **({} if self.exhibits is None else {"exhibits": self.exhibits.to_json()}),
            "meta": dict(self.meta),
        }
        return json.dumps(whole, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_object(cls, whole: Mapping[str, Any]) -> Self:
        """The report that a JSON object of this schema stands for. Raises DamagedRecord, which names the place."""
        written = {"divmetrics": "version"}
        own = {written.get(key, key): value for key, value in whole.items() if key not in NOT_IN_JSON}
        own["metrics"] = {}
        record_from(_KnownMeta, own.get("meta", {}))
        for key, entry in entries_of(whole.get("metrics"), "metrics").items():
            try:
                own["metrics"][key] = Result.from_json(entry)
            except DamagedRecord as error:
                raise DamagedRecord(f"metrics[{key!r}]: {error}") from None
        return record_from(cls, own)


def finite_or_none(value: float) -> float | None:
    """A number as JSON can hold it: None for NaN and the infinities."""
    return float(value) if math.isfinite(value) else None
