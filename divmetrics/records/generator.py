"""`ZooModel`: the record of a generator whose mode collapse is known, for the tests of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from divmetrics.records.part import Part, undeclared
from divmetrics.records.registry import Registry, declares


@dataclass(frozen=True, kw_only=True, repr=False)
class ZooModel(Part):
    """The record of a generator whose mode collapse is known.

    Its function draws samples: `function(n, seed, **options)` -> `[n, d]` float32, in the space of the target. An
    option called `level` sets the severity of the defect; `levels` are those of its ladder, mildest first.
    """

    name: str = field(kw_only=False)
    """What users call it: `zoo:NAME` is a source."""
    function: Callable[..., Any] = undeclared
    """Draws samples."""
    family: str
    """`target`, `oracle`, `exact score`, `gan`, `vae`, `flow`, `score`."""
    target: str
    """Name of the distribution that it should draw from."""
    knob: str
    """The defect in words: `modes dropped one after the other`."""
    cite: str
    """Where the defect or the model is described."""
    levels: tuple[float, ...] = ()
    """Severities of its ladder, mildest first; empty where there is no option `level`."""
    truth: Callable[..., Any] | None = None
    """`(**options)` -> exact share of each mode `[K]`, where the generator is built from them."""
    train: Callable[..., None] | None = None
    """`(folder, *, seed, progress)` trains it again; None where there is nothing to train."""
    checkpoint: Path | None = None
    """File of the trained model; its header holds the measured collapse."""
    copied: int = 0
    """Number of training samples that it has seen, where it may copy them."""
    untreated: str | None = None
    """For a remedy against collapse: the entry without it, all else equal."""
    support: int | None = None
    """Number of distinct samples, where each is drawn once; None where there is no limit."""

    @property
    def facts(self) -> Mapping[str, str]:
        """Family, target, what was done to it, its ladder, options in a source, source."""
        options = "".join(f"&{option.name}={option.default}" for option in self.options.values())
        return {
            "family": self.family,
            "target": self.target,
            "knob": self.knob,
            "levels": ", ".join(f"{level:g}" for level in self.levels),
            "as a source": f"'zoo:{self.name}?n=5000&seed=0{options}'",
            "source": self.cite,
        }


ZOO: Registry[ZooModel] = Registry("zoo entry", "divmetrics.zoo.entries")
zoo_model = declares(ZooModel, ZOO)
"""Decorator that declares a generator of the zoo: a function of `(n, seed, *, options)` that returns rows `[n, d]`.

Args:
    name: What users call it: `zoo:NAME` is a source.
    family: `target`, `oracle`, `exact score`, `gan`, `vae`, `flow` or `score`.
    target: Name of the distribution that it should draw from.
    knob: The defect in words.
    cite: Where the defect or the model is described.

The other fields of `ZooModel` are optional. Raises UsageError where the name is taken.
"""
