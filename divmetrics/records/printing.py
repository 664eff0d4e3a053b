"""`printable`, through which foreign text goes before it is shown or written, and `listed`, for long lists of names."""

from __future__ import annotations

from collections.abc import Sequence


def printable(text: str) -> str:
    r"""`text` with every control character escaped.

    Names of files and classes, and whatever a report of somebody else holds, must not control the terminal, break a
    line of a table, turn the direction of writing or make XML invalid.

    Example:
        >>> printable("a\nb\x1b[31m"), printable("naïve 猫 🎉")
        ('a\\nb\\x1b[31m', 'naïve 猫 🎉')
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def listed(names: Sequence[str], most: int) -> str:
    """At most so many names, with commas between them, and how many there are where some are left out.

    Names may be numbers, those of digits for example, so what is said of the rest must not look like one of them.

    Example:
        >>> listed(["a", "b"], 2), listed(["a", "b", "c"], 2), listed(["0", "1", "2", "3"], 2)
        ('a, b', 'a, b and another, 3 in all', '0, 1 and others, 4 in all')
    """
    left_out = len(names) - most
    rest = f" and {'another' if left_out == 1 else 'others'}, {len(names)} in all" if left_out > 0 else ""
    return ", ".join(names[:most]) + rest
