"""`SavedRecord`: what reports and comparisons share as JSON files: their schema, reading, writing, entries of `meta`.

Neither torch nor numpy is imported, so that a saved report is read at once, on any machine.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

from divmetrics._version import __version__
from divmetrics.errors import UsageError
from divmetrics.records.files import read_text, write_text
from divmetrics.records.json_reading import DamagedRecord, parse_json


class SavedRecord(ABC):
    """A frozen dataclass that is one JSON file."""

    SCHEMA: ClassVar[str]
    """Name and number of the schema, `divmetrics.report/1`."""
    NOUN: ClassVar[str]
    """What messages call it."""
    COMMAND: ClassVar[str]
    """What writes such a file."""

    meta: Mapping[str, Any]
    to_json: Callable[[], str]

    @classmethod
    @abstractmethod
    def from_object(cls, whole: Mapping[str, Any]) -> Self:
        """The record that a JSON object of this schema stands for. Raises DamagedRecord, which names the place."""

    @classmethod
    def from_json(cls, text: str, name: str | None = None) -> Self:
        """Read it back from the text that `to_json` gave.

        Args:
            text: JSON text.
            name: What messages call it, such as the path of its file.

        Raises:
            UsageError: The text is not JSON, or of another schema, or damaged.
        """
        name, again = name or cls.NOUN, f"make it again with {cls.COMMAND}"
        try:
            whole = parse_json(text)
        except DamagedRecord as error:
            raise UsageError(f"{name} is not JSON ({error}); {again}.") from None
        schema = whole.get("schema") if isinstance(whole, dict) else None
        if schema != cls.SCHEMA:
            if cls.is_newer(schema):
                raise UsageError(
                    f"{name} has schema {schema!r} of a newer divmetrics; this one ({__version__}) reads "
                    f"{cls.SCHEMA!r}: upgrade it, or make the {cls.NOUN} again with this version."
                )
            raise UsageError(f"{name} has schema {schema!r}, wanted {cls.SCHEMA!r}; {again}.")
        try:
            return cls.from_object(whole)
        except DamagedRecord as error:
            raise UsageError(f"{name} is damaged: {error}; {again}.") from None

    @classmethod
    def is_newer(cls, schema: Any) -> bool:
        """Whether a schema is this one with a higher number."""
        name, _, number = schema.rpartition("/") if isinstance(schema, str) else ("", "", "")
        own, _, mine = cls.SCHEMA.rpartition("/")
        return name == own and number.isdecimal() and len(number) < 10 and int(number) > int(mine)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read it from a JSON file.

        Args:
            path: The file, as `save` or a command with `--json` wrote it.

        Raises:
            UsageError: The file is missing, or holds something else.
        """
        return cls.from_json(read_text(path, cls.NOUN), str(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a JSON file, whole or not at all.

        Args:
            path: The file; one that exists is replaced.

        Raises:
            UsageError: The file cannot be written.
        """
        write_text(path, self.to_json())

    def with_meta(self, **meta: Any) -> Self:
        """A copy with entries added to `meta`."""
        changed: Self = replace(self, meta={**self.meta, **meta})  # type: ignore[type-var]  # subclasses are dataclasses
        return changed
