"""Metrics, one idea a file. `divmetrics.metrics.recall(real, fake, k=5)` works on any `[n, d]` arrays or tensors."""

from divmetrics.records.metric import METRICS, Metric


def __getattr__(name: str) -> Metric:
    if name.startswith("__"):
        raise AttributeError(name)
    return METRICS[name]


METRICS.load()
