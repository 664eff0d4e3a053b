"""What is known of a set of samples before it is read: its size, classes and digest."""

from __future__ import annotations

from collections import Counter
from typing import Any

from divmetrics.records.results import Side
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.plan import SideName
from divmetrics.sources import Source, Stream


def outline_of(source: Source | Collected) -> Side:
    """What is known of a side before it is read: its size and its classes."""
    if isinstance(source, Collected):
        return source.side
    return Side(source.name, len(source), None, None if source.labels is None else Counter(source.labels))


def identity_of(side: SideName, source: Source | Stream | Collected) -> dict[str, Any]:
    """What must be the same on all ranks of a source that they share."""
    if isinstance(source, Stream):
        return {"side": side, "kind of source": "stream"}
    digest = source.side.digest if isinstance(source, Collected) else source.digest()
    return {
        "side": side,
        "kind of source": type(source).__name__,
        "samples": size_of(source),
        "digest": digest,
    }


def size_of(source: Source | Collected) -> int | None:
    """Number of samples; None where a file of statistics does not say."""
    return source.side.n if isinstance(source, Collected) else len(source)
