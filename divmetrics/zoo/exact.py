"""`exact`: a sampler that knows the exact score of a mixture, as an entry of the zoo with one knob."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from divmetrics.errors import UsageError
from divmetrics.records.generator import zoo_model
from divmetrics.zoo.models.diffusion import Score, mixture_score
from divmetrics.zoo.targets import Mixture, target

Sampler = Callable[["Known", int, float, np.random.Generator], Tensor]
"""`(what is known, n, level, rng)` -> rows `[n, d]` in the units of `Known`."""


class Known:
    """A mixture in the units of its own spread, as diffusion models see their data, with its exact scores."""

    def __init__(self, mixture: Mixture, *, scaled: bool) -> None:
        self.mixture = mixture
        self.scale = float(np.sqrt((mixture.means**2).mean() + mixture.sd**2)) if scaled else 1.0
        """Units of the target in one of here."""

    @property
    def d(self) -> int:
        """Width of a row."""
        return self.mixture.d

    @property
    def score(self) -> Score:
        """Of the whole mixture."""
        return self.score_of(self.mixture.weights)

    def score_of(self, weights: np.ndarray) -> Score:
        """Of the mixture with other `weights` `[K]`; modes of weight 0 are left out."""
        kept = weights > 0
        means = self.mixture.means[kept] / self.scale
        return mixture_score(means, self.mixture.sd / self.scale, weights[kept] / weights.sum())


def exact(
    name: str, target_name: str, *, levels: Sequence[float], text: str, cite: str, scaled: bool = True
) -> Callable[[Sampler], Sampler]:
    """Declare a sampler as the entry TARGET-`name`; `levels` are its ladder, mildest first; one is no knob.

    `scaled` divides the mixture by its spread, which Langevin samplers do not want.
    """

    def declare(sample: Sampler) -> Sampler:
        middle, lowest, highest = levels[len(levels) // 2], min(levels), max(levels)

        def rows(n: int, seed: int, level: float) -> np.ndarray:
            if not lowest <= level <= highest:
                raise UsageError(f"level={level:g} of {name} is not possible; give {lowest:g} to {highest:g}.")
            known = Known(_mixture(target_name), scaled=scaled)
            found: np.ndarray = (known.scale * sample(known, n, level, np.random.default_rng(seed))).float().numpy()
            return found

        def graded(n: int, seed: int, *, level: float = middle) -> np.ndarray:
            return rows(n, seed, level)

        zoo_model(
            f"{target_name}-{name}",
            family="exact score",
            target=target_name,
            knob=text,
            cite=cite,
            levels=tuple(levels) if len(levels) > 1 else (),
        )(graded if len(levels) > 1 else lambda n, seed: rows(n, seed, middle))
        return sample

    return declare


def _mixture(name: str) -> Mixture:
    owner = target(name)
    found = owner if isinstance(owner, Mixture) else getattr(owner, "mixture", None)
    if not isinstance(found, Mixture):
        raise UsageError(f"{name} is no mixture of Gaussians; its score is not known.")
    return found
