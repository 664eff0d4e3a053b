"""Models with a likelihood as recipes: a variational autoencoder, and a flow that can learn in both directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from divmetrics.errors import UsageError
from divmetrics.zoo.models import networks as nets
from divmetrics.zoo.models.training import Learner, Recipe
from divmetrics.zoo.targets import Mixture, target


@dataclass(frozen=True)
class Vae(Recipe):
    """A variational autoencoder (Kingma 2013) with a Gaussian decoder of learnt width."""

    batch: int = 256
    latent: int = 2
    width: int = 64
    rate: float = 2e-3
    beta: float = 1.0
    """Weight of KL(q || prior)."""

    def blank(self) -> Decoder:
        """As `Recipe.blank`: the decoder."""
        d = target(self.data.target).d
        return Decoder(nets.mlp([self.latent, self.width, self.width, d]))

    def learner(self) -> Learner:
        """As `Recipe.learner`."""
        return Autoencoding(self)

    def draw(self, generator: Any, n: int, temperature: float) -> Tensor:
        """As `Recipe.draw`; the noise is the latent one, that of the decoder is added as it was learnt."""
        centre = generator(temperature * torch.randn(n, self.latent))
        found: Tensor = centre + generator.scale * generator.log_sd.exp() * torch.randn_like(centre)
        return found


class Decoder(nets.Scaled):
    """Latents to rows, and how far real rows lie from them."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__(body, 1.0)
        self.log_sd = nn.Parameter(torch.tensor(-1.0))


class Autoencoding(Learner):
    """Encoder and decoder together."""

    def __init__(self, recipe: Vae) -> None:
        self.recipe = recipe
        rows = recipe.data.load()
        decoder = recipe.blank()
        decoder.scale.fill_(rows.std())
        self.rows = rows / rows.std()
        encoder = nets.mlp([rows.shape[1], recipe.width, recipe.width, 2 * recipe.latent])
        parameters = [*decoder.parameters(), *encoder.parameters()]
        super().__init__({"generator": decoder, "encoder": encoder}, [torch.optim.Adam(parameters, recipe.rate)])
        self.decoder = decoder

    def step(self, number: int) -> None:  # noqa: ARG002  # all steps are alike
        """As `Learner.step`."""
        decoder = self.decoder
        rows = self.rows[torch.randint(len(self.rows), (self.recipe.batch,))]
        mean, log_sd = self.networks["encoder"](rows).chunk(2, 1)
        latent = mean + log_sd.exp() * torch.randn_like(mean)
        missed = (rows - decoder.body(latent)).square() / (2 * (2 * decoder.log_sd).exp()) + decoder.log_sd
        prior = (mean.square() + (2 * log_sd).exp() - 1) / 2 - log_sd
        loss = missed.sum(1).mean() + self.recipe.beta * prior.sum(1).mean()
        self.optimisers[0].zero_grad()
        loss.backward()
        self.optimisers[0].step()


@dataclass(frozen=True)
class Flow(Recipe):
    """RealNVP (Dinh 2016) on points."""

    batch: int = 256
    width: int = 48
    couplings: int = 6
    rate: float = 2e-3
    reverse: bool = False
    """Lower KL(model || target) on the model's own samples, which seeks modes, and not the likelihood of the data."""

    def blank(self) -> RealNvp:
        """As `Recipe.blank`."""
        return RealNvp(self.width, self.couplings)

    def learner(self) -> Learner:
        """As `Recipe.learner`."""
        return Flowing(self)

    def draw(self, generator: Any, n: int, temperature: float) -> Tensor:
        """As `Recipe.draw`; the noise is that of the base."""
        rows, _ = generator(temperature * torch.randn(n, 2))
        found: Tensor = generator.scale * rows
        return found


class RealNvp(nn.Module):
    """Points of two coordinates: each coupling scales and moves one by what a network reads from the other."""

    scale: Tensor

    def __init__(self, width: int, couplings: int) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(nets.mlp([1, width, width, 2]) for _ in range(couplings))
        self.register_buffer("scale", torch.tensor(1.0))

    def forward(self, rows: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
        """(rows on the other side `[n, 2]`, log of the volume's change `[n]`); forward is from base to data."""
        sides, change = list(rows.unbind(1)), torch.zeros(len(rows))
        order = list(enumerate(self.couplings))
        for place, coupling in reversed(order) if inverse else order:
            seen, moved = place % 2, 1 - place % 2
            raw, shift = coupling(sides[seen][:, None]).unbind(1)
            log_scale = 2 * torch.tanh(raw / 2)
            if inverse:
                sides[moved] = (sides[moved] - shift) * torch.exp(-log_scale)
            else:
                sides[moved] = sides[moved] * torch.exp(log_scale) + shift
            change = change - log_scale if inverse else change + log_scale
        return torch.stack(sides, 1), change


class Flowing(Learner):
    """One flow, in either direction."""

    def __init__(self, recipe: Flow) -> None:
        self.recipe = recipe
        rows = recipe.data.load()
        flow = recipe.blank()
        flow.scale.fill_(rows.std())
        self.rows = rows / rows.std()
        owner = target(recipe.data.target)
        if not isinstance(owner, Mixture):
            raise UsageError(f"{owner.name} is no mixture of Gaussians, which is what flows here learn.")
        self.means, self.sd = torch.from_numpy(owner.means / float(rows.std())).float(), owner.sd / float(rows.std())
        super().__init__({"generator": flow}, [torch.optim.Adam(flow.parameters(), recipe.rate)])

    def step(self, number: int) -> None:
        """As `Learner.step`; the rate falls to nothing."""
        flow, recipe = self.networks["generator"], self.recipe
        if recipe.reverse:
            rows, change = flow(torch.randn(recipe.batch, 2))
            loss = -(change + self._log_density(rows)).mean()
        else:
            base, change = flow(self.rows[torch.randint(len(self.rows), (recipe.batch,))], inverse=True)
            loss = (base.square().sum(1) / 2 - change).mean()
        for group in self.optimisers[0].param_groups:
            group["lr"] = recipe.rate * (1 - number / recipe.steps)
        self.optimisers[0].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        self.optimisers[0].step()

    def _log_density(self, rows: Tensor) -> Tensor:
        """Log density of the target, its modes equal, up to a constant: `[n]`."""
        found: Tensor = (-torch.cdist(rows, self.means).square() / (2 * self.sd**2)).logsumexp(1)
        return found
