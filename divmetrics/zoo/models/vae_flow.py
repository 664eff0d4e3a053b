"""Likelihood-based models: a variational autoencoder, and a normalising flow trained with forward or reverse KL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from divmetrics.errors import UsageError
from divmetrics.zoo.models import networks
from divmetrics.zoo.models.training import Learner, Recipe
from divmetrics.zoo.targets import Mixture, target


@dataclass(frozen=True)
class Vae(Recipe):
    """A variational autoencoder (Kingma 2013) with a Gaussian decoder of learnt variance."""

    batch: int = 256
    latent: int = 2
    width: int = 64
    rate: float = 2e-3
    beta: float = 1.0
    """Weight of KL(q || prior)."""

    def build_generator(self) -> Decoder:
        """As `Recipe.build_generator`: the decoder."""
        d = target(self.data.target).d
        return Decoder(networks.mlp([self.latent, self.width, self.width, d]))

    def build_learner(self) -> Learner:
        """As `Recipe.build_learner`."""
        return VaeLearner(self)

    def draw(self, generator: Any, n: int, temperature: float) -> Tensor:
        """As `Recipe.draw`; `temperature` scales the latent, not the noise of the decoder."""
        centre = generator(temperature * torch.randn(n, self.latent))
        samples: Tensor = centre + generator.scale * generator.log_sd.exp() * torch.randn_like(centre)
        return samples


class Decoder(networks.ScaledOutput):
    """Latents to means of rows, with a common learnt standard deviation."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__(body, 1.0)
        self.log_sd = nn.Parameter(torch.tensor(-1.0))


class VaeLearner(Learner):
    """Joint training of encoder and decoder on the evidence lower bound."""

    def __init__(self, recipe: Vae) -> None:
        self.recipe = recipe
        rows = recipe.data.load()
        decoder = recipe.build_generator()
        decoder.scale.fill_(rows.std())
        self.rows = rows / rows.std()
        encoder = networks.mlp([rows.shape[1], recipe.width, recipe.width, 2 * recipe.latent])
        parameters = [*decoder.parameters(), *encoder.parameters()]
        super().__init__({"generator": decoder, "encoder": encoder}, [torch.optim.Adam(parameters, recipe.rate)])
        self.decoder = decoder

    def step(self, number: int) -> None:  # noqa: ARG002  # all steps are alike
        """As `Learner.step`."""
        decoder = self.decoder
        rows = self.rows[torch.randint(len(self.rows), (self.recipe.batch,))]
        mean, log_sd = self.networks["encoder"](rows).chunk(2, 1)
        latent = mean + log_sd.exp() * torch.randn_like(mean)
        error = (rows - decoder.body(latent)).square() / (2 * (2 * decoder.log_sd).exp()) + decoder.log_sd
        prior = (mean.square() + (2 * log_sd).exp() - 1) / 2 - log_sd
        loss = error.sum(1).mean() + self.recipe.beta * prior.sum(1).mean()
        self.optimisers[0].zero_grad()
        loss.backward()
        self.optimisers[0].step()


@dataclass(frozen=True)
class Flow(Recipe):
    """RealNVP (Dinh 2016) on points in the plane."""

    batch: int = 256
    width: int = 48
    couplings: int = 6
    rate: float = 2e-3
    reverse: bool = False
    """Whether KL(model || target) is minimised, which is mode-seeking, instead of the negative log-likelihood."""

    def build_generator(self) -> RealNvp:
        """As `Recipe.build_generator`."""
        return RealNvp(self.width, self.couplings)

    def build_learner(self) -> Learner:
        """As `Recipe.build_learner`."""
        return FlowLearner(self)

    def draw(self, generator: Any, n: int, temperature: float) -> Tensor:
        """As `Recipe.draw`; `temperature` scales the base distribution."""
        rows, _ = generator(temperature * torch.randn(n, 2))
        samples: Tensor = generator.scale * rows
        return samples


class RealNvp(nn.Module):
    """Affine couplings in two dimensions: a network of one coordinate scales and shifts the other, in turn."""

    scale: Tensor

    def __init__(self, width: int, couplings: int) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(networks.mlp([1, width, width, 2]) for _ in range(couplings))
        self.register_buffer("scale", torch.tensor(1.0))

    def forward(self, rows: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
        """(transformed rows `[n, 2]`, log-determinant of the Jacobian `[n]`); forward maps base to data."""
        coordinates, log_det = list(rows.unbind(1)), torch.zeros(len(rows))
        order = list(enumerate(self.couplings))
        for place, coupling in reversed(order) if inverse else order:
            fixed, changed = place % 2, 1 - place % 2
            raw, shift = coupling(coordinates[fixed][:, None]).unbind(1)
            log_scale = 2 * torch.tanh(raw / 2)
            if inverse:
                coordinates[changed] = (coordinates[changed] - shift) * torch.exp(-log_scale)
            else:
                coordinates[changed] = coordinates[changed] * torch.exp(log_scale) + shift
            log_det = log_det - log_scale if inverse else log_det + log_scale
        return torch.stack(coordinates, 1), log_det


class FlowLearner(Learner):
    """Training of a flow with forward or reverse KL."""

    def __init__(self, recipe: Flow) -> None:
        self.recipe = recipe
        rows = recipe.data.load()
        flow = recipe.build_generator()
        flow.scale.fill_(rows.std())
        self.rows = rows / rows.std()
        owner = target(recipe.data.target)
        if not isinstance(owner, Mixture):
            raise UsageError(f"{owner.name} is no mixture of Gaussians, which flows need; name a target that is one.")
        self.means, self.sd = torch.from_numpy(owner.means / float(rows.std())).float(), owner.sd / float(rows.std())
        super().__init__({"generator": flow}, [torch.optim.Adam(flow.parameters(), recipe.rate)])

    def step(self, number: int) -> None:
        """As `Learner.step`; the learning rate falls linearly to 0."""
        flow, recipe = self.networks["generator"], self.recipe
        if recipe.reverse:
            rows, log_det = flow(torch.randn(recipe.batch, 2))
            loss = -(log_det + self._log_density(rows)).mean()
        else:
            base, log_det = flow(self.rows[torch.randint(len(self.rows), (recipe.batch,))], inverse=True)
            loss = (base.square().sum(1) / 2 - log_det).mean()
        for group in self.optimisers[0].param_groups:
            group["lr"] = recipe.rate * (1 - number / recipe.steps)
        self.optimisers[0].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        self.optimisers[0].step()

    def _log_density(self, rows: Tensor) -> Tensor:
        """Log density `[n]` of the target with equal weights, up to a constant."""
        log_density: Tensor = (-torch.cdist(rows, self.means).square() / (2 * self.sd**2)).logsumexp(1)
        return log_density
