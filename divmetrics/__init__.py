"""divmetrics: is a generator diverse, or has it collapsed?

```python
import divmetrics as dm

report = dm.score("real/", "fake/", metrics=["fid", "recall", "vendi"])
report["recall"].value
dm.metrics.recall(real_features, fake_features, k=5)  # any [n, d] arrays
```

Importing this package loads neither torch nor weights; each name below is imported when it is first used. What
third parties build metrics and extractors from is in `divmetrics.plugins`.
"""

from typing import TYPE_CHECKING

from divmetrics._version import __version__
from divmetrics.records.lazy import lazy_exports as _lazy_exports

if TYPE_CHECKING:
    from divmetrics import metrics
    from divmetrics.encoders import Encoder
    from divmetrics.errors import (
        DivmetricsError,
        FeatureError,
        ForeignError,
        MeasureError,
        MissingLayer,
        SourceError,
        TooFewSamples,
        Unavailable,
        UnknownName,
        UsageError,
    )
    from divmetrics.records.comparison import Comparison
    from divmetrics.records.extractor import extractor
    from divmetrics.records.metric import metric
    from divmetrics.records.results import Report, Result
    from divmetrics.records.signature import Signature
    from divmetrics.scoring.collected import Collected
    from divmetrics.scoring.compare import compare
    from divmetrics.scoring.gate import gate
    from divmetrics.scoring.meter import Meter
    from divmetrics.scoring.score import extract, score

__all__ = [
    "Collected",
    "Comparison",
    "DivmetricsError",
    "Encoder",
    "FeatureError",
    "ForeignError",
    "MeasureError",
    "Meter",
    "MissingLayer",
    "Report",
    "Result",
    "Signature",
    "SourceError",
    "TooFewSamples",
    "Unavailable",
    "UnknownName",
    "UsageError",
    "__version__",
    "compare",
    "extract",
    "extractor",
    "gate",
    "metric",
    "metrics",
    "score",
]

_HOMES = {
    "Collected": "scoring.collected",
    "Comparison": "records.comparison",
    "DivmetricsError": "errors",
    "Encoder": "encoders",
    "FeatureError": "errors",
    "ForeignError": "errors",
    "MeasureError": "errors",
    "Meter": "scoring.meter",
    "MissingLayer": "errors",
    "Report": "records.results",
    "Result": "records.results",
    "Signature": "records.signature",
    "SourceError": "errors",
    "TooFewSamples": "errors",
    "Unavailable": "errors",
    "UnknownName": "errors",
    "UsageError": "errors",
    "__version__": "_version",
    "compare": "scoring.compare",
    "extract": "scoring.score",
    "extractor": "records.extractor",
    "gate": "scoring.gate",
    "metric": "records.metric",
    "metrics": "metrics",
    "score": "scoring.score",
}

if not TYPE_CHECKING:  # for a type checker a name that is not listed here is an error
    __getattr__, __dir__ = _lazy_exports(__name__, _HOMES)
