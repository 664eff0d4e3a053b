"""The one import for metrics, extractors and zoo models of third parties: `from divmetrics.plugins import metric`.

| to declare | names |
|---|---|
| a metric | `metric`, `Measured`; what it reads: `Rows`, `Labelled`, `Moments`, `UnitGram`, `ClassTally`, `Need` |
| what is known of it | `Laws`, `About`, `UncertaintySpec`, `Variance`, `Interval`, `Null` |
| its uncertainty | `OneSamplePool`, `TwoSamplePool`, `HeldOutPool`, `Splits`; `once` keeps what several metrics share |
| an extractor | `extractor`, `Encoder`; `encoder_of` makes one of a network |
| its images, its weights | `Native`, `Bicubic`, `PillowTransform`; `read_state`, `state_digest` |
| a generator of the zoo | `zoo_model` |
| errors | `UsageError`, `UnknownName`, `MeasureError`, `FeatureError`, `TooFewSamples`, `MissingLayer`, `Unavailable` |
| what others raise | `ForeignError` |

```python
from divmetrics.plugins import Laws, Rows, metric


@metric("mean_gap", real=Rows.on("pooled"), fake=Rows.on("pooled"), better="lower", laws=Laws(range=(0, 9e9)), cite="")
def mean_gap(real: Rows, fake: Rows, *, order: float = 2.0) -> float:
    'Distance of the means of both sides in the norm of this order; >= 0, lower is better.'
    return float((real.features.mean(0) - fake.features.mean(0)).norm(order))
```

A module is imported when one of its names is first used, so that declaring an extractor loads no torch.
"""

from typing import TYPE_CHECKING

from divmetrics.records.lazy import lazy_exports as _lazy_exports

if TYPE_CHECKING:
    from divmetrics.arrays.memo import once
    from divmetrics.arrays.splits import HeldOutPool, OneSamplePool, Splits, TwoSamplePool
    from divmetrics.arrays.summaries import ClassTally, Labelled, Moments, Rows, UnitGram
    from divmetrics.encoders import Encoder
    from divmetrics.encoders._preparing import Bicubic, Native, PillowTransform
    from divmetrics.encoders._state_dicts import read_state, state_digest
    from divmetrics.encoders.python_object import encoder_of
    from divmetrics.errors import (
        FeatureError,
        ForeignError,
        MeasureError,
        MissingLayer,
        TooFewSamples,
        Unavailable,
        UnknownName,
        UsageError,
    )
    from divmetrics.records.extractor import extractor
    from divmetrics.records.generator import zoo_model
    from divmetrics.records.metric import (
        About,
        Interval,
        Laws,
        Measured,
        Need,
        Null,
        UncertaintySpec,
        Variance,
        metric,
    )

__all__ = [
    "About",
    "Bicubic",
    "ClassTally",
    "Encoder",
    "FeatureError",
    "ForeignError",
    "HeldOutPool",
    "Interval",
    "Labelled",
    "Laws",
    "MeasureError",
    "Measured",
    "MissingLayer",
    "Moments",
    "Native",
    "Need",
    "Null",
    "OneSamplePool",
    "PillowTransform",
    "Rows",
    "Splits",
    "TooFewSamples",
    "TwoSamplePool",
    "Unavailable",
    "UncertaintySpec",
    "UnitGram",
    "UnknownName",
    "UsageError",
    "Variance",
    "encoder_of",
    "extractor",
    "metric",
    "once",
    "read_state",
    "state_digest",
    "zoo_model",
]

_HOMES = {
    **dict.fromkeys(["About", "Interval", "Laws", "Measured", "Need", "Null"], "records.metric"),
    **dict.fromkeys(["UncertaintySpec", "Variance", "metric"], "records.metric"),
    **dict.fromkeys(["FeatureError", "MeasureError", "MissingLayer", "TooFewSamples"], "errors"),
    **dict.fromkeys(["ForeignError", "Unavailable", "UnknownName", "UsageError"], "errors"),
    **dict.fromkeys(["ClassTally", "Labelled", "Moments", "Rows", "UnitGram"], "arrays.summaries"),
    **dict.fromkeys(["HeldOutPool", "OneSamplePool", "Splits", "TwoSamplePool"], "arrays.splits"),
    **dict.fromkeys(["Bicubic", "Native", "PillowTransform"], "encoders._preparing"),
    **dict.fromkeys(["read_state", "state_digest"], "encoders._state_dicts"),
    "Encoder": "encoders",
    "encoder_of": "encoders.python_object",
    "extractor": "records.extractor",
    "once": "arrays.memo",
    "zoo_model": "records.generator",
}

if not TYPE_CHECKING:  # for a type checker a name that is not listed here is an error
    __getattr__, __dir__ = _lazy_exports(__name__, _HOMES)
