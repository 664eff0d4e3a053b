"""`ZooModel`: a generator whose collapse is known; `@zoo_model` declares one, `ZOO` holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from divmetrics.records.part import Part, undeclared
from divmetrics.records.registry import Registry, declares


@dataclass(frozen=True, kw_only=True, repr=False)
class ZooModel(Part):
    """A generator whose collapse is known: `function(n, seed, **options)` -> rows `[n, d]` float32 of its target.

    An option called `level` is the severity of what was done to it; `levels` are those of its ladder, mildest first.
    """

    name: str = field(kw_only=False)
    function: Callable[..., Any] = undeclared
    family: str
    """`target`, `oracle`, `exact score`, `gan`, `vae`, `flow`, `score`."""
    target: str
    """Name of the distribution that it is meant to draw."""
    knob: str
    """What was done to it, in words: `modes dropped one after the other`."""
    cite: str
    levels: tuple[float, ...] = ()
    truth: Callable[..., Any] | None = None
    """`(**options)` -> exact share of each mode `[K]`, where the generator is built from them."""
    train: Callable[..., None] | None = None
    """`(folder, *, seed, progress)` trains it again; None where there is nothing to train."""
    checkpoint: Path | None = None
    """What a trained model was left in; its header holds the oracle's numbers."""
    copied: int = 0
    """Rows of the target's training set that it has seen, where it may copy them."""
    untreated: str | None = None
    """For a cure: the entry without it, all else equal."""
    support: int | None = None
    """Samples that there are, where each is given out once; None where there is no end."""

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
"""Declare a generator of the zoo: a function of `(n, seed, *, options)` that returns rows `[n, d]`."""
