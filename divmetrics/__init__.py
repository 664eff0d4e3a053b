"""divmetrics: is a generator diverse, or has it collapsed?

```python
import divmetrics as dm

report = dm.score("real/", "fake/", metrics=["fid", "recall", "vendi"])
report["recall"].value
dm.metrics.recall(real_features, fake_features, k=5)  # any [n, d] arrays
```

Importing this package loads neither torch nor weights; each name below is fetched when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from divmetrics._version import __version__

if TYPE_CHECKING:
    from divmetrics import metrics
    from divmetrics.errors import DivmetricsError
    from divmetrics.records.results import Report, Result, Signature
    from divmetrics.scoring.meter import Meter
    from divmetrics.scoring.score import score

__all__ = ["DivmetricsError", "Meter", "Report", "Result", "Signature", "__version__", "metrics", "score"]

_HOMES = {
    "DivmetricsError": "errors",
    "Meter": "scoring.meter",
    "Report": "records.results",
    "Result": "records.results",
    "Signature": "records.results",
    "score": "scoring.score",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"divmetrics.{_HOMES[name]}"), name)
    if name == "metrics":
        return import_module("divmetrics.metrics")
    raise AttributeError(f"module 'divmetrics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
