"""Records: what metrics, extractors and zoo models declare, options, and the results of a run. Loads no torch."""

from typing import TYPE_CHECKING

from divmetrics.records.lazy import lazy_exports as _lazy_exports

if TYPE_CHECKING:
    from divmetrics.records.exhibits import Exhibits
    from divmetrics.records.extractor import EXTRACTORS, Extractor, Layer, Spec
    from divmetrics.records.generator import ZOO, ZooModel
    from divmetrics.records.metric import METRICS, Metric
    from divmetrics.records.null_band import NullBand
    from divmetrics.records.results import Mode, Report, Result, Side, Skipped
    from divmetrics.records.signature import Signature
    from divmetrics.records.verdict import Finding, Verdict

__all__ = [
    "EXTRACTORS",
    "METRICS",
    "ZOO",
    "Exhibits",
    "Extractor",
    "Finding",
    "Layer",
    "Metric",
    "Mode",
    "NullBand",
    "Report",
    "Result",
    "Side",
    "Signature",
    "Skipped",
    "Spec",
    "Verdict",
    "ZooModel",
]

if not TYPE_CHECKING:
    _HOMES = {"METRICS": "records.metric", "Metric": "records.metric", "Signature": "records.signature"}
    _HOMES |= dict.fromkeys(["EXTRACTORS", "Extractor", "Layer", "Spec"], "records.extractor")
    _HOMES |= dict.fromkeys(["ZOO", "ZooModel"], "records.generator")
    _HOMES |= {"NullBand": "records.null_band", "Exhibits": "records.exhibits"}
    _HOMES |= dict.fromkeys(["Finding", "Verdict"], "records.verdict")
    _HOMES |= dict.fromkeys(set(__all__) - set(_HOMES), "records.results")
    __getattr__, __dir__ = _lazy_exports(__name__, _HOMES)
