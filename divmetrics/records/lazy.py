"""Names whose module is imported when they are first used: exports of a package (PEP 562), and single functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_exports(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Functions that serve as `__getattr__` and `__dir__` of a package.

    Args:
        package: Name of the package, for the message of the AttributeError.
        homes: Public name -> module below `divmetrics` that defines it; a module stands under its own name.

    Returns:
        `__getattr__`, which raises AttributeError for any other name, and `__dir__`.

    Example:
        >>> get, names = lazy_exports("divmetrics", {"Report": "records.results"})
        >>> get("Report").__name__, names()
        ('Report', ['Report'])
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f"divmetrics.{homes[name]}")
        return module if homes[name] == name else getattr(module, name)

    return get, lambda: sorted(homes)


def late(name: str) -> Any:
    """A function of a room on a higher floor, imported when it is called for.

    Args:
        name: `MODULE:NAME`, the module below `divmetrics`.

    Example:
        >>> late("records.lazy:late").__name__
        'late'
    """
    module, _, attribute = name.partition(":")
    return getattr(import_module(f"divmetrics.{module}"), attribute)
