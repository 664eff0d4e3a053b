"""No library that divmetrics runs reports to its maker."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def openvino_silent() -> Iterator[None]:
    """Import and convert inside, and OpenVINO reports nothing to Intel, which by default it does, and leaves no id."""
    before: ModuleType | None = sys.modules.get("openvino_telemetry")
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # importing it now fails, as if not installed
    try:
        yield
    finally:
        if before is None:
            del sys.modules["openvino_telemetry"]
        else:
            sys.modules["openvino_telemetry"] = before
