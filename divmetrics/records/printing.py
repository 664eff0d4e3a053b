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
    """At most so many names, with commas between them, and how many more there are.

    Example:
        >>> listed(["a", "b", "c", "d"], 2), listed(["a", "b"], 2)
        ('a, b and 2 more', 'a, b')
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
