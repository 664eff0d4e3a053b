"""Ladders of trained models: all models of one target, or of one family of models where there are enough.

How a model was trained does not tell how badly it collapsed, so the rungs are ordered by the severity that the oracle
measures on samples of the models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from divmetrics.records.generator import ZOO, ZooModel

LEAST = 5
"""Models of a ladder at least; Kendall's tau over fewer means nothing."""
ENOUGH = 0.02
"""Least share of high-quality samples; with fewer the oracle has too few samples to measure severity on."""


def trained_models() -> list[ZooModel]:
    """The trained entries of the zoo without levels that are part of a ladder."""
    ladders = families(model for model in ZOO if model.checkpoint is not None and not model.levels)
    return [model for members in ladders.values() for model in members]


def families(models: Iterable[ZooModel]) -> dict[str, list[ZooModel]]:
    """Name of a ladder -> its models.

    The models of a target are split by family where at least two families have `LEAST` models, and the remaining ones
    form one more ladder; else all models of the target are one ladder. Ladders of fewer than `LEAST` models are left
    out.
    """
    targets: dict[str, dict[str, list[ZooModel]]] = {}
    for model in models:
        targets.setdefault(model.target, {}).setdefault(model.family, []).append(model)
    found: dict[str, list[ZooModel]] = {}
    for target, kinds in targets.items():
        large = [kind for kind, members in kinds.items() if len(members) >= LEAST]
        split = large if len(large) > 1 else []
        found |= {f"{target}-trained-{kind}": kinds[kind] for kind in split}
        rest = [model for kind, members in kinds.items() if kind not in split for model in members]
        found[f"{target}-trained-others" if split else f"{target}-trained"] = rest
    return {name: members for name, members in found.items() if len(members) >= LEAST}


def weights_digest(model: ZooModel) -> tuple[str, ...]:
    """Digest of a trained model's weights, so that other weights make another job; empty if it was not trained."""
    if model.checkpoint is None:
        return ()
    return (hashlib.sha256(model.checkpoint.read_bytes()).hexdigest()[:12],)
