"""Registries of named records: metrics, extractors and zoo entries, imported from their folders and from plug-ins."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar

from divmetrics.errors import DivmetricsError, UnknownName, UsageError
from divmetrics.records.foreign import foreign

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """The name it is looked up by."""


T = TypeVar("T", bound=Named)
P = ParamSpec("P")


_LOADING = RLock()
"""Held while parts are imported; one for all registries, since a part may look up another kind while it is imported."""


class Registry(Generic[T]):
    """Named records of one kind, imported on the first look-up; safe to use from several threads.

    Args:
        kind: What messages call a record: `metric`.
        folder: Package whose public modules declare the records: `divmetrics.metrics`.

    Example:
        >>> from divmetrics.records.metric import METRICS
        >>> METRICS["fid"].better
        'lower'
        >>> "fid" in METRICS
        True
    """

    def __init__(self, kind: str, folder: str) -> None:
        self.kind = kind
        self._folder = folder
        self._records: dict[str, T] = {}
        self._loading = self._loaded = False

    def add(self, record: T) -> None:
        """Add a record. Raises UsageError where the name is taken."""
        if record.name in self._records:  # without the lock: another thread may hold it and wait for this import
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

    def has(self, record: T) -> bool:
        """Whether `record` itself, and no copy of it, is the one that its name stands for."""
        return self._records.get(record.name) is record

    def load(self) -> None:
        """Import every public module of the folder, then the plug-ins, once.

        Other threads wait until all records are there. A module that looks up records while it is being imported gets
        those that were declared before it.
        """
        if self._loaded:
            return
        with _LOADING:
            if self._loaded or self._loading:
                return
            self._loading = True
            try:
                self._import_folder()
                load_plugins()
                self._loaded = True  # last: a thread that reads the flag without the lock finds every record
            finally:
                self._loading = False

    def _import_folder(self) -> None:
        package = importlib.import_module(self._folder)
        for module in pkgutil.walk_packages(package.__path__, prefix=f"{self._folder}."):
            if not module.name.rpartition(".")[2].startswith("_"):
                importlib.import_module(module.name)


def load_plugins() -> None:
    """Import the entry points of the group `divmetrics` once; a broken one is a warning that names its distribution."""
    with _LOADING:
        for entry in _plugins():
            owner = entry.dist.name if entry.dist else "an unknown distribution"
            try:
                with foreign("its code", f"mend or uninstall {owner}"):
                    entry.load()
            except DivmetricsError as error:  # a plug-in may fail in any way, and everything else goes on
                warnings.warn(f"plug-in {entry.name!r} of {owner} was not loaded: {error}", stacklevel=2)


@cache
def _plugins() -> Iterator[EntryPoint]:
    """The entry points that have not been imported yet: one iterator for the whole process."""
    from importlib.metadata import entry_points  # a tenth of the time of `divmetrics --help`, which needs no plug-in

    return iter(entry_points(group="divmetrics"))


def declares(record: Callable[P, T], registry: Registry[T]) -> Callable[P, Callable[[Callable[..., Any]], T]]:
    """Make the decorator that turns a function into a record and registers it.

    Args:
        record: Class of the records; the decorator takes its fields, all but `function`.
        registry: Where the records go.

    Returns:
        The decorator, as `@metric("fid", better="lower", ...)`; the decorated name is then the record.
    """

    def decorator(*fields: P.args, **named: P.kwargs) -> Callable[[Callable[..., Any]], T]:
        def declare(function: Callable[..., Any]) -> T:
            made: T = replace(record(*fields, **named), function=function)  # type: ignore[type-var]
            registry.add(made)
            return made

        return declare

    given = inspect.signature(record)
    parameters = [parameter for parameter in given.parameters.values() if parameter.name != "function"]
    decorator.__signature__ = given.replace(parameters=parameters)  # type: ignore[attr-defined]
    decorator.__name__ = decorator.__qualname__ = registry.kind.replace(" ", "_")
    decorator.__doc__ = _DECORATOR.format(kind=registry.kind, record=record.__name__)
    return decorator


_DECORATOR = """Decorator that declares a {kind}: it turns a function into a `{record}` and registers it.

Args:
    name: What users call it.
    **fields: The other fields of `{record}`, all but `function`; `help(divmetrics.plugins)` has an example.

Returns:
    The decorator; the decorated name is then the record, which is called like the function.

Raises:
    UsageError: The name is taken.
"""
