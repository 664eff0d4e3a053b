"""Named records of one kind, found by walking the folder of their leaves and the plug-ins."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from divmetrics.errors import UnknownName, UsageError


class Named(Protocol):
    """Anything with a name to be found by."""

    @property
    def name(self) -> str:
        """What it is called."""


T = TypeVar("T", bound=Named)
P = ParamSpec("P")


class Registry(Generic[T]):
    """Named records of one kind. The folder that holds the leaves is walked on the first look-up, then the plug-ins."""

    def __init__(self, kind: str, folder: str) -> None:
        self.kind = kind
        self._folder = folder
        self._records: dict[str, T] = {}
        self._loaded = False

    def add(self, record: T) -> None:
        """Take in a record. Raises UsageError where the name is taken."""
        if record.name in self._records:
            raise UsageError(f"two {self.kind}s are called {record.name!r}; rename one.")
        self._records[record.name] = record

    def __getitem__(self, name: str) -> T:
        self.load()
        if name not in self._records:
            raise UnknownName.of(self.kind, name, self._records)
        return self._records[name]

    def __iter__(self) -> Iterator[T]:
        """All records, by name."""
        self.load()
        return iter([self._records[name] for name in sorted(self._records)])

    def __contains__(self, name: str) -> bool:
        self.load()
        return name in self._records

    def load(self) -> None:
        """Import every leaf of the folder, then the plug-ins, once; `divmetrics.metrics.fid` is then the record."""
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self._folder)
        for module in pkgutil.walk_packages(package.__path__, prefix=f"{self._folder}."):
            if not module.name.rpartition(".")[2].startswith("_"):
                importlib.import_module(module.name)
        load_plugins()
        for name, record in self._records.items():
            setattr(package, name, record)  # the import left the module of the same name there


@cache
def load_plugins() -> None:
    """Import the entry points of the group `divmetrics` once; a broken one is a warning that names its distribution."""
    for entry in entry_points(group="divmetrics"):
        try:
            entry.load()
        except Exception as error:  # a stranger's import may fail in any way; ours must go on
            owner = entry.dist.name if entry.dist else "an unknown distribution"
            warnings.warn(f"plug-in {entry.name!r} of {owner} was not loaded: {error!r}", stacklevel=2)


def declares(record: Callable[P, T], registry: Registry[T]) -> Callable[P, Callable[[Callable[..., Any]], T]]:
    """Decorator that turns a function into a `record` in `registry`; it takes the record's other fields."""

    def decorator(*fields: P.args, **named: P.kwargs) -> Callable[[Callable[..., Any]], T]:
        def declare(function: Callable[..., Any]) -> T:
            made: T = replace(record(*fields, **named), function=function)  # type: ignore[type-var]
            registry.add(made)
            return made

        return declare

    return decorator
