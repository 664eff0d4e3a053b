"""Score-based samplers (DDPM, DDIM, Langevin), and the exact score of a noised Gaussian mixture.

A score is a function `score(rows, signal, noise)`: the gradient of the log density of `signal * X + noise * Z` at
`rows` `[n, d]`, Z standard normal. Exact and learned scores are used alike. Random numbers come from a `Normal`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Score = Callable[[Tensor, float, float], Tensor]
"""`(rows [n, d], signal, noise)` -> gradients of the log density `[n, d]`."""
Normal = Callable[[int, int], Tensor]
"""`(n, d)` -> fresh standard normals `[n, d]`."""
SCHEDULE_STEPS = 1000
"""Number of steps of the full noise schedule of DDPM."""


def normal_sampler(rng: np.random.Generator) -> Normal:
    """A source of standard normals from `rng`, float64."""
    return lambda n, d: torch.from_numpy(rng.standard_normal((n, d)))


def mixture_score(means: np.ndarray, sd: float, weights: np.ndarray) -> Score:
    """Exact score of a mixture of spherical Gaussians: means `[K, d]`, common `sd`, `weights` `[K]`."""
    centres, log_weights = torch.from_numpy(means).double(), torch.from_numpy(np.log(weights)).double()

    def score(rows: Tensor, signal: float, noise: float) -> Tensor:
        variance = (signal * sd) ** 2 + noise**2
        scaled = signal * centres  # [K, d]
        log_joint = log_weights - torch.cdist(rows, scaled).square() / (2 * variance)  # [n, K]
        return (log_joint.softmax(1) @ scaled - rows) / variance

    return score


def average_scores(scores: Sequence[Score]) -> Score:
    """Mean of scores: that of the geometric mean of the densities, whose modes are the intersection of theirs."""

    def score(rows: Tensor, signal: float, noise: float) -> Tensor:
        return torch.stack([member(rows, signal, noise) for member in scores]).mean(0)

    return score


def guided_score(conditional: Score, unconditional: Score, weight: float) -> Score:
    """Classifier-free guidance: (1 + weight) conditional - weight unconditional score (Ho 2022)."""

    def score(rows: Tensor, signal: float, noise: float) -> Tensor:
        return (1 + weight) * conditional(rows, signal, noise) - weight * unconditional(rows, signal, noise)

    return score


def alpha_bars(steps: int) -> np.ndarray:
    """Cumulative signal share alpha-bar `[steps]` at evenly spaced steps of the linear schedule of DDPM."""
    whole = np.cumprod(1 - np.linspace(1e-4, 0.02, SCHEDULE_STEPS))
    alpha_bar: np.ndarray = whole[np.linspace(0, SCHEDULE_STEPS - 1, steps).round().astype(int)]
    return alpha_bar


def ddpm(score: Score, n: int, d: int, normal: Normal, *, steps: int, temperature: float = 1.0) -> Tensor:
    """DDPM ancestral sampling (Ho 2020) with the posterior variance, from pure noise.

    Args:
        score: Score of the noised data.
        n: Number of samples.
        d: Dimension.
        normal: Source of random numbers.
        steps: Number of steps, spread over the 1,000 of the schedule.
        temperature: Factor on the noise that each step adds.

    Returns:
        Samples `[n, d]`.
    """
    alpha_bar = np.append(1.0, alpha_bars(steps))
    rows = normal(n, d)
    for step in range(steps, 0, -1):
        now, before = alpha_bar[step], alpha_bar[step - 1]
        alpha = now / before
        clean = _predicted_clean(score, rows, now)
        mean = (np.sqrt(before) * (1 - alpha) * clean + np.sqrt(alpha) * (1 - before) * rows) / (1 - now)
        spread = np.sqrt((1 - before) / (1 - now) * (1 - alpha))
        rows = mean + temperature * spread * normal(n, d) if step > 1 else mean
    return rows


def ddim(score: Score, n: int, d: int, normal: Normal, *, steps: int, start: float = 1.0) -> Tensor:
    """DDIM deterministic sampling (Song 2021): `[n, d]`; `start` scales the initial noise."""
    alpha_bar = np.append(1.0, alpha_bars(steps))
    rows = start * normal(n, d)
    for step in range(steps, 0, -1):
        now, before = alpha_bar[step], alpha_bar[step - 1]
        clean = _predicted_clean(score, rows, now)
        noise = (rows - np.sqrt(now) * clean) / np.sqrt(1 - now)
        rows = np.sqrt(before) * clean + np.sqrt(1 - before) * noise
    return rows


def langevin(score: Score, rows: Tensor, normal: Normal, *, noise: float, rate: float, steps: int) -> Tensor:
    """`steps` of unadjusted Langevin dynamics with step size `rate`, from `rows` `[n, d]`, at one noise level."""
    for _ in range(steps):
        rows = rows + rate / 2 * score(rows, 1.0, noise) + np.sqrt(rate) * normal(*rows.shape)
    return rows


def annealed_langevin(
    score: Score, rows: Tensor, normal: Normal, *, noises: Sequence[float], rate: float, steps: int
) -> Tensor:
    """Annealed Langevin dynamics (Song 2019): `steps` at each of `noises`, with step size `rate` x noise squared."""
    for noise in noises:
        rows = langevin(score, rows, normal, noise=noise, rate=rate * noise**2, steps=steps)
    return rows


def _predicted_clean(score: Score, rows: Tensor, alpha_bar: float) -> Tensor:
    """Posterior mean of the data given noisy `rows` `[n, d]` (Tweedie's formula)."""
    signal, noise = float(np.sqrt(alpha_bar)), float(np.sqrt(1 - alpha_bar))
    return (rows + noise**2 * score(rows, signal, noise)) / signal
