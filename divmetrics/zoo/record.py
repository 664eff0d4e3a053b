"""Recorded oracle numbers of the zoo's entries, and a check that their samples still give them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from divmetrics import zoo
from divmetrics.errors import Unavailable
from divmetrics.records.files import write_text
from divmetrics.records.generator import ZooModel
from divmetrics.zoo.oracle import Oracle, measure_generator
from divmetrics.zoo.targets import target

RECORD = Path(zoo.__file__).with_name("recorded.json")
"""Oracle numbers of entries that are not trained; those of trained entries are in the headers of their checkpoints."""
TOLERANCE: Mapping[str, tuple[float, float]] = {
    "modes_found": (1.0, 0.02),
    "mode_kl": (0.03, 0.1),
    "high_quality": (0.03, 0.0),
    "severity": (0.03, 0.0),
}
"""Number -> (absolute, relative) tolerance, of which the larger holds: round-off differs between machines."""
Numbers = Mapping[str, Any]
"""Oracle numbers by name, as `Oracle.to_json` gives them."""


@dataclass(frozen=True)
class CheckedEntry:
    """Outcome of sampling one entry again."""

    name: str
    state: str
    """`same`, `changed`, `new` (nothing was recorded) or `unavailable`."""
    found: Numbers | None
    """The numbers of the fresh samples; None where it is unavailable."""
    text: str
    """What changed, or why it is unavailable."""


def measure(model: ZooModel) -> Oracle:
    """Oracle numbers of fresh samples of `model` at its default options."""
    return measure_generator(target(model.target), model.function, model.copied, model.support)


def recorded(model: ZooModel) -> Numbers | None:
    """The recorded oracle numbers of `model`; None for an entry without a record. Nothing is sampled.

    Example:
        >>> from divmetrics.records.generator import ZOO
        >>> recorded(ZOO["ring-8"])["modes_found"]
        8
    """
    if model.checkpoint is not None:
        with safe_open(model.checkpoint, "numpy") as file:
            header = file.metadata() or {}
        numbers: Numbers | None = json.loads(header.get("oracle", "null"))
        return numbers
    return _record().get(model.name)


def check(models: Iterable[ZooModel]) -> Iterator[CheckedEntry]:
    """Sample each entry again and compare the oracle's numbers with the recorded ones."""
    for model in models:
        try:
            found = measure(model).to_json()
        except Unavailable as reason:
            yield CheckedEntry(model.name, "unavailable", None, str(reason))
            continue
        before = recorded(model)
        if before is None:
            yield CheckedEntry(model.name, "new", found, f"severity {found['severity']:.3f}, not recorded yet")
            continue
        changed = [name for name in TOLERANCE if not _close(name, before.get(name), found[name])]
        text = ", ".join(f"{name} {before.get(name)} -> {found[name]}" for name in changed)
        yield CheckedEntry(
            model.name, "changed" if changed else "same", found, text or f"severity {found['severity']:.3f}"
        )


def write_record(checked_entries: Iterable[CheckedEntry]) -> None:
    """Write the numbers of checked entries into the record; the caller leaves trained entries out."""
    fresh = {checked.name: checked.found for checked in checked_entries if checked.found is not None}
    whole = dict(sorted({**_record(), **fresh}.items()))
    write_text(RECORD, "{\n" + ",\n".join(f"{json.dumps(n)}: {json.dumps(v)}" for n, v in whole.items()) + "\n}\n")


def _record() -> dict[str, Numbers]:
    """The whole record: name of the entry -> oracle numbers."""
    entries: dict[str, Numbers] = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    return entries


def _close(name: str, before: float | None, after: float | None) -> bool:
    """Whether a number agrees with its recorded value within `TOLERANCE`."""
    if before is None or after is None:
        return before is after
    least, share = TOLERANCE[name]
    return abs(after - before) <= max(least, share * abs(before))
