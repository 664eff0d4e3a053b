"""Parsing of `zoo:NAME?n=5000&seed=1&level=0.4`: an entry of the zoo, its options, sample size and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from divmetrics.errors import UsageError
from divmetrics.records.generator import ZOO, ZooModel
from divmetrics.records.options import Option, parse_query

SCHEME = "zoo:"
DEFAULT_N = 5000
COMMON = {"n": Option("n", int, DEFAULT_N), "seed": Option("seed", int, 0)}


@dataclass(frozen=True)
class Draw:
    """Samples of an entry of the zoo: the entry with its options, their number and the seed."""

    model: ZooModel
    n: int
    seed: int
    options: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str, **common: int | None) -> Self:
        """Parse the name of an entry with its options.

        Args:
            text: `NAME[?option=value&...]`, with or without `zoo:` before it.
            **common: `n` and `seed` that were given elsewhere; they win over those in `text`, None leaves those.

        Returns:
            The draw, with all options resolved.

        Raises:
            UnknownName: for a name or an option that does not exist.
            UsageError: for a malformed text, or more samples than the entry has.

        Example:
            >>> Draw.parse("zoo:ring-8-drop?n=100&level=0.4", seed=3).rows().shape
            (100, 2)
        """
        name, options = parse_query(text.removeprefix(SCHEME))
        model = ZOO[name]
        taken = {name: option.check(options.pop(name, option.default)) for name, option in COMMON.items()}
        taken |= {name: value for name, value in common.items() if value is not None}
        if taken["n"] < 1 or taken["seed"] < 0:
            raise UsageError(f"{text!r}: n={taken['n']}, seed={taken['seed']}; give n of 1 and a seed of 0 at least.")
        if model.support is not None and taken["n"] > model.support:
            raise UsageError(f"{text!r}: {model.name} has {model.support} samples and none twice; lower n.")
        return cls(model, taken["n"], taken["seed"], model.resolve(options))

    def rows(self) -> Any:
        """The samples, rows `[n, d]` float32 of the target."""
        return self.model.function(self.n, self.seed, **self.options)
