"""Training that can be killed: seeded step by step, saved as it goes, and the same weights at the end either way."""

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
"""How often the state is written in the course of a training."""
TRAINING_SEED = 2**31 + 7


@dataclass(frozen=True)
class Data:
    """What a model learns from: the target's training set, or one that is too small, too uniform or out of balance."""

    target: str
    rows: int = 10_000
    kept: float = 1.0
    """Share of the modes that are in it; the last ones are left out."""
    imbalance: float = 0.0
    """Exponent a of the factors i^-a on the weights of the modes."""

    @property
    def plain(self) -> bool:
        """Whether it is the target's own training set."""
        return self.kept == 1 and self.imbalance == 0

    def load(self) -> Tensor:
        """The rows `[n, d]` float32, the same at every call."""
        owner = target(self.target)
        if self.plain:
            return torch.from_numpy(owner.training_set(self.rows)[0])
        rng, place = np.random.default_rng(TRAINING_SEED), np.arange(owner.modes)
        weights = owner.weights * (place + 1.0) ** -self.imbalance * (place < max(1, round(self.kept * owner.modes)))
        return torch.from_numpy(owner.draw(rng.choice(owner.modes, self.rows, p=weights / weights.sum()), rng))


class Learner(ABC):
    """Networks on their way to a generator. All that changes is in `networks` and `optimisers`, so it can be saved."""

    def __init__(self, networks: Mapping[str, nn.Module], optimisers: list[torch.optim.Optimizer]) -> None:
        self.networks = nn.ModuleDict(dict(networks))
        self.optimisers = optimisers

    @property
    def generator(self) -> nn.Module:
        """What samples are drawn from when the training is over."""
        return self.networks["generator"]

    @abstractmethod
    def step(self, number: int) -> None:
        """Step `number` of the training. Chance comes from torch's own generator, which is seeded for this step."""


@dataclass(frozen=True)
class Recipe(ABC):
    """All that a training depends on but the seed. A kind of model is a subclass, an entry of the zoo an instance."""

    data: Data
    steps: int

    @abstractmethod
    def blank(self) -> nn.Module:
        """The generator before training; its weights come from a checkpoint or from a learner."""

    @abstractmethod
    def learner(self) -> Learner:
        """What trains it, at its start."""

    @abstractmethod
    def draw(self, generator: Any, n: int, temperature: float) -> Tensor:
        """`n` rows `[n, d]`; `temperature` scales the noise that they are made from, 1 is as trained."""

    @cached_property
    def text(self) -> str:
        """The recipe as JSON, for headers and for telling recipes apart."""
        return json.dumps({"kind": type(self).__name__, **asdict(self)}, sort_keys=True)

    def state_of(self, seed: int) -> str:
        """Digest of recipe and seed: a saved state goes on only where both are the same."""
        return hashlib.sha256(f"{self.text} {seed}".encode()).hexdigest()


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Inside, torch's own generator starts from `numbers` and one thread computes; outside all is as it was."""
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
    """Train `recipe`. `state` is the file that it is saved in as it goes; where there is one already, it goes on.

    At the end `state` holds the end; who has written down the outcome removes it. Raises UsageError where `state`
    belongs to another recipe or seed.
    """
    from rich.console import Console
    from rich.progress import Progress

    with seeded(seed):
        learner = recipe.learner()
    done = _resumed(learner, state, recipe.state_of(seed))
    every = max(1, recipe.steps // SAVES)
    with Progress(console=Console(stderr=True), disable=not progress, transient=True) as bar:
        task = bar.add_task(title, total=recipe.steps, completed=done)
        for number in range(done, recipe.steps):
            with seeded(seed, number):
                learner.step(number)
            if (number + 1) % every == 0 or number + 1 == recipe.steps:
                _save(learner, state, recipe.state_of(seed), number + 1)
            bar.update(task, completed=number + 1)
    return learner


def _save(learner: Learner, state: Path, mark: str, done: int) -> None:
    whole = {
        "mark": mark,
        "done": done,
        "networks": learner.networks.state_dict(),
        "optimisers": [optimiser.state_dict() for optimiser in learner.optimisers],
    }
    with atomic(state) as temporary:
        torch.save(whole, temporary)


def _resumed(learner: Learner, state: Path, mark: str) -> int:
    """Steps that were done before, with `learner` put back to where they ended."""
    if not state.exists():
        return 0
    try:
        whole = torch.load(state, weights_only=True)
        known = whole["mark"] == mark
    except Exception:  # torch raises whatever its reader meets in a file that is none of its own
        raise UsageError(f"{state} is no saved training; remove it, or name another folder.") from None
    if not known:
        raise UsageError(f"{state} was left by another seed or recipe; remove it, or name another folder.")
    learner.networks.load_state_dict(whole["networks"])
    for optimiser, saved in zip(learner.optimisers, whole["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    return int(whole["done"])
