"""`printable`: the one function through which foreign text goes before it is shown or written."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""`text` with every control character escaped.

    Names of files and classes, and whatever a report of somebody else holds, must not control the terminal, break a
    line of a table, turn the direction of writing or make XML invalid.

    Example:
        >>> printable("a\nb\x1b[31m"), printable("naïve 猫 🎉")
        ('a\\nb\\x1b[31m', 'naïve 猫 🎉')
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
