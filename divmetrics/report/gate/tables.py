"""The tables of a rule file: read key by key, and every mistake named by its file, line and table."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from divmetrics.errors import UnknownName, UsageError

MOST = sys.float_info.max
MOST_TRIED, LONGEST = 200, 50
"""Lines that are tried when the line of a key is looked for, and lines of one value."""


@dataclass(frozen=True)
class Table:
    """A table of a rule file, or of a mapping that stands for one.

    Example:
        >>> text = '[gate]\\nseed = 1\\n[gate.rules.fid]\\nmax = "low"\\n'
        >>> gate = Table(tomllib.loads(text), "rules.toml", text=text).table("gate")
        >>> gate.table("rules").table("fid").number("max")
        Traceback (most recent call last):
        divmetrics.errors.UsageError: rules.toml, line 4: [gate.rules.fid]: max = 'low' is not a number, such as 0.4.
    """

    content: Mapping[str, Any]
    file: str
    """What messages call the file."""
    keys: tuple[str, ...] = ()
    """The keys that lead to this table."""
    text: str = ""
    """The file, in which lines are looked for; empty where the rules come from no file."""

    def place(self, key: str | None = None) -> str:
        """Where a key, or the table itself, stands: `divmetrics.toml, line 4: [gate.rules.fid]`."""
        line = line_of(self.text, (*self.keys, *([] if key is None else [key])))
        header = f": [{'.'.join(self.keys)}]" if self.keys else ""
        return f"{self.file}{f', line {line}' if line else ''}{header}"

    def mistake(self, text: str, key: str | None = None) -> UsageError:
        """The error of a mistake in this table, at the key."""
        return UsageError(f"{self.place(key)}: {text}")

    def table(self, key: str) -> Self:
        """The table under a key, empty where the key is absent. Raises UsageError where it is no table."""
        value = self.content.get(key, {})
        keys = (*self.keys, key)
        if not isinstance(value, dict):
            place = replace(self, keys=()).place() if not self.keys else self.place(key).rpartition(": ")[0]
            raise UsageError(f"{place}: {'.'.join(keys)} must be a table, not {value!r:.40}.")
        return replace(self, content=value, keys=keys)

    def check_keys(self, known: Iterable[str]) -> None:
        """Raise UnknownName for a key that is not in `known`."""
        names = list(known)
        for key in self.content:
            if key not in names:
                raise UnknownName.of("key", key, names).within(self.place(key))

    def number(self, key: str) -> float | None:
        """A finite number; None where the key is absent."""
        if key not in self.content:
            return None
        value = self.content[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= MOST:
            raise self.mistake(f"{key} = {value!r:.40} is not a number, such as 0.4.", key)
        return float(value)

    def string(self, key: str) -> str | None:
        """A text that is not empty; None where the key is absent."""
        value = self.content.get(key)
        if value is not None and (not isinstance(value, str) or not value):
            raise self.mistake(f"{key} = {value!r:.40} is not a text, in quotes.", key)
        return value

    def switch(self, key: str) -> bool:
        """A truth value; False where the key is absent."""
        value = self.content.get(key, False)
        if not isinstance(value, bool):
            raise self.mistake(f"{key} = {value!r:.40} is neither true nor false.", key)
        return value

    def choice(self, key: str, known: Iterable[str]) -> str | None:
        """One of the texts in `known`; None where the key is absent."""
        value, names = self.string(key), list(known)
        if value is not None and value not in names:
            raise UnknownName.of(key, value, names).within(self.place(key))
        return value

    def names(self, key: str) -> tuple[str, ...]:
        """Names in a text, separated by commas, or in a list of texts; none where the key is absent."""
        value = self.content.get(key, ())
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) and name.strip() for name in names):
            raise self.mistake(f"{key} = {value!r:.40} is neither a text nor a list of texts.", key)
        return tuple(name.strip() for name in names)


def line_of(text: str, keys: tuple[str, ...]) -> int | None:
    r"""The line of a TOML file, from 1, in which a key or table first stands; None where it cannot be told.

    The parser of the standard library does not say. So beginnings of the file are parsed that end after a line which
    holds the key's text: the first after which the key is there.

    Example:
        >>> line_of('[gate]\nseed = 1\n\n[gate.rules.fid]\nmax = 3\n', ("gate", "rules", "fid", "max"))
        5
    """
    lines = text.split("\n")
    candidates = [place for place, line in enumerate(lines) if keys and keys[-1] in line]
    for place in candidates[:MOST_TRIED]:
        for end in range(place + 1, min(len(lines), place + LONGEST) + 1):
            try:
                whole = tomllib.loads("\n".join(lines[:end]))
            except (tomllib.TOMLDecodeError, RecursionError, ValueError):
                continue  # amid a value of several lines
            if _holds(whole, keys):
                return place + 1
            break
    return None


def _holds(whole: Any, keys: tuple[str, ...]) -> bool:
    """Whether a key is there."""
    for key in keys:
        if not isinstance(whole, dict) or key not in whole:
            return False
        whole = whole[key]
    return True
