"""Trained models as ladders: those of one target, of one family where there are enough, are the rungs of one ladder.

What a recipe was meant to break says nothing of what came of it, so the rungs are in the order of the severity that
the oracle measures on samples of the models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from divmetrics.records.generator import ZOO, ZooModel

LEAST = 5
"""Models of a ladder at least; a tau over fewer is chance."""
ENOUGH = 0.02
"""Least share of samples of high quality; with fewer the oracle has next to nothing to measure severity on."""


def trained() -> list[ZooModel]:
    """The entries of the zoo that were trained and have no level to turn, those in no ladder left out."""
    ladders = families(model for model in ZOO if model.checkpoint is not None and not model.levels)
    return [model for members in ladders.values() for model in members]


def families(models: Iterable[ZooModel]) -> dict[str, list[ZooModel]]:
    """Name of a ladder -> its models.

    A target is split by family where two families or more have `LEAST` models, and what is left of it is one ladder
    more; else all its models are one ladder. A ladder of fewer than `LEAST` models is none.
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


def weights(model: ZooModel) -> tuple[str, ...]:
    """What marks the weights of a trained model, so that others are other cells; empty for one that was not trained."""
    if model.checkpoint is None:
        return ()
    return (hashlib.sha256(model.checkpoint.read_bytes()).hexdigest()[:12],)
