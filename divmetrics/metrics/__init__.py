"""Metrics, one a file, in families. `divmetrics.metrics.recall(real, fake, k=5)` takes `[n, d]` arrays or tensors."""

from divmetrics.errors import UnknownName
from divmetrics.records.metric import METRICS, Metric


def __getattr__(name: str) -> Metric:
    if name.startswith("__"):
        raise AttributeError(name)
    try:
        return METRICS[name]
    except UnknownName as error:
        raise AttributeError(str(error)) from None


def __dir__() -> list[str]:
    return [metric.name for metric in METRICS]
