"""The stub file of `divmetrics.metrics`, for type checkers. Remake it with `python -m divmetrics.metrics._stub`.

The names are found when the registry is loaded, which a type checker cannot follow; so `__init__.pyi` lists them, and a
test compares it with `stub()`. Metrics of plug-ins are not in it.
"""

from __future__ import annotations

from pathlib import Path

from divmetrics.records.files import write_text
from divmetrics.records.metric import METRICS

COMMAND = "python -m divmetrics.metrics._stub"
STUB = Path(__file__).with_name("__init__.pyi")


def stub() -> str:
    """The text of the stub file: every metric of this package as an attribute of type `Metric`."""
    own = [metric.name for metric in METRICS if metric.function.__module__.startswith("divmetrics.metrics.")]
    head = f"# Made from the registry of metrics; remake it with: {COMMAND}\n"
    return f"{head}from divmetrics.records.metric import Metric\n\n" + "".join(f"{name}: Metric\n" for name in own)


if __name__ == "__main__":
    write_text(STUB, stub())
