"""Resumable training, seeded at every step and saved regularly, so that an interrupted run ends at the same weights."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divmetrics.errors import UsageError
from divmetrics.records.files import atomic
from divmetrics.zoo.targets import target

SAVES = 20
"""How often the state is saved during a training."""
TRAINING_SEED = 2**31 + 7
"""Seed of modified training sets."""


@dataclass(frozen=True)
class Data:
    """Training data: the target's training set, or one that is too small, lacks modes or is imbalanced."""

    target: str
    rows: int = 10_000
    kept: float = 1.0
    """Share of the modes that it contains; the last ones are left out."""
    imbalance: float = 0.0
    """Exponent a: the weight of mode i is multiplied by i^-a."""

    @property
    def is_original(self) -> bool:
        """Whether it is the target's own training set, perhaps with fewer rows."""
        return self.kept == 1 and self.imbalance == 0

    def load(self) -> Tensor:
        """The rows `[n, d]` float32, the same at every call."""
        owner = target(self.target)
        if self.is_original:
            return torch.from_numpy(owner.training_set(self.rows)[0])
        rng, place = np.random.default_rng(TRAINING_SEED), np.arange(owner.modes)
        weights = owner.weights * (place + 1.0) ** -self.imbalance * (place < max(1, round(self.kept * owner.modes)))
        return torch.from_numpy(owner.draw(rng.choice(owner.modes, self.rows, p=weights / weights.sum()), rng))


class Learner(ABC):
    """Networks in training. Their whole state is in `networks` and `optimisers`, so that it can be saved."""

    def __init__(self, networks: Mapping[str, nn.Module], optimisers: list[torch.optim.Optimizer]) -> None:
        self.networks = nn.ModuleDict(dict(networks))
        self.optimisers = optimisers

    @property
    def generator(self) -> nn.Module:
        """The network that samples are drawn from after training."""
        return self.networks["generator"]

    @abstractmethod
    def step(self, number: int) -> None:
        """Do step `number`; random numbers come from torch's global generator, which is seeded for each step."""


@dataclass(frozen=True)
class Recipe(ABC):
    """Everything that a training depends on except the seed: a model family is a subclass, an entry an instance."""

    data: Data
    steps: int

    @abstractmethod
    def build_generator(self) -> nn.Module:
        """The generator with its initial weights."""

    @abstractmethod
    def build_learner(self) -> Learner:
        """The networks and optimisers at the start of the training."""

    @abstractmethod
    def draw(self, generator: Any, n: int, temperature: float) -> Tensor:
        """`n` samples `[n, d]`; `temperature` scales the noise that they are generated from, 1 is as trained."""

    @cached_property
    def text(self) -> str:
        """The recipe as JSON, for the header of the checkpoint."""
        return json.dumps({"kind": type(self).__name__, **asdict(self)}, sort_keys=True)

    def state_digest(self, seed: int) -> str:
        """Digest of recipe and seed; a saved state is resumed only where both agree."""
        return hashlib.sha256(f"{self.text} {seed}".encode()).hexdigest()


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Seed torch's global generator with `numbers` and use one thread inside the context; restore both at its end."""
    start = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(start)
        if threads != 1:
            torch.set_num_threads(1)  # small networks are faster on one, and sums come out the same everywhere
        try:
            yield
        finally:
            if threads != 1:
                torch.set_num_threads(threads)


def train(recipe: Recipe, state: Path, *, seed: int, progress: bool, title: str = "training") -> Learner:
    """Train a model, or resume a training.

    Args:
        recipe: What is trained.
        state: File in which the training is saved; where it exists, the training is resumed. It holds the final state
            at the end and is left for the caller to remove.
        seed: Seed of initial weights and of every step.
        progress: Whether a progress bar is shown on stderr.
        title: Its title.

    Returns:
        The trained networks.

    Raises:
        UsageError: where `state` belongs to another recipe or seed, or is no saved training.
    """
    from rich.console import Console
    from rich.progress import Progress

    with seeded(seed):
        learner = recipe.build_learner()
    done = _resume(learner, state, recipe.state_digest(seed))
    every = max(1, recipe.steps // SAVES)
    with Progress(console=Console(stderr=True), disable=not progress, transient=True) as bar:
        task = bar.add_task(title, total=recipe.steps, completed=done)
        for number in range(done, recipe.steps):
            with seeded(seed, number):
                learner.step(number)
            if (number + 1) % every == 0 or number + 1 == recipe.steps:
                _save(learner, state, recipe.state_digest(seed), number + 1)
            bar.update(task, completed=number + 1)
    return learner


def _save(learner: Learner, state: Path, mark: str, done: int) -> None:
    """Write the state after `done` steps to the file `state`; `mark` identifies recipe and seed."""
    whole = {
        "mark": mark,
        "done": done,
        "networks": learner.networks.state_dict(),
        "optimisers": [optimiser.state_dict() for optimiser in learner.optimisers],
    }
    with atomic(state) as temporary:
        torch.save(whole, temporary)


def _resume(learner: Learner, state: Path, mark: str) -> int:
    """Load a saved state into `learner`; returns the number of steps that were done, 0 without a saved state."""
    if not state.exists():
        return 0
    try:
        whole = torch.load(state, weights_only=True)
        same = whole["mark"] == mark
    except Exception:  # torch raises all kinds of errors on foreign files
        raise UsageError(f"{state} is no saved training; remove it, or name another folder.") from None
    if not same:
        raise UsageError(f"{state} was left by another seed or recipe; remove it, or name another folder.")
    learner.networks.load_state_dict(whole["networks"])
    for optimiser, saved in zip(learner.optimisers, whole["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    return int(whole["done"])
