"""Damage for files: bits, bytes and lengths of any format, and values, depth and types of JSON, TOML and csv."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
"""Values at the ends of the ranges of integers, which lengths and counts in headers may take."""
WORDS = (
    "NaN", "Infinity", "-Infinity", "nan", "inf", "-inf", "null", "true", "1e400", "-1e400", "-0.0", "5e-324", "0",
    "-1", "1" * 400,
    "0x10", "1_000", '""', '"\\u0000"', '"\\ud800"', "[]", "{}", "[[]]", "[" * 3000, "{\"a\":" * 3000,
    '"' + "x" * 100_000 + '"',
    "2026-01-31T12:00:00Z", '"\x1b[31m"', '"a\nb"', '"../../etc/passwd"', '"<script>alert(1)</script>"', '"|a|b|"',
    "'", '"', "#", "=", ",",
)  # fmt: skip
"""Tokens that replace a value in a text file."""
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, -(10**400), 0.5, -0.0, 1e308, 5e-324, float("nan"),
    float("inf"), float("-inf"),
    "", "x", "NaN", "1", "\x00", "\x1b[2J\x1b[31mred", "a\nb\r\nc", "ü" * 1000, "../../etc/passwd",
    "<script>alert(1)</script>",
    "|a|b|", "]]>", "'; --", [], {}, [None], [[[[]]]], {"a": {"b": []}}, [1, "2", None], "x" * 50_000, ["y"] * 2000,
)  # fmt: skip
"""Values that replace a node of a JSON document."""


def damaged(data: bytes, random: Random) -> bytes:
    """A copy of a file's content with one to four kinds of damage."""
    content = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        random.choice(_DAMAGE)(content, random)
    return bytes(content)


def _flip_bit(data: bytearray, random: Random) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _flip_bit_of_header(data: bytearray, random: Random) -> None:
    if data:
        data[random.randrange(min(len(data), 600))] ^= 1 << random.randrange(8)


def _flip_bit_of_end(data: bytearray, random: Random) -> None:
    if data:
        data[-1 - random.randrange(min(len(data), 200))] ^= 1 << random.randrange(8)


def _set_byte(data: bytearray, random: Random) -> None:
    if data:
        data[random.randrange(len(data))] = random.choice((0, 0x20, 0x7F, 0x80, 0xFF))


def _set_number(data: bytearray, random: Random) -> None:
    width = random.choice((1, 2, 4, 8))
    if len(data) >= width:
        number = random.choice(NUMBERS) & ((1 << 8 * width) - 1)
        start = random.randrange(len(data) - width + 1)
        data[start : start + width] = number.to_bytes(width, random.choice(("little", "big")))


def _cut(data: bytearray, random: Random) -> None:
    del data[random.randrange(len(data) + 1) :]


def _cut_at_block(data: bytearray, random: Random) -> None:
    del data[512 * random.randrange(len(data) // 512 + 1) :]


def _remove(data: bytearray, random: Random) -> None:
    start = random.randrange(len(data) + 1)
    del data[start : start + random.choice((1, 2, 16, 512))]


def _insert(data: bytearray, random: Random) -> None:
    start = random.randrange(len(data) + 1)
    data[start:start] = random.randbytes(random.choice((1, 2, 16, 512)))


def _repeat(data: bytearray, random: Random) -> None:
    start = random.randrange(len(data) + 1)
    data[start:start] = data[start : start + random.choice((1, 16, 512))] * random.choice((1, 3))


def _clear(data: bytearray, random: Random) -> None:
    start = random.randrange(len(data) + 1)
    data[start : start + 64] = bytes(len(data[start : start + 64]))


_DAMAGE: tuple[Callable[[bytearray, Random], None], ...] = (
    _flip_bit, _flip_bit, _flip_bit_of_header, _flip_bit_of_header, _flip_bit_of_end, _set_byte, _set_number,
    _set_number, _cut,
    _cut_at_block, _remove, _insert, _repeat, _clear,
)  # fmt: skip


def damaged_text(text: str, random: Random) -> bytes:
    """A copy of a text file in which tokens, lines or bytes are replaced, removed or repeated."""
    if random.random() < 0.3:
        return damaged(text.encode(), random)
    for _ in range(random.choice((1, 1, 2))):
        action = random.randrange(4)
        lines = text.splitlines(keepends=True) or [""]
        if action == 0:
            spots = [match.span() for match in re.finditer(r"[\w.+-]+|\"[^\"\n]*\"", text)] or [(0, 0)]
            start, end = random.choice(spots)
            text = text[:start] + random.choice(WORDS) + text[end:]
        elif action == 1:
            del lines[random.randrange(len(lines))]
            text = "".join(lines)
        elif action == 2:
            lines.insert(random.randrange(len(lines) + 1), random.choice(lines))
            text = "".join(lines)
        else:
            place = random.randrange(len(text) + 1)
            text = text[:place] + random.choice(WORDS) + text[place:]
    return text.encode("utf-8", "surrogatepass")


def damaged_json(text: str, random: Random) -> bytes:
    """A copy of a JSON document in which nodes are replaced, removed or renamed; sometimes damaged as text."""
    if random.random() < 0.25:
        return damaged_text(text, random)
    document = json.loads(text)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = [place for place in _places(document) if place]
        if not places:
            break
        *way, last = random.choice(places)
        node = document
        for step in way:
            node = node[step]
        action = random.random()
        if action < 0.65:
            node[last] = deepcopy(random.choice(VALUES))
        elif action < 0.85:
            del node[last]
        elif isinstance(node, dict):
            node[random.choice(("x", "", "\x1b[31m", "value", str(last) * 2))] = node.pop(last)
        else:
            node.insert(last, deepcopy(node[last]))
    return json.dumps(document).encode()


def _places(node: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each node of a JSON document."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [way, *(place for key, child in children for place in _places(child, (*way, key)))]
