"""`@exact`: samplers that know the exact score of a Gaussian mixture, as entries of the zoo with one knob."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from divmetrics.errors import UsageError
from divmetrics.records.generator import zoo_model
from divmetrics.zoo.models.diffusion import Score, mixture_score
from divmetrics.zoo.targets import Mixture, target

Sampler = Callable[["ScaledMixture", int, float, np.random.Generator], Tensor]
"""`(mixture, n, level, rng)` -> rows `[n, d]` in the units of the scaled mixture."""


class ScaledMixture:
    """A Gaussian mixture divided by its root mean square, as diffusion models see their data, with exact scores."""

    def __init__(self, original: Mixture, *, scaled: bool) -> None:
        self.original = original
        self.scale = float(np.sqrt((original.means**2).mean() + original.sd**2)) if scaled else 1.0
        """What the mixture was divided by."""

    @property
    def name(self) -> str:
        """Name of the target."""
        return self.original.name

    @property
    def weights(self) -> np.ndarray:
        """Weights of the modes `[K]`."""
        return self.original.weights

    @property
    def d(self) -> int:
        """Dimension of a row."""
        return self.original.d

    @property
    def score(self) -> Score:
        """Score of the whole mixture."""
        return self.score_of(self.weights)

    def score_of(self, weights: np.ndarray) -> Score:
        """Score of the mixture with other `weights` `[K]`; modes of weight 0 are left out."""
        kept = weights > 0
        means = self.original.means[kept] / self.scale
        return mixture_score(means, self.original.sd / self.scale, weights[kept] / weights.sum())


def exact(
    name: str, target_name: str, *, levels: Sequence[float], text: str, cite: str, scaled: bool = True
) -> Callable[[Sampler], Sampler]:
    """Declare a sampler with an exact score as the zoo entry TARGET-`name`.

    Args:
        name: What follows the target in the entry's name.
        target_name: Target, a mixture of Gaussians.
        levels: Levels of the ladder, mildest first; the middle one is the default. A single level is no option.
        text: What the level means, in words.
        cite: Source.
        scaled: Whether the mixture is divided by its root mean square; Langevin samplers take it as it is.

    Returns:
        A decorator for functions `(mixture, n, level, rng)` -> rows `[n, d]`.
    """

    def declare(sample: Sampler) -> Sampler:
        middle, lowest, highest = levels[len(levels) // 2], min(levels), max(levels)

        def rows(n: int, seed: int, level: float) -> np.ndarray:
            if not lowest <= level <= highest:
                raise UsageError(f"level={level:g} of {name} is not possible; give {lowest:g} to {highest:g}.")
            mixture = ScaledMixture(_mixture(target_name), scaled=scaled)
            drawn = mixture.scale * sample(mixture, n, level, np.random.default_rng(seed))
            samples: np.ndarray = drawn.float().numpy()
            return samples

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
    """The Gaussian mixture behind the target `name`."""
    owner = target(name)
    found = owner if isinstance(owner, Mixture) else getattr(owner, "mixture", None)
    if not isinstance(found, Mixture):
        raise UsageError(f"{name} is no mixture of Gaussians, so its score is not known; name one that is.")
    return found
