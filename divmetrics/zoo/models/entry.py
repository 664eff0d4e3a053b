"""`trained`: a training recipe as an entry of the zoo, which samples from its checkpoint and can be trained again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from divmetrics.errors import MeasureError, UsageError
from divmetrics.records.generator import zoo_model
from divmetrics.zoo.models.checkpoints import Checkpoint, to_half_precision
from divmetrics.zoo.models.training import Recipe, seeded, train
from divmetrics.zoo.oracle import measure_generator
from divmetrics.zoo.targets import target

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
BLOCK = 4096
"""Samples drawn at a time."""


def trained(
    name: str,
    recipe: Recipe,
    *,
    family: str,
    knob: str,
    cite: str,
    untreated: str | None = None,
    copies: bool = False,
    folder: Path = CHECKPOINTS,
) -> None:
    """Declare a trained model as the entry `name` of the zoo.

    Args:
        name: Name of the entry; its checkpoint is `folder / name.safetensors`.
        recipe: Everything that the training depends on except the seed.
        family: `gan`, `vae`, `flow` or `score`.
        knob: What was done to it, in words.
        cite: Source.
        untreated: For a cure, the entry without it, all else equal.
        copies: Whether it may have memorised its training set, so that the oracle counts copies.
        folder: Where the checkpoint lies.
    """
    owner, home = recipe.data.target, folder / f"{name}.safetensors"
    copied = recipe.data.rows if copies else 0

    def train_again(where: Path, *, seed: int, progress: bool) -> None:
        state = where / f"{name}.state"
        learner = train(recipe, state, seed=seed, progress=progress, title=name)
        tensors = to_half_precision(learner.generator.state_dict())
        numbers = measure_generator(
            target(owner), lambda n, s: _sample(name, recipe, tensors, n, s, 1.0), copied
        ).to_json()
        Checkpoint(name, recipe.text, seed, numbers, tensors).write(where / f"{name}.safetensors")
        state.unlink()

    @zoo_model(
        name,
        family=family,
        target=owner,
        knob=knob,
        cite=cite,
        train=train_again,
        checkpoint=home if home.exists() else None,
        copied=copied,
        untreated=untreated,
    )
    def sampler(n: int, seed: int, *, checkpoint: str | None = None, temperature: float = 1.0) -> np.ndarray:
        """`checkpoint`: a file of `divmetrics zoo train`; `temperature`: factor on the noise that samples come from."""
        if not temperature >= 0:
            raise UsageError(f"temperature={temperature:g} of {name} is not possible; give 0 or more.")
        tensors = Checkpoint.read(home if checkpoint is None else Path(checkpoint), name).tensors
        return _sample(name, recipe, tensors, n, seed, temperature)


def _sample(
    name: str, recipe: Recipe, tensors: Mapping[str, Tensor], n: int, seed: int, temperature: float
) -> np.ndarray:
    """`n` rows `[n, d]` float32 from the generator that `tensors` hold."""
    with seeded(seed), torch.no_grad():
        generator = recipe.build_generator()
        try:
            generator.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
        except RuntimeError:
            raise MeasureError(f"the checkpoint does not fit {name} as it is now; train it again.") from None
        generator.eval()
        sizes = [min(BLOCK, n - start) for start in range(0, n, BLOCK)]
        rows = torch.cat([recipe.draw(generator, size, temperature) for size in sizes])
    samples: np.ndarray = rows.float().numpy()
    return samples
