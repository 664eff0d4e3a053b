"""What is known of a set of samples before it is read: its size, classes and digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from divmetrics.errors import SourceError, UsageError
from divmetrics.records.results import Side
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.collector import Collector
from divmetrics.scoring.plan import FEATURES, SideName
from divmetrics.scoring.task_inputs import inventory
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


def layers_of(collected: Collected, wanted: Iterable[str]) -> dict[str, Any]:
    """Extractor -> layers of samples that were collected before.

    Raises:
        SourceError: They were extracted without one of the extractors that are `wanted`.
    """
    found = inventory(collected)
    if FEATURES not in found and (absent := [name for name in wanted if name not in found]):
        there = ", ".join(collected.encoders)
        raise SourceError(
            f"{collected.side.source} was extracted with {there}, not with {', '.join(absent)}; "
            f"choose --extractor {there} or extract it again."
        )
    return found


def holds_features(source: Source | Stream | Collected) -> bool | None:
    """Whether samples are features, not images; None where that is not known."""
    if isinstance(source, Collected):
        return FEATURES in source.encoders if source.encoders else None
    return source.kind == "features"


def check_kinds(sources: Mapping[SideName, Source | Stream | Collected]) -> None:
    """Raise SourceError unless all sides hold features, or none does."""
    _check_same({side: holds_features(source) for side, source in sources.items()})


def check_kind(side: SideName, source: Source | Stream | Collected, held: Mapping[SideName, Collector]) -> None:
    """Raise SourceError where features come to images, or images to features, on the same side or on another.

    Args:
        side: Where the samples are to go.
        source: The samples.
        held: What is there.

    Raises UsageError where the samples were not opened.
    """
    if not isinstance(source, (Source, Stream, Collected)):
        raise UsageError(
            f"take wants samples that were opened, not a {type(source).__name__}; give "
            "divmetrics.sources.open_source(...) or dm.Collected.load(...), or add them with add."
        )
    before, features = held[side].features, holds_features(source)
    if None not in (before, features) and before != features:
        here, given = ("images", "features") if features else ("features", "images")
        raise SourceError(f"{side} holds {here} already, and these are {given}; give one kind on a side.")
    if features is not None:
        _check_same({**{name: collector.features for name, collector in held.items()}, side: features})


def _check_same(features: Mapping[SideName, bool | None]) -> None:
    held = {side: "features" if given else "images" for side, given in features.items() if given is not None}
    if len(set(held.values())) > 1:
        raise SourceError(
            f"{' and '.join(f'{side} holds {kind}' for side, kind in held.items())}, which cannot be compared; give "
            "images on all sides, or features of one network on all."
        )
