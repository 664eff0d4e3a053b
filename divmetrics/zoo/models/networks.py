"""Network architectures of the trained models, for points and 8 x 8 images, small enough to train on one core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

SIDE = 8
"""Side of an image in pixels."""
SLOPE = 0.2
"""Negative slope of leaky ReLUs."""


def mlp(sizes: Sequence[int], *, batch_norm: bool = False, spectral: bool = False) -> nn.Sequential:
    """Linear layers of `sizes` with leaky ReLUs between them."""
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(pairwise(sizes)):
        layers.append(normed(nn.Linear(before, after), spectral))
        if place < len(sizes) - 2:
            layers += [nn.BatchNorm1d(after)] if batch_norm else []
            layers.append(nn.LeakyReLU(SLOPE))
    return nn.Sequential(*layers)


def normed(layer: nn.Module, spectral: bool) -> nn.Module:
    """`layer`, with spectral normalisation if `spectral` (Miyato 2018)."""
    return nn.utils.parametrizations.spectral_norm(layer) if spectral else layer


class ScaledOutput(nn.Module):
    """A network whose outputs are multiplied by a constant, the standard deviation of the data."""

    scale: Tensor

    def __init__(self, body: nn.Module, scale: float) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, latent: Tensor) -> Tensor:
        """`[n, latent]` -> rows `[n, d]` of the target."""
        rows: Tensor = self.scale * self.body(latent)
        return rows


class MinibatchFeatures(nn.Module):
    """Minibatch discrimination: features extended by their closeness to the batch (Salimans 2016, section 3.2)."""

    def __init__(self, width: int, kernels: int, depth: int = 4) -> None:
        super().__init__()
        self.shape = (kernels, depth)
        self.table = nn.Linear(width, kernels * depth, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """`[n, width]` -> `[n, width + kernels]`: the mean over the batch of exp(-L1 distance) for each kernel."""
        projected = self.table(features).view(-1, *self.shape)  # [n, B, C]
        gaps = (projected[:, None] - projected[None]).abs().sum(3)  # [n, n, B]
        return torch.cat([features, torch.exp(-gaps).mean(1)], 1)


class ConvGenerator(nn.Module):
    """Latents to images in [0, 1] by transposed convolutions (Radford 2015); it can grow from 4 x 4 to 8 x 8."""

    def __init__(self, latent: int, width: int, channels: int, *, batch_norm: bool) -> None:
        super().__init__()
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d if batch_norm else lambda _: nn.Identity()
        self.width, self.channels = width, channels
        self.start = nn.Linear(latent, 2 * width * 4)
        self.first = nn.Sequential(norm(2 * width), nn.ReLU(), nn.ConvTranspose2d(2 * width, width, 4, 2, 1))
        self.first_norm = nn.Sequential(norm(width), nn.ReLU())
        self.coarse = nn.Conv2d(width, channels, 1)
        self.fine = nn.ConvTranspose2d(width, channels, 4, 2, 1)
        self.grown = 1.0
        """How far the finer resolution has been faded in; 1 after training (Karras 2017, arXiv:1710.10196)."""

    def forward(self, latent: Tensor) -> Tensor:
        """`[n, latent]` -> rows `[n, channels * 64]`."""
        small = self.first_norm(self.first(self.start(latent).view(-1, 2 * self.width, 2, 2)))
        drawn: Tensor = self.fine(small)
        if self.grown < 1:
            drawn = self.grown * drawn + (1 - self.grown) * interpolate(self.coarse(small), scale_factor=2.0)
        return drawn.sigmoid().flatten(1)


class RecurrentGenerator(nn.Module):
    """Images generated row by row by a GRU."""

    def __init__(self, latent: int, width: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.memory = nn.GRU(latent, 2 * width, batch_first=True)
        self.row = nn.Linear(2 * width, channels * SIDE)

    def forward(self, latent: Tensor) -> Tensor:
        """`[n, latent]` -> rows `[n, channels * 64]`."""
        states, _ = self.memory(latent[:, None].expand(-1, SIDE, -1))  # [n, 8, 2 width]
        drawn = self.row(states).view(-1, SIDE, self.channels, SIDE).transpose(1, 2)
        return torch.sigmoid(drawn).flatten(1)


def conv_features(channels: int, width: int, *, batch_norm: bool, dropout: float, spectral: bool) -> nn.Sequential:
    """Two strided convolutions: 8 x 8 images `[n, channels * 64]` -> features `[n, 8 * width]`."""
    between: list[nn.Module] = [nn.BatchNorm2d(2 * width)] if batch_norm else []
    drops = [[nn.Dropout(dropout)] if dropout else [] for _ in range(2)]
    return nn.Sequential(
        nn.Unflatten(1, (channels, SIDE, SIDE)),
        normed(nn.Conv2d(channels, width, 3, 2, 1), spectral),
        nn.LeakyReLU(SLOPE),
        *drops[0],
        normed(nn.Conv2d(width, 2 * width, 3, 2, 1), spectral),
        *between,
        nn.LeakyReLU(SLOPE),
        *drops[1],
        nn.Flatten(),
    )


class NoiseFeatures(nn.Module):
    """Fourier features of the logarithm of the noise level, `[n]` -> `[n, 16]`."""

    WIDTH = 16
    frequencies: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("frequencies", 0.5 * 2.0 ** torch.arange(0, self.WIDTH // 4, 0.5), persistent=False)

    def forward(self, noise: Tensor) -> Tensor:
        """Sines and cosines of `log noise`."""
        angles = noise.log()[:, None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], 1)


class Denoiser(nn.Module):
    """Noise prediction from noisy rows `[n, d]` and noise levels `[n]`: residual layers conditioned on the level."""

    FEW = 3
    """Dimensions up to which rows get Fourier features."""

    def __init__(self, d: int, width: int, depth: int) -> None:
        super().__init__()
        self.level = NoiseFeatures()
        self.waves = d <= self.FEW
        """Whether points are given Fourier features as well, without which small networks miss detail (Tancik 2020)."""
        self.entry = nn.Linear(d * (9 if self.waves else 1) + NoiseFeatures.WIDTH, width)
        self.blocks = nn.ModuleList(nn.Linear(width + NoiseFeatures.WIDTH, width) for _ in range(depth))
        self.exit = nn.Linear(width, d)

    def forward(self, rows: Tensor, noise: Tensor) -> Tensor:
        """Predicted standard noise `[n, d]`."""
        level = self.level(noise)
        angles = [frequency * rows for frequency in (1.5, 3.0, 6.0, 12.0) if self.waves]
        inputs = [rows, *(angle.sin() for angle in angles), *(angle.cos() for angle in angles)]
        hidden = self.entry(torch.cat([*inputs, level], 1))
        for block in self.blocks:
            hidden = hidden + nn.functional.gelu(block(torch.cat([hidden, level], 1)))
        predicted: Tensor = self.exit(nn.functional.gelu(hidden))
        return predicted


class ChannelwiseDenoiser(nn.Module):
    """One denoiser applied to each colour channel of 8 x 8 images independently."""

    def __init__(self, denoiser: nn.Module) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, rows: Tensor, noise: Tensor) -> Tensor:
        """Predicted standard noise `[n, d]`."""
        colours = rows.view(-1, SIDE**2)
        predicted: Tensor = self.denoiser(colours, noise.repeat_interleave(len(colours) // len(rows)))
        return predicted.view(rows.shape)


class AttentionDenoiser(nn.Module):
    """Noise prediction for 8 x 8 images by a transformer over 16 patches."""

    PATCH = 2

    def __init__(self, d: int, width: int, depth: int) -> None:
        super().__init__()
        self.channels = d // SIDE**2
        size = self.channels * self.PATCH**2
        self.level = NoiseFeatures()
        self.entry = nn.Linear(size, width)
        self.place = nn.Parameter(torch.randn(1, (SIDE // self.PATCH) ** 2, width) / 10)
        self.shown = nn.Linear(NoiseFeatures.WIDTH, width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.exit = nn.Linear(width, size)

    def forward(self, rows: Tensor, noise: Tensor) -> Tensor:
        """Predicted standard noise `[n, d]`."""
        cells, patch = SIDE // self.PATCH, self.PATCH
        images = rows.view(-1, self.channels, cells, patch, cells, patch)
        tokens = images.permute(0, 2, 4, 1, 3, 5).reshape(len(rows), cells**2, -1)
        hidden = self.entry(tokens) + self.place + self.shown(self.level(noise))[:, None]
        for block in self.blocks:
            hidden = block(hidden)
        predicted: Tensor = self.exit(hidden).view(-1, cells, cells, self.channels, patch, patch)
        return predicted.permute(0, 3, 1, 4, 2, 5).reshape(rows.shape)
