"""Order-2 Renyi entropy of a Gaussian kernel: its exponential, the effective number of different samples."""

from __future__ import annotations

from math import log, sqrt

import torch
from torch import Tensor

from divmetrics.arrays.linalg import float64
from divmetrics.arrays.pairs._kernel_sums import (
    GaussianKernel,
    kernel_sums_on_splits,
    kernel_sums_within,
    weighted_kernel_sums,
)
from divmetrics.arrays.pairs._mmd import centred_square
from divmetrics.arrays.skewness import spread_of
from divmetrics.arrays.splits import Splits
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import UsageError
from divmetrics.records.metric import Spread

STEP = 0.02
"""Relative step of the numerical derivative with respect to the bandwidth."""


def kernel_bandwidth(rows: Rows, sigma: float | None) -> float:
    """Bandwidth of the Gaussian kernel: the one given, else half the root mean square distance of two rows.

    Half, because distances concentrate in high dimension, and at the typical distance all pairs then look alike; root
    mean square rather than median, because it is a smooth function of the samples, which the interval relies on.

    Args:
        rows: Samples `[n, d]`.
        sigma: Bandwidth in feature units, or None.

    Returns:
        The bandwidth in feature units; 1 if all rows coincide.

    Raises:
        UsageError: `sigma` is not above 0.
    """
    if sigma is not None and not sigma > 0:
        raise UsageError(f"sigma={sigma} is not possible; give a length above 0, or none for one from the data.")
    if sigma is not None:
        return sigma
    variance = float(_squares_from_mean(rows).mean())
    return sqrt(variance / 2) or 1.0  # the mean squared distance of two rows is twice that from the mean


def _squares_from_mean(rows: Rows) -> Tensor:
    """Squared distance `[n]` of each row from the mean."""
    centred = float64(rows.features)
    return (centred - centred.mean(0)).square().sum(1)


def effective_number(rows: Rows, sigma: float) -> float:
    """Exponential of the order-2 Renyi entropy of a Gaussian kernel: 1 / mean k² over all pairs; in [1, n].

    Each sample is paired with itself too. Jalali 2023, eq. 9.

    Args:
        rows: Samples `[n, d]`.
        sigma: Bandwidth of the kernel k in feature units.

    Returns:
        The effective number of different samples.

    Example:
        >>> from divmetrics.arrays.summaries import Rows
        >>> round(effective_number(Rows.from_array([[0.0], [0.0], [9.0], [9.0]]), 0.1), 6)
        2.0
    """
    return rows.n**2 / (rows.n + kernel_sums_within(rows, _squared(sigma)).total)


def effective_number_on_splits(whole: Rows, sigma: float, splits: Splits) -> tuple[Tensor, Tensor]:
    """`effective_number` of the real and of the fake samples on every split of a pool, `[B]` float64 each.

    Args:
        whole: The pooled samples `[N, d]`, real ones first.
        sigma: Bandwidth in feature units.
        splits: B assignments of them to the two sides.
    """
    sums = kernel_sums_on_splits(whole, _squared(sigma), splits)
    return sums.n**2 / (sums.n + 2 * sums.real), sums.m**2 / (sums.m + 2 * sums.fake)


def log_effective_number_spread(rows: Rows, sigma: float, *, own: bool = False) -> Spread | None:
    """Sampling variance of the logarithm of `effective_number` with its shape, by U-statistic theory.

    4 s²/n with s² the variance over samples of their mean k², less the contribution of pairs, which 4 s²/n counts
    twice; see `mmd2_variance`. A bandwidth of the samples' own adds pairs of its own, so that nothing is taken off.

    The number is largest where modes are equal and falls to either side, so its distribution may be skewed though no
    sample is unusual. The curvature is half the second difference of the logarithm along its own influence function,
    one standard error to either side (the least favourable family, DiCiccio and Efron 1992).

    Args:
        rows: Samples `[n, d]`.
        sigma: Bandwidth in feature units.
        own: Whether `sigma` was computed from these rows by `kernel_bandwidth` and varies with them (default False).

    Returns:
        The spread; None below four rows.
    """
    n = rows.n
    if n < 4:
        return None
    sums = kernel_sums_within(rows, _squared(sigma))
    mean = (n + sums.total) / n**2
    influence = 2 * sums.left / n / mean  # [n], up to a constant
    if own:
        ends = [log(effective_number(rows, sigma * factor)) for factor in (1 + STEP, 1 - STEP)]
        squares = _squares_from_mean(rows)
        influence -= (ends[0] - ends[1]) / (2 * STEP) * squares / (2 * float(squares.mean()))
    pairs = 2 * centred_square(sums, n) / (n * (n - 1)) / mean**2
    single = float(influence.var()) / n
    variance = max(pairs, single if own else single - pairs)
    if not variance > 0:
        return Spread(variance)
    linear = single if own else max(0.0, single - 2 * pairs)
    curvature = linear / sqrt(variance) * _curvature(rows, sigma, influence, own) if linear > 0 else 0.0
    return spread_of(variance, [-influence.cpu().numpy()], curvature=curvature)


def _curvature(rows: Rows, sigma: float, influence: Tensor, own: bool) -> float:
    """Half the second derivative of the logarithm along its `influence` `[n]`, where its first derivative is 1."""
    single = float(influence.var()) / rows.n
    moved = (influence - influence.mean()) / rows.n / sqrt(single)
    weights = torch.stack([1 + moved, 1 - moved], 1).clamp(min=0)
    weights = weights / weights.sum(0)  # [n, 2]
    if own:
        widths = [_weighted_bandwidth(rows, side) for side in weights.T]
        forms = [float(weighted_kernel_sums(rows, weights, _squared(width))[k]) for k, width in enumerate(widths)]
    else:
        forms = weighted_kernel_sums(rows, weights, _squared(sigma)).tolist()
    middle = log(effective_number(rows, sigma))
    return sum(-log(1 / rows.n + form) - middle for form in forms) / 2 / single


def _weighted_bandwidth(rows: Rows, weights: Tensor) -> float:
    """`kernel_bandwidth` of weighted rows."""
    centred = float64(rows.features)
    centred = centred - centred.mean(0)
    variance = float(weights @ centred.square().sum(1)) - float((weights @ centred).square().sum())
    return sqrt(variance / 2) if variance > 0 else 1.0


def log_effective_number_variance(rows: Rows, sigma: float, *, own: bool = False) -> float | None:
    """The variance of `log_effective_number_spread`."""
    found = log_effective_number_spread(rows, sigma, own=own)
    return None if found is None else found.variance


def _squared(sigma: float) -> GaussianKernel:
    """The square k² of the Gaussian kernel k with bandwidth `sigma`, which is Gaussian too."""
    return GaussianKernel(sigma / sqrt(2))
