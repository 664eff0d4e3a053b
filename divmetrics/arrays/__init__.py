"""Arithmetic that several metric families share: summaries, pairs of samples, splits, clusters, linear algebra."""

from typing import TYPE_CHECKING

from divmetrics.records.lazy import lazy_exports as _lazy_exports

if TYPE_CHECKING:
    from divmetrics.arrays.memo import once
    from divmetrics.arrays.splits import HeldOutPool, OneSamplePool, Pool, Splits, TwoSamplePool
    from divmetrics.arrays.summaries import ClassTally, Labelled, Moments, Rows, Sample, Summary, UnitGram

__all__ = [
    "ClassTally",
    "HeldOutPool",
    "Labelled",
    "Moments",
    "OneSamplePool",
    "Pool",
    "Rows",
    "Sample",
    "Splits",
    "Summary",
    "TwoSamplePool",
    "UnitGram",
    "once",
]

if not TYPE_CHECKING:
    _HOMES = {"once": "arrays.memo"}
    _HOMES |= dict.fromkeys(["HeldOutPool", "OneSamplePool", "Pool", "Splits", "TwoSamplePool"], "arrays.splits")
    _HOMES |= dict.fromkeys(set(__all__) - set(_HOMES), "arrays.summaries")
    __getattr__, __dir__ = _lazy_exports(__name__, _HOMES)
