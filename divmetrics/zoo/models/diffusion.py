"""Samplers that need a score and nothing else, and the exact score of a mixture of Gaussians under noise.

A score is asked for as `score(rows, signal, noise)`: the gradient of the log density of `signal * X + noise * Z` at
`rows` `[n, d]`, Z standard normal. Exact scores and learned ones are used alike. Chance comes from a `Normal`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Score = Callable[[Tensor, float, float], Tensor]
Normal = Callable[[int, int], Tensor]
"""`(n, d)` -> fresh standard normals `[n, d]`."""
TIMES = 1000
"""Steps of the finest noise schedule."""


def normals(rng: np.random.Generator) -> Normal:
    """Standard normals from `rng`, float64."""
    return lambda n, d: torch.from_numpy(rng.standard_normal((n, d)))


def mixture_score(means: np.ndarray, sd: float, weights: np.ndarray) -> Score:
    """The exact score of a mixture of round Gaussians: means `[K, d]`, one `sd`, `weights` `[K]`."""
    centres, log_weights = torch.from_numpy(means).double(), torch.from_numpy(np.log(weights)).double()

    def score(rows: Tensor, signal: float, noise: float) -> Tensor:
        variance = (signal * sd) ** 2 + noise**2
        moved = signal * centres  # [K, d]
        near = log_weights - torch.cdist(rows, moved).square() / (2 * variance)  # [n, K]
        return (near.softmax(1) @ moved - rows) / variance

    return score


def averaged(scores: Sequence[Score]) -> Score:
    """The sum of the scores: that of the product of the densities, renormalised; their modes are intersected."""

    def score(rows: Tensor, signal: float, noise: float) -> Tensor:
        return torch.stack([member(rows, signal, noise) for member in scores]).mean(0)

    return score


def guided(conditional: Score, unconditional: Score, weight: float) -> Score:
    """Classifier-free guidance: (1 + weight) times the first minus `weight` times the second (Ho 2022)."""

    def score(rows: Tensor, signal: float, noise: float) -> Tensor:
        return (1 + weight) * conditional(rows, signal, noise) - weight * unconditional(rows, signal, noise)

    return score


def kept_signal(steps: int) -> np.ndarray:
    """Share of the variance that is signal after each of `steps`, which stride over the linear schedule of DDPM."""
    whole = np.cumprod(1 - np.linspace(1e-4, 0.02, TIMES))
    found: np.ndarray = whole[np.linspace(0, TIMES - 1, steps).round().astype(int)]
    return found


def ddpm(score: Score, n: int, d: int, normal: Normal, *, steps: int, temperature: float = 1.0) -> Tensor:
    """Ancestral sampling (Ho 2020) with the posterior variance; `temperature` scales the noise of each step.

    Rows `[n, d]`; the start is at full noise.
    """
    kept = np.append(1.0, kept_signal(steps))
    rows = normal(n, d)
    for place in range(steps, 0, -1):
        now, before = kept[place], kept[place - 1]
        alpha = now / before
        clean = _clean(score, rows, now)
        mean = (np.sqrt(before) * (1 - alpha) * clean + np.sqrt(alpha) * (1 - before) * rows) / (1 - now)
        spread = np.sqrt((1 - before) / (1 - now) * (1 - alpha))
        rows = mean + temperature * spread * normal(n, d) if place > 1 else mean
    return rows


def ddim(score: Score, n: int, d: int, normal: Normal, *, steps: int, start: float = 1.0) -> Tensor:
    """Sampling without noise on the way (Song 2021); `start` scales the noise it begins with."""
    kept = np.append(1.0, kept_signal(steps))
    rows = start * normal(n, d)
    for place in range(steps, 0, -1):
        now, before = kept[place], kept[place - 1]
        clean = _clean(score, rows, now)
        noise = (rows - np.sqrt(now) * clean) / np.sqrt(1 - now)
        rows = np.sqrt(before) * clean + np.sqrt(1 - before) * noise
    return rows


def langevin(score: Score, rows: Tensor, normal: Normal, *, noise: float, rate: float, steps: int) -> Tensor:
    """`steps` of Langevin dynamics from `rows` `[n, d]` at one level of noise: half a `rate` uphill, and noise."""
    for _ in range(steps):
        rows = rows + rate / 2 * score(rows, 1.0, noise) + np.sqrt(rate) * normal(*rows.shape)
    return rows


def annealed(score: Score, rows: Tensor, normal: Normal, *, noises: Sequence[float], rate: float, steps: int) -> Tensor:
    """Langevin dynamics down a ladder of `noises` (Song 2019), `steps` each, at `rate` times noise squared."""
    for noise in noises:
        rows = langevin(score, rows, normal, noise=noise, rate=rate * noise**2, steps=steps)
    return rows


def _clean(score: Score, rows: Tensor, kept: float) -> Tensor:
    """What is expected of the data behind noisy `rows`."""
    signal, noise = float(np.sqrt(kept)), float(np.sqrt(1 - kept))
    return (rows + noise**2 * score(rows, signal, noise)) / signal
