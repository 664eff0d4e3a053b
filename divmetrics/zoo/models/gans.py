"""Generative adversarial networks as recipes: losses, penalties and cures of the literature on small networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, relu, softplus

from divmetrics.zoo.models import networks as nets
from divmetrics.zoo.models.training import Data, Learner, Recipe
from divmetrics.zoo.targets import target

Loss = Literal["minimax", "non-saturating", "least-squares", "wasserstein", "hinge"]
Body = Literal["points", "convolution", "recurrent"]


@dataclass(frozen=True)
class Gan(Recipe):
    """A generator and a critic. What is not said is the plain case: no penalty, no cure, one step each in turn."""

    loss: Loss = "non-saturating"
    body: Body = "points"
    batch: int = 256
    latent: int = 16
    width: int = 64
    """Of the generator's layers."""
    critic_width: int = 64
    rate: float = 1e-3
    """Learning rate of the critic."""
    ratio: float = 1.0
    """Learning rate of the generator over that of the critic."""
    critic_steps: int = 1
    batch_norm: bool = False
    """In the generator, and in a convolutional critic."""
    dropout: float = 0.0
    """In the critic."""
    augment: bool = False
    """The critic sees reals and fakes moved by up to one pixel and in another brightness (Zhao 2020)."""
    growing: bool = False
    """The generator starts at 4 x 4 pixels and the finer ones are faded in over the middle third (Karras 2017)."""
    clip: float = 0.0
    """Bound of the critic's weights (Arjovsky 2017)."""
    penalty: float = 0.0
    """Weight of (gradient norm - 1)^2 between reals and fakes (Gulrajani 2017)."""
    r1: float = 0.0
    """gamma: weight gamma / 2 of the squared gradient at the reals (Mescheder 2018)."""
    spectral: bool = False
    """Spectral norm on the critic (Miyato 2018)."""
    minibatch: int = 0
    """Kernels of minibatch discrimination (Salimans 2016)."""
    unroll: int = 0
    """Steps of the critic that the generator looks ahead (Metz 2017)."""
    pack: int = 1
    """Samples that the critic sees at once (Lin 2018)."""

    @classmethod
    def slow(cls, data: Data, steps: int, **others: Any) -> Self:
        """The untreated twin of the cures: its critic learns at a tenth of the generator's rate (Metz 2017)."""
        return cls(data, steps, rate=1e-4, ratio=10.0, **others)

    @cached_property
    def channels(self) -> int:
        """Colours of an image target."""
        return target(self.data.target).d // nets.SIDE**2

    def blank(self) -> nn.Module:
        """As `Recipe.blank`."""
        if self.body == "convolution":
            return nets.ConvGenerator(self.latent, self.width, self.channels, batch_norm=self.batch_norm)
        if self.body == "recurrent":
            return nets.RecurrentGenerator(self.latent, self.width, self.channels)
        d = target(self.data.target).d
        body = nets.mlp([self.latent, self.width, self.width, d], batch_norm=self.batch_norm)
        return nets.Scaled(body, 1.0)

    def learner(self) -> Learner:
        """As `Recipe.learner`."""
        return Duel(self)

    def draw(self, generator: Any, n: int, temperature: float) -> Tensor:
        """As `Recipe.draw`; the noise is the latent one."""
        found: Tensor = generator(temperature * torch.randn(n, self.latent))
        return found

    def critic(self) -> nn.Module:
        """What tells reals from fakes, `[n, pack * d]` -> `[n, 1]`."""
        if self.body == "points":
            inner = [self.pack * target(self.data.target).d, self.critic_width, self.critic_width]
            features = nn.Sequential(nets.mlp(inner, spectral=self.spectral), nn.LeakyReLU(nets.SLOPE))
            wide = self.critic_width
        else:
            features = nets.conv_features(
                self.pack * self.channels,
                self.critic_width,
                batch_norm=self.batch_norm,
                dropout=self.dropout,
                spectral=self.spectral,
            )
            wide = 8 * self.critic_width
        if self.minibatch:
            features = nn.Sequential(features, nets.MinibatchFeatures(wide, self.minibatch))
        return nn.Sequential(features, nets.normed(nn.Linear(wide + self.minibatch, 1), self.spectral))


class Duel(Learner):
    """Generator and critic in turn."""

    def __init__(self, recipe: Gan) -> None:
        self.recipe = recipe
        self.rows = recipe.data.load()
        generator, critic = recipe.blank(), recipe.critic()
        if isinstance(generator, nets.Scaled):
            self.spread = float(self.rows.std())
            generator.scale.fill_(self.spread)
        else:
            self.spread = 1.0
        rates = {"critic": recipe.rate, "generator": recipe.rate * recipe.ratio}
        optimisers = [self._optimiser(net, rates[name]) for name, net in (("generator", generator), ("critic", critic))]
        super().__init__({"generator": generator, "critic": critic}, optimisers)

    def _optimiser(self, net: nn.Module, rate: float) -> torch.optim.Optimizer:
        if self.recipe.clip:
            return torch.optim.RMSprop(net.parameters(), rate)
        return torch.optim.Adam(net.parameters(), rate, betas=(0.5, 0.9))

    def step(self, number: int) -> None:
        """As `Learner.step`."""
        recipe, generator = self.recipe, self.generator
        grown = min(1.0, max(0.0, 3 * number / recipe.steps - 1)) if recipe.growing else 1.0
        if recipe.growing:
            generator.grown = grown  # type: ignore[assignment]  # a plain number, no tensor
        for _ in range(recipe.critic_steps):
            self._improve_critic(grown)
        self._improve_generator()

    def _improve_critic(self, grown: float) -> None:
        recipe, critic = self.recipe, self.networks["critic"]
        real = coarser(self._real(), grown) if recipe.growing else self._real()
        with torch.no_grad():
            fake = self._fake()
        loss = self._critic_loss(real, fake)
        self.optimisers[1].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[1].step()
        if recipe.clip:
            with torch.no_grad():
                for parameter in critic.parameters():
                    parameter.clamp_(-recipe.clip, recipe.clip)

    def _improve_generator(self) -> None:
        recipe = self.recipe
        ahead = self._unrolled() if recipe.unroll else None
        loss = generator_loss(recipe.loss, self._judged(self._fake(), ahead))
        self.optimisers[0].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[0].step()

    def _real(self) -> Tensor:
        return self.rows[torch.randint(len(self.rows), (self.recipe.batch,))]

    def _fake(self) -> Tensor:
        found: Tensor = self.generator(torch.randn(self.recipe.batch, self.recipe.latent))
        return found

    def _judged(self, rows: Tensor, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """The critic's opinion `[n / pack]` of rows in the units of the target, with its own or with other weights."""
        critic = self.networks["critic"]
        shown = (augmented(rows, self.recipe.channels) if self.recipe.augment else rows) / self.spread
        packs = shown.view(len(rows) // self.recipe.pack, -1)
        said = critic(packs) if weights is None else functional_call(critic, dict(weights), (packs,))
        found: Tensor = said[:, 0]
        return found

    def _critic_loss(self, real: Tensor, fake: Tensor, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        recipe = self.recipe
        if recipe.r1:
            real = real.detach().requires_grad_()
        said = self._judged(real, weights)
        loss = critic_loss(recipe.loss, said, self._judged(fake, weights))
        if recipe.r1:
            slope = self._slope(said, real)
            loss = loss + recipe.r1 / 2 * slope.square().sum(1).mean()
        if recipe.penalty:
            share = torch.rand(len(real), 1)
            between = (share * real + (1 - share) * fake).detach().requires_grad_()
            slope = self._slope(self._judged(between, weights), between)
            loss = loss + recipe.penalty * (slope.square().sum(1).add(1e-12).sqrt() - 1).square().mean()
        return loss

    def _slope(self, said: Tensor, at: Tensor) -> Tensor:
        """Gradient of the opinions in the critic's units `[n / pack, pack * d]`."""
        (slope,) = torch.autograd.grad(said.sum(), at, create_graph=True)
        return self.spread * slope.view(len(said), -1)

    def _unrolled(self) -> dict[str, Tensor]:
        """The critic's weights some steps ahead, as functions of the generator's.

        Steps are Adam's with the second moments as they are now: a plain gradient step for each weight at its own rate.
        """
        critic, optimiser = self.networks["critic"], self.optimisers[1]
        names, weights = zip(*critic.named_parameters(), strict=True)
        rates = [_own_rate(optimiser, weight) for weight in weights]
        for _ in range(self.recipe.unroll):
            named = dict(zip(names, weights, strict=True))
            loss = self._critic_loss(self._real(), self._fake(), named)
            slopes = torch.autograd.grad(loss, weights, create_graph=True)
            weights = tuple(w - rate * g for w, g, rate in zip(weights, slopes, rates, strict=True))
        return dict(zip(names, weights, strict=True))


def _own_rate(optimiser: torch.optim.Optimizer, weight: Tensor) -> Tensor:
    group = optimiser.param_groups[0]
    moments = optimiser.state[weight]
    second = moments["exp_avg_sq"] / (1 - group["betas"][1] ** moments["step"])
    found: Tensor = group["lr"] / (second.sqrt() + group["eps"])
    return found


def critic_loss(loss: Loss, real: Tensor, fake: Tensor) -> Tensor:
    """What the critic lowers, given its opinions of reals and fakes."""
    if loss in ("minimax", "non-saturating"):
        return softplus(-real).mean() + softplus(fake).mean()
    if loss == "least-squares":
        return ((real - 1).square().mean() + fake.square().mean()) / 2
    if loss == "hinge":
        return relu(1 - real).mean() + relu(1 + fake).mean()
    return fake.mean() - real.mean()


def generator_loss(loss: Loss, fake: Tensor) -> Tensor:
    """What the generator lowers, given the critic's opinion of its samples."""
    if loss == "minimax":
        return -softplus(fake).mean()
    if loss == "non-saturating":
        return softplus(-fake).mean()
    if loss == "least-squares":
        return (fake - 1).square().mean() / 2
    return -fake.mean()


def coarser(rows: Tensor, grown: float) -> Tensor:
    """8 x 8 images as a generator that is `grown` so far could draw them: the finer half of them faded out."""
    images = rows.view(len(rows), -1, nets.SIDE, nets.SIDE)
    blocks = interpolate(avg_pool2d(images, 2), scale_factor=2.0)
    return (grown * images + (1 - grown) * blocks).flatten(1)


def augmented(rows: Tensor, channels: int) -> Tensor:
    """8 x 8 images, each moved by up to a pixel and made up to a fifth brighter or darker."""
    images = rows.view(len(rows), channels, nets.SIDE, nets.SIDE)
    shift = (2 * torch.rand(len(rows), 1, 1, 2) - 1) * 2 / nets.SIDE
    ticks = (torch.arange(nets.SIDE) + 0.5) * 2 / nets.SIDE - 1
    still = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), 2)  # [8, 8, 2]
    moved = grid_sample(images, still + shift, align_corners=False)
    bright = 1 + (2 * torch.rand(len(rows), 1, 1, 1) - 1) / 5
    return (bright * moved).flatten(1)
