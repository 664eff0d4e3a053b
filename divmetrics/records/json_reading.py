"""JSON from outside, read strictly: each value has the type that its record declares, or the place is named."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, TypeVar

R = TypeVar("R")


class DamagedRecord(ValueError):
    """JSON that is not what was written: malformed, a field of another type, a field missing. Never reaches users."""


def parse_json(text: str | bytes) -> Any:
    """The value that a JSON text stands for. NaN, infinite numbers, and integers of more than 64 bits are refused.

    Args:
        text: The text.

    Raises:
        DamagedRecord: The text is not JSON; the message gives line and column.

    Example:
        >>> parse_json('{"a": [1, 2.5]}')
        {'a': [1, 2.5]}
        >>> parse_json('{"a":\\n NaN}')
        Traceback (most recent call last):
        ...
        divmetrics.records.json_reading.DamagedRecord: line 2, column 2: invalid character
    """
    import msgspec

    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        value = msgspec.json.decode(content)
        _check_integers(value)
        return value
    except RecursionError:
        raise DamagedRecord("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise DamagedRecord("it is not UTF-8") from None
    except msgspec.DecodeError as error:
        if "surrogate" in str(error):
            return _with_foreign_names(content)
        raise DamagedRecord(_in_lines(str(error), content)) from None


def _with_foreign_names(content: bytes) -> Any:
    """As `parse_json`, where names of files are no UTF-8: Python holds and writes them as lone surrogates."""

    def refused(word: str) -> Any:
        raise DamagedRecord(f"{word} is no number that JSON holds")

    def finite(digits: str) -> float:
        return number if isfinite(number := float(digits)) else refused(digits)

    try:
        value = json.loads(content, parse_constant=refused, parse_float=finite)
        _check_integers(value)
        json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")
        return value
    except UnicodeEncodeError:
        raise DamagedRecord("it holds halves of characters that are in no name of a file") from None
    except json.JSONDecodeError as error:
        raise DamagedRecord(f"line {error.lineno}, column {error.colno}: {error.msg.lower()}") from None
    except (RecursionError, ValueError) as error:  # of an integer with thousands of digits
        raise (
            error if isinstance(error, DamagedRecord) else DamagedRecord("a number or its nesting is too large")
        ) from None


def record_from(record: type[R], entry: Any) -> R:
    """A frozen dataclass made from its JSON object, each field checked against its annotation.

    Args:
        record: The class. Fields with a default may be missing from the object.
        entry: The object, as `parse_json` gave it. Keys that a later version of the schema added are ignored.

    Raises:
        DamagedRecord: A field is missing or of another type; the message names it.

    Example:
        >>> from divmetrics.records.results import Skipped
        >>> record_from(Skipped, {"path": "a.png", "reason": 3})
        Traceback (most recent call last):
        ...
        divmetrics.records.json_reading.DamagedRecord: expected `str`, got `int` - at `.reason`
    """
    import msgspec

    try:
        return msgspec.convert(entry, record)
    except (msgspec.ValidationError, RecursionError) as error:
        message = str(error).replace("`$", "`")
        raise DamagedRecord(message[:1].lower() + message[1:]) from None


def entries_of(entry: Any, name: str) -> Mapping[str, Any]:
    """`entry`, which must be a JSON object. Raises DamagedRecord, which calls it `name`."""
    if not isinstance(entry, dict):
        raise DamagedRecord(f"{name} is no object")
    return entry


def _check_integers(value: Any) -> None:
    """Raise DamagedRecord for an integer of more than 64 bits, which no float can be made of."""
    if isinstance(value, int) and value.bit_length() > 64:
        raise DamagedRecord("an integer has more than 64 bits")
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_integers(child)


def _in_lines(message: str, content: bytes) -> str:
    """The message of the parser, with line and column in place of the number of the byte."""
    found = re.fullmatch(r"(?:JSON is malformed: )?(.*?) \(byte (\d+)\)", message, re.DOTALL)
    if not found:
        return message[:1].lower() + message[1:]
    before = content[: int(found[2])]
    return f"line {before.count(10) + 1}, column {len(before) - before.rfind(10)}: {found[1]}"
