"""Summaries: the values that a sample set is reduced to, once, before any metric reads it.

**The merge law**, tested in `tests/arrays/test_summaries.py`: `of(a ++ b) == of(a).merge(of(b))`; merging is
associative and independent of the order up to round-off. So batches, shards, devices and saved files are all treated
alike. State that merges is centred and float64: raw sums of x and x x' lose the variance of features far from zero.
"""

from divmetrics.arrays.summaries._class_tally import ClassTally
from divmetrics.arrays.summaries._failed import Failed, merged, summarised
from divmetrics.arrays.summaries._moments import Moments
from divmetrics.arrays.summaries._sample import Sample
from divmetrics.arrays.summaries._summary import Labelled, Rows, Summary, as_rows, check_finite, same_width
from divmetrics.arrays.summaries._unit_gram import UnitGram

__all__ = [
    "SUMMARIES",
    "ClassTally",
    "Failed",
    "Labelled",
    "Moments",
    "Rows",
    "Sample",
    "Summary",
    "UnitGram",
    "as_rows",
    "check_finite",
    "merged",
    "same_width",
    "summarised",
]

SUMMARIES: dict[str, type[Summary]] = {cls.__name__: cls for cls in (Rows, Moments, UnitGram, ClassTally, Sample)}
"""Name in a `.dms` file -> the summary."""
