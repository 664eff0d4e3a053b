"""What is known of the zoo's entries: the oracle's numbers as recorded, and whether their samples still give them."""

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
from divmetrics.zoo.oracle import Oracle, examine
from divmetrics.zoo.targets import target

RECORD = Path(zoo.__file__).with_name("recorded.json")
"""Oracle numbers of the entries that are not trained; those of trained ones are in the headers of their checkpoints."""
TOLERANCE: Mapping[str, tuple[float, float]] = {
    "modes_found": (1.0, 0.02),
    "mode_kl": (0.03, 0.1),
    "high_quality": (0.03, 0.0),
    "severity": (0.03, 0.0),
}
"""Number -> how far it may move: at least so much, or that share of itself. Round-off differs between machines."""
Numbers = Mapping[str, Any]


@dataclass(frozen=True)
class Checked:
    """One entry looked at again."""

    name: str
    state: str
    """`same`, `changed`, `new` (nothing was recorded), `unavailable`."""
    found: Numbers | None
    text: str
    """What moved, or why it could not be looked at."""


def measured(model: ZooModel) -> Oracle:
    """The oracle's numbers of fresh samples of `model` at its default options."""
    return examine(target(model.target), model.function, model.copied, model.support)


def recorded(model: ZooModel) -> Numbers | None:
    """The numbers as they were written down; None for an entry without a record."""
    if model.checkpoint is not None:
        with safe_open(model.checkpoint, "numpy") as file:
            header = file.metadata() or {}
        numbers: Numbers | None = json.loads(header.get("oracle", "null"))
        return numbers
    return _record().get(model.name)


def check(models: Iterable[ZooModel]) -> Iterator[Checked]:
    """Each entry sampled again and held against its record."""
    for model in models:
        try:
            found = measured(model).to_json()
        except Unavailable as reason:
            yield Checked(model.name, "unavailable", None, str(reason))
            continue
        before = recorded(model)
        if before is None:
            yield Checked(model.name, "new", found, f"severity {found['severity']:.3f}, not recorded yet")
            continue
        moved = [name for name in TOLERANCE if not _close(name, before.get(name), found[name])]
        text = ", ".join(f"{name} {before.get(name)} -> {found[name]}" for name in moved)
        yield Checked(model.name, "changed" if moved else "same", found, text or f"severity {found['severity']:.3f}")


def record(found: Iterable[Checked]) -> None:
    """Write the numbers of what was checked into the record; those of trained entries stay in their checkpoints."""
    fresh = {checked.name: checked.found for checked in found if checked.found is not None}
    whole = dict(sorted({**_record(), **fresh}.items()))
    write_text(RECORD, "{\n" + ",\n".join(f"{json.dumps(n)}: {json.dumps(v)}" for n, v in whole.items()) + "\n}\n")


def _record() -> dict[str, Numbers]:
    entries: dict[str, Numbers] = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    return entries


def _close(name: str, before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is after
    least, share = TOLERANCE[name]
    return abs(after - before) <= max(least, share * abs(before))
