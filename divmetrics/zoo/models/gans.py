"""Generative adversarial networks: losses, penalties and cures of the literature on small networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, relu, softplus

from divmetrics.zoo.models import networks
from divmetrics.zoo.models.training import Data, Learner, Recipe
from divmetrics.zoo.targets import target

Loss = Literal["minimax", "non-saturating", "least-squares", "wasserstein", "hinge"]
Body = Literal["points", "convolution", "recurrent"]


@dataclass(frozen=True)
class Gan(Recipe):
    """A generator and a critic; by default without penalties and cures, one step each in turn."""

    loss: Loss = "non-saturating"
    body: Body = "points"
    batch: int = 256
    latent: int = 16
    width: int = 64
    """Width of the generator's layers."""
    critic_width: int = 64
    """Width of the critic's layers."""
    rate: float = 1e-3
    """Learning rate of the critic."""
    ratio: float = 1.0
    """Learning rate of the generator over that of the critic."""
    critic_steps: int = 1
    batch_norm: bool = False
    """Batch normalisation in the generator and in a convolutional critic."""
    dropout: float = 0.0
    """Dropout rate in the critic."""
    augment: bool = False
    """The critic sees real and generated images randomly shifted and brightened (Zhao 2020)."""
    growing: bool = False
    """The generator starts at 4 x 4 pixels; 8 x 8 is faded in over the middle third of the training (Karras 2017)."""
    clip: float = 0.0
    """Bound of the critic's weights (Arjovsky 2017)."""
    penalty: float = 0.0
    """Weight of (gradient norm - 1)^2 between real and generated samples (Gulrajani 2017)."""
    r1: float = 0.0
    """gamma: weight gamma / 2 of the squared gradient norm at real samples (Mescheder 2018)."""
    spectral: bool = False
    """Spectral normalisation of the critic (Miyato 2018)."""
    minibatch: int = 0
    """Number of kernels of minibatch discrimination (Salimans 2016)."""
    unroll: int = 0
    """Critic steps that the generator's loss is unrolled over (Metz 2017)."""
    pack: int = 1
    """Samples that the critic sees at once, as in PacGAN (Lin 2018)."""

    @classmethod
    def slow(cls, data: Data, steps: int, **others: Any) -> Self:
        """The untreated twin of the cures: its critic learns at a tenth of the generator's rate (Metz 2017)."""
        return cls(data, steps, rate=1e-4, ratio=10.0, **others)

    @cached_property
    def channels(self) -> int:
        """Colour channels of an image target."""
        return target(self.data.target).d // networks.SIDE**2

    def build_generator(self) -> nn.Module:
        """As `Recipe.build_generator`."""
        if self.body == "convolution":
            return networks.ConvGenerator(self.latent, self.width, self.channels, batch_norm=self.batch_norm)
        if self.body == "recurrent":
            return networks.RecurrentGenerator(self.latent, self.width, self.channels)
        d = target(self.data.target).d
        body = networks.mlp([self.latent, self.width, self.width, d], batch_norm=self.batch_norm)
        return networks.ScaledOutput(body, 1.0)

    def build_learner(self) -> Learner:
        """As `Recipe.build_learner`."""
        return AdversarialLearner(self)

    def draw(self, generator: Any, n: int, temperature: float) -> Tensor:
        """As `Recipe.draw`; `temperature` scales the latent."""
        rows: Tensor = generator(temperature * torch.randn(n, self.latent))
        return rows

    def critic(self) -> nn.Module:
        """The network that tells real from generated samples, `[n, pack * d]` -> `[n, 1]`."""
        if self.body == "points":
            inner = [self.pack * target(self.data.target).d, self.critic_width, self.critic_width]
            features = nn.Sequential(networks.mlp(inner, spectral=self.spectral), nn.LeakyReLU(networks.SLOPE))
            wide = self.critic_width
        else:
            features = networks.conv_features(
                self.pack * self.channels,
                self.critic_width,
                batch_norm=self.batch_norm,
                dropout=self.dropout,
                spectral=self.spectral,
            )
            wide = 8 * self.critic_width
        if self.minibatch:
            features = nn.Sequential(features, networks.MinibatchFeatures(wide, self.minibatch))
        return nn.Sequential(features, networks.normed(nn.Linear(wide + self.minibatch, 1), self.spectral))


class AdversarialLearner(Learner):
    """Alternating steps of critic and generator."""

    def __init__(self, recipe: Gan) -> None:
        self.recipe = recipe
        self.rows = recipe.data.load()
        generator, critic = recipe.build_generator(), recipe.critic()
        if isinstance(generator, networks.ScaledOutput):
            self.spread = float(self.rows.std())
            generator.scale.fill_(self.spread)
        else:
            self.spread = 1.0
        rates = {"critic": recipe.rate, "generator": recipe.rate * recipe.ratio}
        optimisers = [self._optimiser(net, rates[name]) for name, net in (("generator", generator), ("critic", critic))]
        super().__init__({"generator": generator, "critic": critic}, optimisers)

    def _optimiser(self, net: nn.Module, rate: float) -> torch.optim.Optimizer:
        """RMSprop with weight clipping (Arjovsky 2017), else Adam."""
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
            self._step_critic(grown)
        self._step_generator()

    def _step_critic(self, grown: float) -> None:
        """One optimisation step of the critic."""
        recipe, critic = self.recipe, self.networks["critic"]
        real = blend_resolutions(self._real(), grown) if recipe.growing else self._real()
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

    def _step_generator(self) -> None:
        """One optimisation step of the generator."""
        recipe = self.recipe
        unrolled = self._unrolled() if recipe.unroll else None
        loss = generator_loss(recipe.loss, self._critic_output(self._fake(), unrolled))
        self.optimisers[0].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[0].step()

    def _real(self) -> Tensor:
        """A batch of training rows `[batch, d]`."""
        return self.rows[torch.randint(len(self.rows), (self.recipe.batch,))]

    def _fake(self) -> Tensor:
        """A batch of generated rows `[batch, d]`."""
        rows: Tensor = self.generator(torch.randn(self.recipe.batch, self.recipe.latent))
        return rows

    def _critic_output(self, rows: Tensor, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Output of the critic `[n / pack]` for rows in the units of the target, with its own or other weights."""
        critic = self.networks["critic"]
        inputs = (augment_images(rows, self.recipe.channels) if self.recipe.augment else rows) / self.spread
        packs = inputs.view(len(rows) // self.recipe.pack, -1)
        output = critic(packs) if weights is None else functional_call(critic, dict(weights), (packs,))
        scores: Tensor = output[:, 0]
        return scores

    def _critic_loss(self, real: Tensor, fake: Tensor, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Loss of the critic with its penalties, with its own or with other weights."""
        recipe = self.recipe
        if recipe.r1:
            real = real.detach().requires_grad_()
        output = self._critic_output(real, weights)
        loss = critic_loss(recipe.loss, output, self._critic_output(fake, weights))
        if recipe.r1:
            gradient = self._gradient(output, real)
            loss = loss + recipe.r1 / 2 * gradient.square().sum(1).mean()
        if recipe.penalty:
            share = torch.rand(len(real), 1)
            between = (share * real + (1 - share) * fake).detach().requires_grad_()
            gradient = self._gradient(self._critic_output(between, weights), between)
            loss = loss + recipe.penalty * (gradient.square().sum(1).add(1e-12).sqrt() - 1).square().mean()
        return loss

    def _gradient(self, output: Tensor, at: Tensor) -> Tensor:
        """Gradient of the critic's outputs, in its own units: `[n / pack, pack * d]`."""
        (gradient,) = torch.autograd.grad(output.sum(), at, create_graph=True)
        return self.spread * gradient.view(len(output), -1)

    def _unrolled(self) -> dict[str, Tensor]:
        """The critic's weights after `unroll` further steps, differentiable with respect to the generator's.

        The steps are Adam's with fixed second moments: gradient steps with a step size of its own for each weight.
        """
        critic, optimiser = self.networks["critic"], self.optimisers[1]
        names, weights = zip(*critic.named_parameters(), strict=True)
        rates = [_adam_step_sizes(optimiser, weight) for weight in weights]
        for _ in range(self.recipe.unroll):
            named = dict(zip(names, weights, strict=True))
            loss = self._critic_loss(self._real(), self._fake(), named)
            gradients = torch.autograd.grad(loss, weights, create_graph=True)
            weights = tuple(w - rate * g for w, g, rate in zip(weights, gradients, rates, strict=True))
        return dict(zip(names, weights, strict=True))


def _adam_step_sizes(optimiser: torch.optim.Optimizer, weight: Tensor) -> Tensor:
    """Step size of Adam for each element of `weight`, from its second moments."""
    group = optimiser.param_groups[0]
    moments = optimiser.state[weight]
    second = moments["exp_avg_sq"] / (1 - group["betas"][1] ** moments["step"])
    step_sizes: Tensor = group["lr"] / (second.sqrt() + group["eps"])
    return step_sizes


def critic_loss(loss: Loss, real: Tensor, fake: Tensor) -> Tensor:
    """Loss of the critic, given its outputs `[n]` for real and generated samples."""
    if loss in ("minimax", "non-saturating"):
        return softplus(-real).mean() + softplus(fake).mean()
    if loss == "least-squares":
        return ((real - 1).square().mean() + fake.square().mean()) / 2
    if loss == "hinge":
        return relu(1 - real).mean() + relu(1 + fake).mean()
    return fake.mean() - real.mean()


def generator_loss(loss: Loss, fake: Tensor) -> Tensor:
    """Loss of the generator, given the critic's outputs `[n]` for its samples."""
    if loss == "minimax":
        return -softplus(fake).mean()
    if loss == "non-saturating":
        return softplus(-fake).mean()
    if loss == "least-squares":
        return (fake - 1).square().mean() / 2
    return -fake.mean()


def blend_resolutions(rows: Tensor, grown: float) -> Tensor:
    """8 x 8 images `[n, channels * 64]`, blended with their 4 x 4 averages; `grown` is the weight of the fine ones."""
    images = rows.view(len(rows), -1, networks.SIDE, networks.SIDE)
    blocks = interpolate(avg_pool2d(images, 2), scale_factor=2.0)
    return (grown * images + (1 - grown) * blocks).flatten(1)


def augment_images(rows: Tensor, channels: int) -> Tensor:
    """8 x 8 images `[n, channels * 64]`, each shifted by up to a pixel and up to 20 % brighter or darker."""
    images = rows.view(len(rows), channels, networks.SIDE, networks.SIDE)
    shift = (2 * torch.rand(len(rows), 1, 1, 2) - 1) * 2 / networks.SIDE
    ticks = (torch.arange(networks.SIDE) + 0.5) * 2 / networks.SIDE - 1
    identity = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), 2)  # [8, 8, 2]
    moved = grid_sample(images, identity + shift, align_corners=False)
    bright = 1 + (2 * torch.rand(len(rows), 1, 1, 1) - 1) / 5
    return (bright * moved).flatten(1)
