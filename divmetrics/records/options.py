"""Options of metrics, extractors and zoo models: keyword-only arguments of their functions, parsed and type-checked."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

from divmetrics.errors import UsageError


@dataclass(frozen=True)
class Option:
    """One keyword-only argument of a function, as the command line and the docs see it.

    Example:
        >>> Option("k", int, 5).parse("3")
        3
    """

    name: str
    type: Any
    """`int`, `float`, `bool`, `str`, a `Literal` of texts, or a union of those and None."""
    default: Any

    def parse(self, text: str) -> Any:
        """Read a value from the command line.

        Args:
            text: The value as users write it: `5`, `0.1`, `true`, `none`.

        Returns:
            The value in this option's type.

        Raises:
            UsageError: The text is not of that type.
        """
        for kind in typing.get_args(self.type) if _is_union(self.type) else (self.type,):
            try:
                value = _parse_as(kind, text)
            except ValueError:
                continue
            if (limits := out_of_reach(self.name, value)) is not None:
                raise UsageError(f"option {self.name}={shortened(text)} is out of reach; give {limits}.")
            return value
        raise UsageError(f"option {self.name}={shortened(text)!r} is not {_wanted(self.type)}.")

    def check(self, value: Any) -> Any:
        """Check a value that was given in Python; an int serves as a float. Raises UsageError as `parse` does."""
        return self.parse(value) if isinstance(value, str) else self.parse(str(value))


MOST, MOST_SEED = 2**31 - 1, 2**63 - 1
"""Largest whole numbers: of a count, which libraries keep in 32 bits, and of a seed."""
LEAST_SIZE, MOST_SIZE = 1e-100, 1e100
"""Size of numbers whose squares neither vanish nor overflow."""


def out_of_reach(name: str, value: Any) -> str | None:
    """What an option may be, where `value` is a number that no computation can use; else None.

    Args:
        name: Name of the option; seeds have limits of their own.
        value: A value of the option's type.

    Example:
        >>> out_of_reach("k", 5), out_of_reach("seed", -1)
        (None, 'a whole number from 0 to 9223372036854775807')
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, int):
        if name == "seed":
            return None if 0 <= value <= MOST_SEED else f"a whole number from 0 to {MOST_SEED}"
        return None if abs(value) <= MOST else f"a whole number of at most {MOST}"
    if math.isnan(value) or not (value == 0 or math.isinf(value) or LEAST_SIZE <= abs(value) <= MOST_SIZE):
        return f"0 or a number between {LEAST_SIZE:g} and {MOST_SIZE:g}"
    return None


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Raise UsageError where an argument is no whole number of at least `least`.

    Example:
        >>> check_count("num", 1.5)
        Traceback (most recent call last):
        ...
        divmetrics.errors.UsageError: num is 1.5; give a whole number of at least 1.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise UsageError(f"{name} is {shortened(repr(value))}; give a whole number of at least {least}.")


def shortened(text: str) -> str:
    """A text of users for a message: at most 60 characters of it."""
    return text if len(text) <= 60 else f"{text[:40]}...({len(text)} characters)"


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _parse_as(kind: Any, text: str) -> Any:
    if kind is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in words:
            raise ValueError(text)
        return words[text.lower()]
    if kind is type(None):
        if text.lower() != "none":
            raise ValueError(text)
        return None
    if typing.get_origin(kind) is Literal:
        if text not in typing.get_args(kind):
            raise ValueError(text)
        return text
    return kind(text)


def _wanted(kind: Any) -> str:
    if _is_union(kind):
        return " or ".join(_wanted(part) for part in typing.get_args(kind))
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(typing.get_args(kind))
    named = {int: "a whole number", float: "a number", bool: "true or false", type(None): "none", str: "a text"}
    return named.get(kind, str(kind))


def parse_query(text: str) -> tuple[str, dict[str, str]]:
    """Split `NAME?option=value&option=value` into the name and the options, which are not checked yet.

    Raises:
        UsageError: A part of the query has no equals sign.

    Example:
        >>> parse_query("pixels?size=32")
        ('pixels', {'size': '32'})
    """
    name, _, query = text.partition("?")
    given = {}
    for pair in filter(None, query.split("&")):
        option, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"{text!r}: {pair!r} is not an option; write {name}?option=value.")
        given[option] = value
    return name, given


def options_of(function: Callable[..., Any]) -> dict[str, Option]:
    """The keyword-only arguments of a function: name -> option, in their order."""
    hints = typing.get_type_hints(function)
    return {
        name: Option(name, hints.get(name, str), parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
