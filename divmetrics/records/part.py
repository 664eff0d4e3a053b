"""`Part`: base of the registered records (metrics, extractors, zoo models), and the page that each of them has."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from math import isinf
from typing import Any, TypeVar

from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.options import Option, options_of

T = TypeVar("T")


def undeclared(*_: Any, **__: Any) -> Any:
    """Placeholder for the function of a record until a decorator sets it."""
    raise TypeError("this record has no function; declare it with its decorator.")


class _OfInstance:
    """Attribute that differs between a class and its instances, such as `__doc__`."""

    def __init__(self, on_class: str | None, on_instance: Callable[[Any], Any]) -> None:
        self._on_class = on_class
        self._on_instance = on_instance

    def __get__(self, instance: object, owner: type) -> Any:
        if instance is not None:
            return self._on_instance(instance)
        if self._on_class is None:
            raise AttributeError("only instances have this attribute")
        return self._on_class


class Part:
    """A named function with options: names checked, values parsed, defaults filled in.

    `help(part)` and `divmetrics list KIND NAME` show its `page`; `inspect.signature(part)` is that of its function.

    Example:
        >>> from divmetrics.records.metric import METRICS
        >>> METRICS["kid"].options["degree"].default
        3
        >>> METRICS["recall"].resolve({"k": "3"})["k"]
        3
    """

    name: str
    function: Callable[..., Any]
    __signature__ = _OfInstance(None, lambda part: inspect.signature(part.function))

    def __init_subclass__(cls) -> None:
        """Give instances their own page as `__doc__`; the class keeps its docstring."""
        text = cls.__doc__
        cls.__doc__ = _OfInstance(text, lambda part: part.page)  # type: ignore[assignment]

    @property
    def options(self) -> dict[str, Option]:
        """Name -> option, in the order of the function's arguments."""
        return options_of(self.function)

    @property
    def description(self) -> str:
        """The docstring of the function, without its indentation."""
        return inspect.getdoc(self.function) or ""

    @property
    def summary(self) -> str:
        """First paragraph of the docstring on one line."""
        return " ".join(self.description.split("\n\n")[0].split())

    @property
    def facts(self) -> Mapping[str, str]:
        """Lines of the page below the docstring: heading -> text."""
        return {}

    @property
    def page(self) -> str:
        """All that users may want to know, as text: signature, docstring, facts."""
        facts = "\n".join(f"{name}: {text}" for name, text in self.facts.items() if text)
        return "\n\n".join(filter(None, [repr(self), self.description, facts])) + "\n"

    def __repr__(self) -> str:
        """`recall(real, fake, *, k: int = 5)`."""
        parameters = inspect.signature(self.function).parameters.values()
        given = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        options = [f"{o.name}: {inspect.formatannotation(o.type)} = {o.default!r}" for o in self.options.values()]
        return f"{self.name}({', '.join([*given, *(['*'] if options else []), *options])})"

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All options with their values: `given` checked and parsed, the rest at their defaults.

        Args:
            given: Name -> value, as text or of the option's type.

        Raises:
            UnknownName: There is no such option.
            UsageError: A value is not of the option's type.
        """
        options = self.options
        for name in given:
            if name not in options:
                raise UnknownName.of(f"option of {self.name}", name, options)
        try:
            return {name: o.check(given[name]) if name in given else o.default for name, o in options.items()}
        except UsageError as error:
            raise error.within(self.name) from None


def range_text(low: float | None, high: float | None) -> str:
    """A range as pages show it, `0 to inf`; None is unbounded.

    Example:
        >>> range_text(0, None)
        '0 to inf'
    """
    below = "-inf" if low is None or isinf(low) else f"{low:g}"
    return f"{below} to {'inf' if high is None or isinf(high) else f'{high:g}'}"
