"""OpenVINO, loaded so that it reports nothing to its maker, and one `Core` of it for the process."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_NAME = "openvino_telemetry"
_lock = threading.Lock()
_inside = 0
_before: ModuleType | None = None


@contextmanager
def openvino_silent() -> Iterator[None]:
    """Import and convert inside, and OpenVINO reports nothing to Intel, which by default it does, and leaves no id.

    The first of several threads hides the module that reports, the last puts it back.
    """
    global _inside, _before
    with _lock:
        if _inside == 0:
            _before = sys.modules.get(_NAME)
            sys.modules[_NAME] = None  # type: ignore[assignment]  # importing it now fails, as if not installed
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                del sys.modules[_NAME]
                if _before is not None:
                    sys.modules[_NAME] = _before


_cores: list[Any] = []


def core() -> Any:
    """The `openvino.Core` of this process, which is never freed.

    A core that has loaded the CPU plug-in replaces the signal stack of its thread (`sigaltstack`), and puts the former
    one back when it is freed; of two that are freed in the order they were made, the second puts back a stack that is
    gone, and the next signal, such as that of a worker that ends, kills the process.
    """
    with openvino_silent(), _lock:
        if not _cores:
            import openvino

            _cores.append(openvino.Core())
        return _cores[0]
